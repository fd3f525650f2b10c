"""What every way of saying who asks promises."""

from __future__ import annotations

from typing import Protocol

from connectors.rest.clock import Stop
from connectors.rest.request import Answer, Draft, Request, Sent


class Sender(Protocol):
    """Makes a request of the authentication's own: with retries, without saying who asks."""

    def __call__(
        self, request: Request, *, basic: tuple[str, str] | None, stop: Stop | None
    ) -> Answer:
        """The answer; raises like any request of a read."""
        ...


class Auth(Protocol):
    """One way of saying who asks, shared by all streams of a source."""

    def secrets(self) -> list[str]:
        """What must never be shown."""
        ...

    def ready(self, stop: Stop | None) -> object:
        """Makes sure that there is a token that lives; gives what identifies it."""
        ...

    def apply(self, draft: Draft) -> None:
        """Writes who asks into a request."""
        ...

    def sign(self, sent: Sent) -> dict[str, str]:
        """Headers that sign the request as it will be sent."""
        ...

    def renew(self, used: object) -> bool:
        """Forgets the token that was refused; False where there is nothing to renew."""
        ...


class Anybody:
    """No authentication; also what the others have in common."""

    def secrets(self) -> list[str]:
        """See `Auth.secrets`."""
        return []

    def ready(self, stop: Stop | None) -> object:
        """See `Auth.ready`."""
        del stop
        return None

    def apply(self, draft: Draft) -> None:
        """See `Auth.apply`."""

    def sign(self, sent: Sent) -> dict[str, str]:
        """See `Auth.sign`."""
        del sent
        return {}

    def renew(self, used: object) -> bool:
        """See `Auth.renew`."""
        del used
        return False
