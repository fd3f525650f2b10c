"""What every way of paging promises, and what is known of one page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from connectors.rest.decoding import Decoded
from connectors.rest.request import Answer
from connectors.rest.rows import Rows

Parameters = tuple[tuple[str, str | int], ...]


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What tells the request for one page from the others.

    Attributes:
        number: Which page of the read it is, from 1.
        parameters: What is added to the request.
        url: The page's own address, where the server gives one; it replaces path and parameters.
    """

    number: int
    parameters: Parameters = ()
    url: str | None = None

    @property
    def label(self) -> str:
        """How an error calls the page; a server's cursor or address isn't part of it."""
        return f"page {self.number}"


@dataclass(frozen=True, kw_only=True)
class Hint:
    """What an answer says of the pages behind it."""

    total: int | None = None
    pages: int | None = None
    is_last: bool | None = None
    next: str | None = None


@dataclass(kw_only=True)
class Page:
    """One page.

    Attributes:
        ask: What it was asked by.
        rows: Its rows.
        hint: What it says of the others.
        notes: What was seen beside.
    """

    ask: Ask
    rows: Rows
    hint: Hint
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Rows."""
        return int(self.rows.batch.num_rows)


class Pager(Protocol):
    """One way of paging. Holds nothing of a read: what it decides follows from pages."""

    is_stable: bool
    max_pages: int
    end_status: tuple[int, ...]

    def first(self) -> Ask:
        """The first page."""
        ...

    def hint(self, decoded: Decoded, answer: Answer) -> Hint:
        """What an answer says of the pages behind it."""
        ...

    def follow(self, page: Page, *, before: Page | None, read: int) -> Ask | None:
        """The page behind one that came; None at the end.

        Args:
            page: The page that came.
            before: The one before it.
            read: Rows that have come, the page's own included.

        Raises:
            ContractError: The pages don't go on as they should (one is repeated).
        """
        ...

    def knows_end(self, first: Page) -> bool:
        """Whether the first page tells how many there are."""
        ...

    def guess(self, ask: Ask, first: Page) -> Ask | None:
        """The page behind one that was only asked for; None where it can't be known.

        Args:
            ask: The page.
            first: The first page, which may tell how many there are.
        """
        ...

    def described(self, page: Page) -> str:
        """What is seen of the paging on the first page, for `check`."""
        ...
