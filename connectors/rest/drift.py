"""Values whose JSON type changes from one page to the next: landed as text, and named."""

from __future__ import annotations

from connectors.rest.paging.protocol import Page

_MOST_NAMED = 5


class Drift:
    """Which types each column had, and from which page on.

    Every value lands as its text, so a change costs no row; the mapping decides about it.
    """

    def __init__(self) -> None:
        self._first: dict[str, dict[str, int]] = {}

    def saw(self, page: Page) -> None:
        """Takes the types of a page."""
        for column, kinds in page.rows.kinds.items():
            known = self._first.setdefault(column, {})
            for kind, count in kinds.items():
                if count:
                    known.setdefault(kind, page.ask.number)

    def notes(self) -> list[str]:
        """One sentence for each column of several types, the first few."""
        varied = {c: kinds for c, kinds in self._first.items() if len(kinds) > 1}
        said = []
        for column, kinds in list(varied.items())[:_MOST_NAMED]:
            ways = ", ".join(f"{kind} from page {page}" for kind, page in kinds.items())
            said.append(f"column {column!r} changes its type: {ways}")
        if len(varied) > _MOST_NAMED:
            said.append(f"{len(varied) - _MOST_NAMED} more columns change their type")
        return said
