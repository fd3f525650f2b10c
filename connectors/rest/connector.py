"""A web API as a source."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
from pydantic import BaseModel

from connectors.protocol import CursorValue, Found, ReadRequest, StreamSpec
from connectors.rest.clock import Clock, SystemClock
from connectors.rest.office import Office, release, shared
from connectors.rest.options import RestOptions, RestStream
from connectors.rest.read import RestRead
from connectors.rest.windows import parameters
from connectors.sampling import SAMPLE_ROWS
from schemas.errors import ConfigError

_LOOK_BACK = timedelta(days=30)
_DEFAULT_ZONE = "Asia/Ho_Chi_Minh"
_FAR_CLOCK = timedelta(minutes=1)


def connect(
    options: BaseModel, *, timezone: str | None, base: Path | None, clock: Clock | None = None
) -> RestConnector:
    """Builds the connector for an API; see `connectors.registry.connect`.

    Args:
        options: The source's options.
        timezone: Zone of the source's times.
        base: Folder that relative paths start from.
        clock: Passes the time; None: the machine's.
    """
    if not isinstance(options, RestOptions):
        message = f"connector rest: its options are {type(options).__name__}, not RestOptions"
        raise ConfigError(message)
    return RestConnector(
        options, zone=timezone or _DEFAULT_ZONE, base=base or Path.cwd(),
        clock=clock or SystemClock(),
    )  # fmt: skip


class RestConnector:
    """A `Connector` over one API.

    Connectors of the same options share session, token, budget and circuit while they are open.
    """

    def __init__(self, options: RestOptions, *, zone: str, base: Path, clock: Clock) -> None:
        self._zone = zone
        self._clock = clock
        self._office: Office = shared(options, base=base, clock=clock, holder=self)
        self._clock_note: str | None = None

    @property
    def office(self) -> Office:
        """The source: who asks, and how much it bears."""
        return self._office

    def check(self, spec: StreamSpec, *, sample_rows: int = SAMPLE_ROWS) -> Found:
        """See `Connector.check`. Asks for no more pages than the sample needs."""
        high = self.high(spec)
        low = None
        if spec.cursor is not None and isinstance(high, datetime):
            chunk = spec.cursor.chunk
            low = high - (chunk if isinstance(chunk, timedelta) else _LOOK_BACK)
        # Without columns the names are wanted alone, and pages can't be told apart.
        request = ReadRequest(low=low, high=high, limit=sample_rows if spec.columns else 1)
        with self.read(spec, request) as read:
            sample = pa.Table.from_batches(list(read.batches()), schema=read.schema)
            return Found(
                columns=read.columns_found,
                sample=sample,
                notes=(*read.seen, *self._notes(low, sample), *read.summary.notes),
            )

    def high(self, spec: StreamSpec) -> CursorValue | None:
        """See `Connector.high`: the server's `Date` minus the lag, else our own clock's."""
        if spec.cursor is None:
            return None
        with self.read(spec, ReadRequest()) as read:
            now = self._office.server_now(read.listing.probe(), None)
        if now is None:
            self._clock_note = "the server doesn't tell its time: our own clock bounds the interval"
        return ((now or self._clock.now()) - spec.cursor.lag).replace(microsecond=0)

    def low(self, spec: StreamSpec) -> CursorValue | None:
        """See `Connector.low`: what the YAML says; an API doesn't tell."""
        return None if spec.cursor is None else spec.cursor.start

    def count(self, spec: StreamSpec, *, low: CursorValue, high: CursorValue) -> int | None:
        """See `Connector.count`: an API would have to be read for it."""
        _options(spec)
        return None

    def read(self, spec: StreamSpec, request: ReadRequest) -> RestRead:
        """See `Connector.read`. The first request is made when the first batch is wanted."""
        stream = _options(spec)
        window: dict[str, str] = {}
        if stream.interval is not None and request.low is not None:
            window = parameters(
                stream.interval, low=_moment(request.low, self._zone),
                high=_moment(request.high, self._zone), zone=self._zone,
            )  # fmt: skip
        read = RestRead(spec, request, office=self._office, stream=stream, window=window)
        read.summary.notes += self._clock_notes()
        return read

    def keys(
        self, spec: StreamSpec, *, below: CursorValue | None = None
    ) -> Iterator[pa.RecordBatch]:
        """See `Connector.keys`: an API has no list of keys, so every row is read."""
        low = None if spec.cursor is None else spec.cursor.start
        request = ReadRequest(low=low, high=below if low is not None else None)
        with self.read(spec, request) as read:
            for batch in read.batches():
                yield batch.filter(batch["_unreadable"].is_null()).select(list(spec.key))

    def close(self) -> None:
        """See `Connector.close`: the last one that shares it closes the session."""
        release(self._office, holder=self)

    def _clock_notes(self) -> list[str]:
        notes = [] if self._clock_note is None else [self._clock_note]
        difference = self._office.difference
        if difference is not None and abs(difference) >= _FAR_CLOCK:
            notes.append(_clock_sentence(difference))
        return notes

    def _notes(self, low: datetime | None, sample: pa.Table) -> list[str]:
        """What `check` says beside the paging: clock, budget, an empty interval."""
        office = self._office
        difference = office.difference
        said = ["the server doesn't tell its time"]
        if difference is not None:
            said = [_clock_sentence(difference)]
        asked = office.options.budget
        said.append(
            f"budget: {asked.per_second:g} requests a second, {asked.concurrent} at the same time"
        )
        said += [f"the server limits: {hint}" for hint in office.pace.learned]
        if low is not None and not sample.num_rows:
            said.append(f"no row since {low.isoformat()}: nothing of the mapping could be tried")
        return said


def _clock_sentence(difference: timedelta) -> str:
    seconds = round(difference.total_seconds())
    if abs(seconds) <= 1:
        return "the server's clock agrees with ours to the second"
    way = "ahead of" if seconds > 0 else "behind"
    return f"the server's clock is {abs(seconds)} seconds {way} ours"


def _moment(value: CursorValue | None, zone: str) -> datetime | None:
    """A bound as a time with a zone.

    Raises:
        ConfigError: It is a number or a text.
    """
    match value:
        case None:
            return None
        case datetime():
            return value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone))
        case date():
            return datetime.combine(value, time(), ZoneInfo(zone)).astimezone(UTC)
        case _:
            message = f"an API is asked for intervals of time; {type(value).__name__} is none"
            raise ConfigError(message)


def _options(spec: StreamSpec) -> RestStream:
    if not isinstance(spec.options, RestStream):
        message = f"stream {spec.name!r}: its options aren't those of a rest stream"
        raise ConfigError(message)
    return spec.options
