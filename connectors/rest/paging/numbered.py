"""Pages that we count: by number, by offset, in slices."""

from __future__ import annotations

from connectors.rest.decoding import Decoded
from connectors.rest.errors import RepeatedPageError
from connectors.rest.paging.protocol import Ask, Hint, Page, Parameters
from connectors.rest.paging_options import OffsetPaging, PagePaging, SlicePaging
from connectors.rest.request import Answer


class Numbered:
    """Pages by number or offset.

    A short page is no end: a server may cap the size it is asked for, or lose rows. The end is what
    the answer says (total, pages, last, more), else an empty page.

    Args:
        options: What the YAML states.
    """

    def __init__(self, options: PagePaging | OffsetPaging | SlicePaging) -> None:
        self._options = options
        self._is_offset = isinstance(options, OffsetPaging)
        self._pages = options.pages if isinstance(options, PagePaging) else None
        self.is_stable = bool(options.stable)
        self.max_pages = options.max_pages
        self.end_status = options.end_status

    def first(self) -> Ask:
        """See `Pager.first`."""
        return self._ask(1, self._options.first)

    def hint(self, decoded: Decoded, answer: Answer) -> Hint:
        """See `Pager.hint`."""
        del answer
        options = self._options
        is_last = None if options.last is None else decoded.flag(options.last)
        if options.more is not None and (more := decoded.flag(options.more)) is not None:
            is_last = not more
        return Hint(
            total=None if options.total is None else decoded.count(options.total),
            pages=None if self._pages is None else decoded.count(self._pages),
            is_last=is_last,
        )

    def follow(self, page: Page, *, before: Page | None, read: int) -> Ask | None:
        """See `Pager.follow`."""
        if self._is_end(page, read):
            return None
        if before is not None and is_repeated(page, before):
            if self._options.size is not None and page.count < self._options.size:
                return None  # a server that answers with its last page for every later one
            message = (
                f"page {page.ask.number} is page {before.ask.number} again: does the API know the "
                f"parameter {self._options.parameter!r}, and where is its total (`paging:`)?"
            )
            raise RepeatedPageError(message)
        step = page.count if self._is_offset else 1
        return self._ask(page.ask.number + 1, self._place(page.ask) + step)

    def knows_end(self, first: Page) -> bool:
        """See `Pager.knows_end`."""
        return self._most(first) is not None

    def guess(self, ask: Ask, first: Page) -> Ask | None:
        """See `Pager.guess`."""
        if not first.count or first.hint.is_last:
            return None
        most = self._most(first)
        if most is not None and ask.number >= most:
            return None
        step = first.count if self._is_offset else 1
        return self._ask(ask.number + 1, self._place(ask) + step)

    def described(self, page: Page) -> str:
        """See `Pager.described`."""
        hint = page.hint
        stated = self._options.total
        told = [
            f"total {hint.total}" * (hint.total is not None),
            f"no number at `total: {stated}`" * (hint.total is None and stated is not None),
            f"{hint.pages} pages" * (hint.pages is not None),
            ("the last one" if hint.is_last else "more follow") * (hint.is_last is not None),
        ]
        said = ", ".join(filter(None, told)) or "no total: it is read until a page is empty"
        rows = f"{page.count} rows on the first page"
        size = self._options.size
        if size is not None and page.count != size and not self._is_end(page, page.count):
            rows += f" although `size: {size}` is asked for"
        return f"paging by {self._options.parameter}: {rows}, {said}"

    def _is_end(self, page: Page, read: int) -> bool:
        hint = page.hint
        if hint.is_last is not None:
            return hint.is_last or not page.count
        if not page.count:
            return True
        if hint.pages is not None:
            return page.ask.number >= hint.pages
        return hint.total is not None and read >= hint.total

    def _most(self, first: Page) -> int | None:
        """How many pages the first one tells of."""
        if first.hint.pages is not None:
            return first.hint.pages
        if first.hint.total is None or not first.count:
            return None
        return -(-first.hint.total // first.count)

    def _ask(self, number: int, place: int) -> Ask:
        options = self._options
        parameters: Parameters = ((options.parameter, place),)
        if isinstance(options, OffsetPaging) and options.end_parameter is not None:
            parameters += ((options.end_parameter, place + (options.size or 0)),)
        elif options.size_parameter is not None and options.size is not None:
            parameters += ((options.size_parameter, options.size),)
        return Ask(number=number, parameters=parameters)

    def _place(self, ask: Ask) -> int:
        return int(dict(ask.parameters)[self._options.parameter])


def is_repeated(page: Page, before: Page) -> bool:
    """Whether a page holds the very rows of the one before it."""
    return bool(page.count) and page.rows.batch.equals(before.rows.batch)
