"""What a protocol's options have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.errors import ConfigError
from schemas.names import nearest


def raise_if_unknown(given: Iterable[str], known: Sequence[str], *, protocol: str) -> None:
    """Refuses an option that the protocol doesn't have.

    Raises:
        ConfigError: It names the nearest right one.
    """
    for name in given:
        if name not in known:
            near = nearest(name, known)
            hint = f"; did you mean {near!r}?" if near else ""
            message = (
                f"connector files: {protocol}:// has no option {name!r} in `storage_options`; it "
                f"has {', '.join(sorted(known))}{hint}"
            )
            raise ConfigError(message)
