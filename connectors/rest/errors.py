"""What can go wrong with one request, and which error it is in the end."""

from __future__ import annotations

from schemas.errors import ContractError, LienThongError, SourceError, TransientSourceError


class Failure(Exception):
    """One try of one request failed. It never leaves the connector: `final` does.

    Attributes:
        kind: What happened, in a few words ("status 503", "time-out", "invalid JSON").
        is_transient: Another try may do better.
        final: The error once no further try is made.
        advice: The next step for a person.
        retry_after: Seconds that the server asked to wait, or None.
        shown: The masked beginning of the answer, where that helps.
        is_unauthorized: The server doesn't accept who asks: a new token may help.
        status: Status of the answer, or None.
    """

    def __init__(
        self,
        kind: str,
        *,
        is_transient: bool = True,
        final: type[SourceError] = TransientSourceError,
        advice: str = "run it again later",
        retry_after: float | None = None,
        shown: str = "",
        is_unauthorized: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.is_transient = is_transient
        self.final = final
        self.advice = advice
        self.retry_after = retry_after
        self.shown = shown
        self.is_unauthorized = is_unauthorized
        self.status = status

    def error(self, where: str, *, tries: int) -> LienThongError:
        """The error for a person.

        Args:
            where: The request, without a secret.
            tries: How often it was made.
        """
        often = f" after {tries} tries" if tries > 1 else ""
        begins = f"; the answer begins {self.shown!r}" if self.shown else ""
        return self.final(f"{where}: {self.kind}{often}{begins}; {self.advice}")


class RepeatedPageError(ContractError):
    """A page holds the rows of the one before it: once it may be an accident."""


_REFUSED = {
    400: "the API doesn't understand the request; compare `path`, `query` and `body` with its "
    "documentation",
    401: "it doesn't accept who asks; compare `auth:` with what the office gave",
    403: "who asks may not see this; the office has to allow it",
    404: "there is nothing at this address; compare `url` and `path` with the documentation",
    405: "it doesn't take this method; compare `method`",
    415: "it doesn't take this kind of body; compare `send_as`",
}


def of_status(status: int, *, retry_after: float | None, shown: str) -> Failure:
    """The failure for a status that isn't a success: 429 and 5xx are transient, nothing else."""
    if status == 429 or status >= 500:
        return Failure(
            f"status {status}", retry_after=retry_after, shown=shown, status=status,
            advice="the server is busy or down; run it again later",
        )  # fmt: skip
    return Failure(
        f"status {status}", is_transient=False, final=SourceError, shown=shown, status=status,
        is_unauthorized=status == 401,
        advice=_REFUSED.get(status, "it refuses; the office that runs it can say why"),
    )  # fmt: skip


def broken_answer(kind: str, *, shown: str, advice: str) -> Failure:
    """An answer that can't be used: once it may be an accident, always it is the API's shape."""
    return Failure(kind, final=ContractError, shown=shown, advice=advice)
