"""One read of one stream of an API: pages or settled windows, details, as Arrow batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import pyarrow as pa

from connectors.protocol import ReadRequest, ReadSummary, StreamSpec
from connectors.rest.bounds import Bounds
from connectors.rest.clock import Stop
from connectors.rest.decoding import marked
from connectors.rest.details import DetailCalls
from connectors.rest.drift import Drift
from connectors.rest.listing import Listing
from connectors.rest.office import Asking, Office
from connectors.rest.options import RestStream
from connectors.rest.paging import pager_of
from connectors.rest.paging.followed import keeps_place
from connectors.rest.paging.protocol import Page
from connectors.rest.records import Records
from connectors.rest.rows import TRAIL, Shape, missing, raise_if_missing
from connectors.rest.settling import miscounted, settled


class RestRead:
    """A `Read` of one interval, or of the whole list.

    Args:
        spec: The stream.
        request: What is asked for.
        office: The source.
        stream: The stream's options.
        window: The parameters of the interval.

    Attributes:
        columns_found: Keys of the first page's objects, with their JSON types.
        seen: What the first page shows of the paging.
    """

    def __init__(
        self,
        spec: StreamSpec,
        request: ReadRequest,
        *,
        office: Office,
        stream: RestStream,
        window: Mapping[str, str],
    ) -> None:
        self.schema = pa.schema([*(pa.field(name, pa.string()) for name in spec.columns), *TRAIL])
        self.summary = ReadSummary()
        self._spec = spec
        self._request = request
        self._stream = stream
        self._window = window
        self._stop = Stop(request.stop)
        self._asking = Asking(office, self._stop)
        self._pool = ThreadPoolExecutor(office.pace.concurrent, thread_name_prefix="rest")
        self._drift = Drift()
        self._bounds = Bounds(request.low, request.high, window)
        self._present: set[str] = set()
        self._is_settled = True
        self._addresses: list[str] = []  # of the next pages, in the pass under way
        self.columns_found: dict[str, str] = {}
        self.seen: tuple[str, ...] = ()
        details = stream.details
        given = () if details is None else tuple(details.fields)
        needs = () if details is None else details.needs
        listed = [name for name in spec.columns if name not in given]
        listed += [name for name in needs if name not in listed]
        self.listing = Listing(
            stream=stream,
            shape=Shape(columns=tuple(listed), paths=stream.fields),
            records=Records.of(
                [stream.fields.get(name, name) for name in listed],
                rows=stream.rows,
                beside=_asked_beside(stream),
                number=marked,
            ),
            pager=pager_of(stream.paging, url=office.options.url),
            asking=self._asking,
            pool=self._pool,
            where=f"stream {spec.name!r}",
        )
        self._details: DetailCalls | None = None
        wanted = tuple(name for name in given if name in spec.columns)
        if details is not None and wanted:
            self._details = DetailCalls(
                details=details, shape=Shape(columns=wanted, paths=details.fields),
                encoding=stream.encoding, asking=self._asking, pool=self._pool,
            )  # fmt: skip

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Read.batches`.

        Raises:
            ContractError: No row has one of the columns, or the paging isn't what it should be.
            SourceError: See `connectors.rest.office.Asking.ask`.
        """
        left = self._request.limit
        rows = 0
        is_whole = True
        for batch in self._listed():
            part = batch if left is None else batch.slice(0, left)
            rows += part.num_rows
            yield self._completed(part)
            if left is not None:
                left -= part.num_rows
                if left <= 0:
                    is_whole = False
                    break
        if rows:
            absent = missing(self._needed(), self._present, self._stream.optional)
            raise_if_missing(absent, where=self.listing.where, keys=self.columns_found)
        self.summary.is_complete = is_whole and self._is_settled
        self.summary.notes += [
            *self._asking.told(), *self._drift.notes(), *self._bounds.notes(),
        ]  # fmt: skip

    def _listed(self) -> Iterator[pa.RecordBatch]:
        """The rows of the list, not more at once than a batch may have."""
        most = self._request.batch_rows
        if self.listing.pager.is_stable or self._request.limit is not None:
            yield from self._as_they_come(most)
            return
        found = settled(
            self._pages, schema=self.listing.shape.schema, key=self._key(),
            keeps_place=lambda: keeps_place(self._addresses),
        )  # fmt: skip
        self._is_settled = found.is_settled and not self._buries(is_short=found.is_short)
        self.summary.notes += found.notes
        yield from found.rows.combine_chunks().to_batches(max_chunksize=most)

    def _as_they_come(self, most: int) -> Iterator[pa.RecordBatch]:
        """The pages of a list whose rows keep their place, held against the number it states."""
        rows, total = 0, None
        for page in self._pages():
            rows += page.count
            total = total if page.hint.total is None else page.hint.total
            for start in range(0, page.count, most):
                yield page.rows.batch.slice(start, most)
        if self._request.limit is None and total is not None and rows != total:
            self.summary.notes.append(miscounted(total, rows))
            self._is_settled = not self._buries(is_short=rows < total)

    def _buries(self, *, is_short: bool) -> bool:
        """Whether rows that a short list lacks would be taken for deleted: only a whole read's."""
        return is_short and self._spec.cursor is None

    def _key(self) -> tuple[str, ...]:
        """The key, as far as the list has it."""
        listed = set(self.listing.shape.columns)
        key = tuple(name for name in self._spec.key if name in listed)
        return key or self.listing.shape.columns

    def _pages(self) -> Iterator[Page]:
        self._addresses = []
        for page in self.listing.pages(self._window):
            self._drift.saw(page)
            self._present |= page.rows.present
            if page.ask.number == 1:
                self.columns_found |= page.rows.keys
                self.seen = (self.listing.pager.described(page),)
            for note in page.notes:
                self._asking.note(note)
            if page.hint.next is not None:
                self._addresses.append(page.hint.next)
            yield page

    def _completed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows with what the calls for details give, in the order of the spec."""
        arrays = {name: batch.column(name) for name in batch.schema.names}
        if self._details is not None and batch.num_rows:
            more = self._details.columns(batch, self._present)
            arrays |= {name: more.column(name) for name in self._details.shape.columns}
            arrays["_bad_values"] = _either(batch.column("_bad_values"), more.column("_bad_values"))
        elif self._details is not None:
            arrays |= {name: pa.nulls(0, pa.string()) for name in self._details.shape.columns}
        self._count_nulls(arrays)
        return pa.RecordBatch.from_arrays(
            [arrays[name] for name in self.schema.names], schema=self.schema
        )

    def _count_nulls(self, arrays: Mapping[str, pa.Array]) -> None:
        if self._spec.cursor is not None:
            cursor = arrays[self._spec.cursor.column]
            self.summary.null_cursor += cursor.null_count
            self._bounds.saw(cursor)

    def _needed(self) -> list[str]:
        return list(dict.fromkeys([*self._spec.columns, *self.listing.shape.columns]))

    def close(self) -> None:
        """Ends what is still under way."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> RestRead:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _asked_beside(stream: RestStream) -> Iterator[str]:
    """Where an answer may be looked into besides its rows; names of parameters may be among it."""
    if stream.success is not None:
        yield stream.success.at
    if stream.paging is not None:
        yield from (given for _, given in stream.paging.chosen if isinstance(given, str))


def _either(one: pa.Array, other: pa.Array) -> pa.Array:
    """The bad values of the list and of the details together."""
    if one.null_count == len(one):
        return other
    pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
    joined = [(a or []) + (b or []) or None for a, b in pairs]
    return pa.array(joined, one.type)
