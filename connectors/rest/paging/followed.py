"""Pages that lead to the next one: a cursor, a Link header, a URL in the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from urllib.parse import urljoin, urlsplit

from connectors.rest.client import linked
from connectors.rest.decoding import Decoded
from connectors.rest.errors import RepeatedPageError
from connectors.rest.paging.numbered import is_repeated
from connectors.rest.paging.protocol import Ask, Hint, Page, Parameters
from connectors.rest.paging_options import CursorPaging, LinkPaging, NextPaging
from connectors.rest.request import Answer
from schemas.errors import ContractError

_DIGITS = re.compile("[0-9]+")


class Followed:
    """Pages of which each says what to ask the next one with.

    Args:
        options: What the YAML states.
        url: The connector's url: a next page lies at the same host.
    """

    def __init__(self, options: CursorPaging | LinkPaging | NextPaging, *, url: str) -> None:
        self._options = options
        self._home = urlsplit(url)
        is_cursor = isinstance(options, CursorPaging)
        self.is_stable = is_cursor if options.stable is None else options.stable
        self.max_pages = options.max_pages
        self.end_status = options.end_status

    def first(self) -> Ask:
        """See `Pager.first`."""
        return Ask(number=1, parameters=self._size())

    def hint(self, decoded: Decoded, answer: Answer) -> Hint:
        """See `Pager.hint`."""
        options = self._options
        total = None if options.total is None else decoded.count(options.total)
        is_last: bool | None = None
        match options:
            case CursorPaging():
                named = answer.headers.get((options.header or "").lower())
                found = decoded.text(options.at) if options.at is not None else named
                more = None if options.more is None else decoded.flag(options.more)
                is_last = None if more is None else not more
            case LinkPaging():
                found = linked(answer.headers.get("link", ""), options.rel)
            case NextPaging():
                found = decoded.text(options.at)
        if found and not isinstance(options, CursorPaging):
            found = urljoin(answer.url, found)
        return Hint(total=total, is_last=is_last, next=found or None)

    def follow(self, page: Page, *, before: Page | None, read: int) -> Ask | None:
        """See `Pager.follow`."""
        del read
        following = page.hint.next
        if following is None or page.hint.is_last:
            return None
        number = page.ask.number + 1
        if isinstance(self._options, CursorPaging):
            parameters: Parameters = ((self._options.parameter, following), *self._size())
            ask = Ask(number=number, parameters=parameters)
        else:
            ask = Ask(number=number, url=self._at_home(following))
        is_same = (ask.parameters, ask.url) == (page.ask.parameters, page.ask.url)
        if is_same or (before is not None and is_repeated(page, before)):
            message = (
                f"page {page.ask.number} leads to itself again or repeats the one before it: the "
                "list would never end; the office that runs the API has to look at it"
            )
            raise RepeatedPageError(message)
        return ask

    def knows_end(self, first: Page) -> bool:
        """See `Pager.knows_end`."""
        del first
        return False

    def guess(self, ask: Ask, first: Page) -> Ask | None:
        """See `Pager.guess`: only the page itself tells."""
        del ask, first
        return None

    def described(self, page: Page) -> str:
        """See `Pager.described`."""
        kind = {CursorPaging: "a cursor", LinkPaging: "the Link header", NextPaging: "a next URL"}
        more = "another one follows" if page.hint.next else "no other one follows"
        total = f", total {page.hint.total}" if page.hint.total is not None else ""
        return (
            f"paging by {kind[type(self._options)]}: {page.count} rows on the first page, "
            f"{more}{total}"
        )

    def _size(self) -> Parameters:
        if self._options.size_parameter is None or self._options.size is None:
            return ()
        return ((self._options.size_parameter, self._options.size),)

    def _at_home(self, url: str) -> str:
        """The next page's address, at the source's own host.

        Behind a proxy an API often thinks that it is http; its own name it should know.
        """
        parts = urlsplit(url)
        if parts.hostname != self._home.hostname:
            message = (
                f"the next page lies at another host ({parts.hostname}): it isn't followed; if "
                "that is the API's right address, state it in `url`"
            )
            raise ContractError(message)
        return parts._replace(scheme=self._home.scheme, netloc=self._home.netloc).geturl()


def keeps_place(addresses: Sequence[str]) -> bool:
    """Whether next pages are told apart by more than counting on, as by a keyset's cursor.

    Many a `next` is ?page=2 or ?offset=100, and its rows move like those of a numbered page. Of a
    single address nothing can be seen.
    """
    return any(_DIGITS.sub("", one) != _DIGITS.sub("", two) for one, two in pairwise(addresses))


class Whole:
    """A list that comes in one answer."""

    is_stable = True
    max_pages = 1
    end_status: tuple[int, ...] = ()

    def first(self) -> Ask:
        """See `Pager.first`."""
        return Ask(number=1)

    def hint(self, decoded: Decoded, answer: Answer) -> Hint:
        """See `Pager.hint`."""
        del decoded, answer
        return Hint()

    def follow(self, page: Page, *, before: Page | None, read: int) -> Ask | None:
        """See `Pager.follow`."""
        del page, before, read
        return None

    def knows_end(self, first: Page) -> bool:
        """See `Pager.knows_end`."""
        del first
        return False

    def guess(self, ask: Ask, first: Page) -> Ask | None:
        """See `Pager.guess`."""
        del ask, first
        return None

    def described(self, page: Page) -> str:
        """See `Pager.described`."""
        return f"no paging: {page.count} rows in one answer"
