"""A list of an API, page by page: asked for ahead of need within the budget, given in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from connectors.rest.auth.tokens import below
from connectors.rest.decoding import Decoded, decoded
from connectors.rest.errors import Failure
from connectors.rest.masking import masked_start
from connectors.rest.office import Asking
from connectors.rest.options import RestStream, Success
from connectors.rest.paging.protocol import Ask, Hint, Page, Pager
from connectors.rest.records import Records
from connectors.rest.request import Answer, Request, text_of, with_value
from connectors.rest.rows import Shape, elements_at, keys_of
from schemas.errors import ContractError, SourceError

_decoding = threading.Lock()
"""One answer is decoded at a time. Python's lock lets no two go on anyhow, and every thread that
asks for it makes others, who map what has come, wait for their turn longer."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A list, and how its pages are asked for.

    Attributes:
        stream: The stream's options.
        shape: Which columns its rows have.
        records: What its rows are decoded to; None: dictionaries.
        pager: How it pages.
        asking: Makes the requests.
        pool: Does so beside the reader.
        where: Beginning of every error.
    """

    stream: RestStream
    shape: Shape
    records: Records | None
    pager: Pager
    asking: Asking
    pool: ThreadPoolExecutor
    where: str

    def pages(self, window: Mapping[str, str]) -> Iterator[Page]:
        """The pages of one window, in their order, the last one being empty perhaps.

        Args:
            window: The parameters of the interval.

        Raises:
            ContractError: A page repeats another, or the list doesn't end.
        """
        coming: deque[tuple[Ask, Future[Page]]] = deque()
        first: Page | None = None
        before: Page | None = None
        read = 0
        ask: Ask | None = self.pager.first()
        try:
            while ask is not None:
                if ask.number > self.pager.max_pages > 1:
                    self._raise_endless()
                if not coming or coming[0][0] != ask:
                    _cancel(coming)
                    coming.append((ask, self.pool.submit(self.page, ask, window)))
                if first is not None:
                    self._ask_ahead(coming, first, window)
                page = coming.popleft()[1].result()
                first = first or page
                read += page.count
                ask = self._following(page, before, read)
                before = page
                if ask is not None:
                    self._ask_ahead(coming, first, window, behind=page.ask)
                yield page
        finally:
            _cancel(coming)

    def page(self, ask: Ask, window: Mapping[str, str]) -> Page:
        """Asks for one page; an address that says that there is none gives an empty one."""
        request = self._request(ask, window)

        def read(answer: Answer) -> Page:
            if answer.status in self.pager.end_status or answer.status == 204:
                return Page(ask=ask, rows=self.shape.rows([], Decoded(value=[])), hint=Hint())
            with _decoding:
                # The keys of the first page are told to whoever connects the office.
                records = self.records if ask.number > 1 else None
                value = decoded(answer, encoding=self.stream.encoding, records=records)
                _demand_success(value, self.stream.success, answer)
                elements = elements_at(value.value, self.stream.rows)
                rows = self.shape.rows(elements, value)
                if ask.number == 1:
                    rows.keys = keys_of(elements, value.mark)
                hint = self.pager.hint(value, answer)
                return Page(ask=ask, rows=rows, hint=hint, notes=value.notes)

        return self.asking.ask(request, read, accepted=self.pager.end_status)

    def probe(self) -> Request:
        """A request by which the server can be asked for its time."""
        url = below(self.asking.office.options.url, self.stream.path)
        return Request(method="HEAD", url=url, label=f"HEAD {self.stream.path}")

    def _following(self, page: Page, before: Page | None, read: int) -> Ask | None:
        try:
            return self.pager.follow(page, before=before, read=read)
        except ContractError as error:
            raise type(error)(f"{self.where}: {error}") from None

    def _ask_ahead(
        self,
        coming: deque[tuple[Ask, Future[Page]]],
        first: Page,
        window: Mapping[str, str],
        *,
        behind: Ask | None = None,
    ) -> None:
        """Asks for pages that are sure to follow, as many as may be asked for at once."""
        last = coming[-1][0] if coming else behind
        # Where nobody says how many there are, one page beyond the sure one.
        most = self.asking.office.pace.concurrent if self.pager.knows_end(first) else 2
        while last is not None and len(coming) < most:
            guess = self.pager.guess(last, first)
            if guess is None or guess.number > self.pager.max_pages:
                return
            coming.append((guess, self.pool.submit(self.page, guess, window)))
            last = guess

    def _request(self, ask: Ask, window: Mapping[str, str]) -> Request:
        stream = self.stream
        told = [f"{name}={value}" for name, value in window.items()]
        label = f"{stream.method} {stream.path} ({', '.join([ask.label, *told])})"
        parameters: list[tuple[str, str | int]] = [*window.items(), *ask.parameters]
        query = [(name, text_of(value)) for name, value in stream.query.items()]
        body: Any = stream.body
        if stream.parameters == "body":
            body = {} if body is None else body
            for name, value in parameters:
                body = with_value(body, name, value)
        else:
            query += [(name, text_of(value)) for name, value in parameters]
        url = below(self.asking.office.options.url, stream.path)
        return Request(
            method=stream.method, url=ask.url or url, label=label,
            query=() if ask.url else tuple(query),
            body=body, is_form=stream.send_as == "form",
        )  # fmt: skip

    def _raise_endless(self) -> None:
        message = (
            f"{self.where}: the list has more than {self.pager.max_pages} pages and doesn't end; "
            "if it is that long, raise `max_pages` or read it in windows"
        )
        raise ContractError(message)


def _demand_success(value: Decoded, success: Success | None, answer: Answer) -> None:
    """Looks at the code in the answer, where an API says by it how it went."""
    if success is None:
        return
    code = value.text(success.at)
    if code is None and (flag := value.flag(success.at)) is not None:
        code = text_of(flag)
    if code in tuple(map(text_of, success.is_)):
        return
    said = "none" if code is None else f"{code[:40]!r}"
    kind = f"the answer's {success.at} is {said}"
    shown = masked_start(answer.body)
    if code in tuple(map(text_of, success.unauthorized)):
        raise Failure(
            kind, is_transient=False, final=SourceError, shown=shown, is_unauthorized=True,
            advice="it doesn't accept who asks; compare `auth:`",
        )  # fmt: skip
    if code in tuple(map(text_of, success.again)):
        raise Failure(kind, shown=shown, advice="run it again later")
    raise Failure(
        kind, is_transient=False, final=SourceError, shown=shown,
        advice="the office that runs the API can say what that means",
    )  # fmt: skip


def _cancel(coming: deque[tuple[Ask, Future[Page]]]) -> None:
    while coming:
        coming.pop()[1].cancel()
