"""How a night of a stream with a cursor finds the keys that its source doesn't have any more."""

from __future__ import annotations

from collections.abc import Callable

from connectors.comparing import Comparing, Scope
from connectors.protocol import Connector, StreamSpec
from warehouse.landing_stamp import ReadStamp
from warehouse.vanished import LandedKeys, Vanished, vanished

Finder = Callable[[LandedKeys], Vanished | None]


def finder(connector: Connector, spec: StreamSpec, read: ReadStamp) -> Finder | None:
    """What tells the keys that are gone, by the source's own checksums of its keys.

    Only where they aren't what the last read left, and in the slots of keys in which they differ,
    keys are listed: a deletion that a late insert hides from a count is found. Where the source
    can't compute them the finder says None: the rows are counted and, where they are fewer, all
    keys are listed.

    Returns:
        See `warehouse.landing_read.ReadEnd.vanished`; None where nothing looks for deletes.
    """
    if spec.cursor is None or not spec.cursor.deletes or not isinstance(connector, Comparing):
        return None

    def find(landed: LandedKeys) -> Vanished | None:
        with connector.comparison(spec, Scope()) as comparison:
            if comparison.cannot("keys") is not None:
                return None
            return vanished(landed, source=comparison, read=read)

    return find
