"""The way of one record: from its office over landing, quarantine and core into the releases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import polars as pl

from flows.catalog import Stream
from flows.context import Context, feed_of
from flows.finding_keys import Place, find_key
from flows.history import runs_of
from flows.quarantined import Mask
from flows.rejections import rejections_of, stream_of
from flows.traced import Trace, TracedAct, TracedCopy, TracedRejection, TracedRelease, TracedRun
from flows.who import act_of
from schemas.entities import ENTITIES
from schemas.errors import WarehouseError
from warehouse.acts import Act
from warehouse.discards import discards, without_discards
from warehouse.feeds import Feed, derive_rows
from warehouse.releases import Releases
from warehouse.stories import story_of

_CORE: Final = (
    "_version", "_landing_version", "_row", "_landing_key", "_sync_id", "_changed_at",
    "_deleted_at", "_is_stale", "_warnings", "_month",
)  # fmt: skip
_PLACE: Final = ["_landing_version", "_row"]
Interval = tuple[str | None, str | None]


def trace(
    context: Context, key: str, *, source: str | None = None, reveal: str | None = None
) -> list[Trace]:
    """The way of every record that has a key.

    Args:
        context: Catalog and warehouse.
        key: As `sql` shows it in `_key`, or the code of a dossier.
        source: Only of this source.
        reveal: Why the values have to be seen as they are: that is written down first.

    Returns:
        One trace per source, entity and stream that it comes from.

    Raises:
        ConfigError: Nothing has that key, there is no such source, or the reason can't be kept.
    """
    act = None
    if reveal is not None:
        act = act_of(context, "reveal", command="trace", reason=reveal)
    found: list[Trace] = []
    for place in find_key(context, key, source):
        found += _Tracing(context, place, act).traces()
    return found


class _Tracing:
    """One key of one source in one entity."""

    def __init__(self, context: Context, place: Place, act: Act | None) -> None:
        self._context, self._act = context, act
        self._source, self._entity, self._key = place
        self._core = self._core_row()
        held = rejections_of(context, [self._source])
        self._held = held.filter(pl.col("entity") == self._entity, pl.col("_key") == self._key)
        self._runs = runs_of(context).scan().filter(pl.col("source") == self._source).collect()

    def traces(self) -> list[Trace]:
        """One for each stream that the key comes from."""
        return [self._of(name) for name in self._streams()]

    def _core_row(self) -> dict[str, Any]:
        table = self._context.warehouse.core(self._entity)
        if table is None:
            return {}
        mine = (pl.col("_source") == self._source) & (pl.col("_key") == self._key)
        rows = table.scan().filter(mine).collect(engine="streaming").to_dicts()
        return rows[0] if rows else {}

    def _streams(self) -> list[str]:
        """The streams that have told of the key; where none has yet, those that might."""
        known = {*self._held["stream"], *filter(None, [self._core.get("_stream")])}
        if known:
            return sorted(known)
        source = self._context.catalog.sources[self._source]
        fed = [name for name, one in source.streams.items() if self._entity in one.entities]
        landing = self._context.warehouse.landing
        return [name for name in fed if landing(self._source, name).version()]

    def _of(self, name: str) -> Trace:
        stream = stream_of(self._context, self._source, name)
        held = self._held.filter(pl.col("stream") == name)
        mine = self._core if self._core.get("_stream") == name else {}
        records = {*held["_landing_key"].drop_nulls(), *filter(None, [mine.get("_landing_key")])}
        records = records or {self._key}
        landed = self._landed(name, stream, sorted(records))
        copies = self._copies(name, stream, landed, held)
        if self._act is not None and landed.height:
            places = landed.select(_PLACE).with_columns(
                source=pl.lit(self._source), stream=pl.lit(name), entity=pl.lit(self._entity)
            )
            self._context.warehouse.acts.record(self._act, places)
        syncs = {*landed["_sync_id"], *filter(None, [mine.get("_sync_id")])}
        return Trace(
            source=self._source,
            entity=self._entity,
            key=self._shown_key(stream, landed),
            stream=name,
            origin="(not in the catalog any more)" if stream is None else origin_of(stream),
            landing_keys=tuple(self._shown(stream, landed, one) for one in sorted(records)),
            core=self._core_marks(mine, stream, landed),
            copies=tuple(copies),
            rejections=tuple(_rejections(held)),
            acts=tuple(self._acts(name, landed)),
            releases=tuple(self._releases()),
            runs=tuple(self._receipts(name, syncs)),
            parent=self._parent(stream, landed),
            parts=self._parts(),
        )

    def _landed(self, name: str, stream: Stream | None, records: Sequence[str]) -> pl.DataFrame:
        landing = self._context.warehouse.landing(self._source, name)
        to = landing.version()
        feed = self._feed(stream)
        if feed is not None:
            return story_of(feed, self._key, records, to=to).sort(_PLACE)
        wanted = pl.DataFrame({"_wanted": records}, {"_wanted": pl.String})
        return landing.history(wanted, by=None, to=to)

    def _feed(self, stream: Stream | None) -> Feed | None:
        if stream is None or self._entity not in stream.entities:
            return None
        source = self._context.catalog.sources[self._source]
        return feed_of(self._context, source, stream, self._entity)

    def _copies(
        self, name: str, stream: Stream | None, landed: pl.DataFrame, held: pl.DataFrame
    ) -> list[TracedCopy]:
        feed = self._feed(stream)
        judged: dict[tuple[int, int], dict[str, Any]] = {}
        if feed is not None and landed.height:
            rows = derive_rows(feed, landed).rows
            put_aside = discards(
                self._context.warehouse.quarantine.scan(), self._source, self._entity
            )
            rows = without_discards(rows, put_aside.filter(pl.col("stream") == name))
            mine = rows.filter(pl.col("_key") == self._key)
            judged = {(r["_landing_version"], r["_row"]): r for r in mine.iter_rows(named=True)}
        core = self._context.warehouse.core(self._entity)
        done = 0 if core is None else core.txn(f"{self._source}/{name}")
        mask = Mask.of(stream, is_revealed=self._act is not None)
        rejected = {(r["_landing_version"], r["_row"]) for r in held.iter_rows(named=True)}
        return [
            TracedCopy(
                landing_version=row["_landing_version"],
                row=row["_row"],
                read_at=row["_read_at"].isoformat(),
                sync_id=row["_sync_id"],
                file=row["_file"],
                line=row["_line"],
                interval=self._interval(name, row["_sync_id"]),
                verdict=self._verdict(row, found, done=done, is_held=place in rejected),
                is_tombstone=bool(row["_tombstone"]),
                rules=tuple(found.get("_reasons", ())),
                warnings=tuple(found.get("_warnings", ())),
                values=mask.values(row),
            )
            for row in landed.iter_rows(named=True)
            for place in [(row["_landing_version"], row["_row"])]
            for found in [judged.get(place, {})]
        ]

    def _verdict(
        self, row: dict[str, Any], found: dict[str, Any], *, done: int, is_held: bool
    ) -> str:
        """What became of a copy; what core and quarantine say counts, not what they would today."""
        if row["_unreadable"] is not None:
            return "unreadable"
        if row["_landing_version"] > done:
            return "not integrated yet"
        if all(self._core.get(name) == row[name] for name in _PLACE):
            return "in core"
        if is_held:
            return "rejected"
        return "accepted" if found else "without it"

    def _interval(self, stream: str, sync_id: str) -> Interval | None:
        mine = self._runs.filter(pl.col("stream") == stream, pl.col("sync_id") == sync_id)
        for low, high in mine.select("low", "high").iter_rows():
            if high is not None:
                return low, high
        return None

    def _acts(self, stream: str, landed: pl.DataFrame) -> list[TracedAct]:
        places = [f"{version}:{row}" for version, row in landed.select(_PLACE).iter_rows()]
        rows = self._context.warehouse.acts.of(self._source, stream, places)
        return [
            TracedAct(
                at=row["at"].isoformat(), who=row["who"], act=row["act"], reason=row["reason"]
            )
            for row in rows.filter(pl.col("entity") == self._entity).iter_rows(named=True)
        ]

    def _receipts(self, stream: str, syncs: set[str]) -> list[TracedRun]:
        mine = self._runs.filter(
            pl.col("stream") == stream,
            pl.col("sync_id").is_in(sorted(syncs)),
            (pl.col("entity") == self._entity) | pl.col("entity").is_null(),
        )
        return [
            TracedRun(
                sync_id=row["sync_id"],
                kind=row["kind"],
                entity=row["entity"],
                status=row["status"],
                ended_at=row["ended_at"].isoformat(),
                interval=None if row["high"] is None else (row["low"], row["high"]),
                note=row["note"],
            )
            for row in mine.sort("ended_at").iter_rows(named=True)
        ]

    def _releases(self) -> list[TracedRelease]:
        """What each release holds; tables that didn't change between two are read once."""
        uri = self._context.warehouse.uri
        seen: dict[int, TracedRelease] = {}
        found = []
        for release in Releases(uri).all():
            part = release.parts.get(self._entity)
            if part is None:
                continue
            if part.version not in seen:
                try:
                    table = release.table(uri, self._entity)
                    rows = [] if table is None else self._in_table(table.scan())
                    is_gone = False
                except (WarehouseError, OSError, pl.exceptions.PolarsError):
                    rows, is_gone = [], True  # retention took the version: that is the answer
                place = rows[0] if rows else (None, None)
                seen[part.version] = TracedRelease(
                    release=release.id, published_at="", table_version=part.version,
                    landing_version=place[0], row=place[1], is_gone=is_gone,
                )  # fmt: skip
            one = seen[part.version]
            found.append(
                TracedRelease(
                    release=release.id,
                    published_at=release.published_at.isoformat(),
                    table_version=part.version,
                    landing_version=one.landing_version,
                    row=one.row,
                    is_gone=one.is_gone,
                )
            )
        return found

    def _in_table(self, rows: pl.LazyFrame) -> list[tuple[Any, ...]]:
        mine = (pl.col("_source") == self._source) & (pl.col("_key") == self._key)
        return rows.filter(mine).select(_PLACE).collect(engine="streaming").rows()

    def _core_marks(
        self, row: dict[str, Any], stream: Stream | None, landed: pl.DataFrame
    ) -> dict[str, Any]:
        marks = {name.removeprefix("_"): _plain(row[name]) for name in _CORE if name in row}
        if marks.get("landing_key") is not None:
            marks["landing_key"] = self._shown(stream, landed, str(marks["landing_key"]))
        return marks

    def _parent(self, stream: Stream | None, landed: pl.DataFrame) -> tuple[str, str] | None:
        key = self._core.get("dossier_key")
        return None if key is None else ("dossier", self._shown(stream, landed, str(key)))

    def _parts(self) -> dict[str, int]:
        """Rows of other entities that belong to a dossier and are there in their source."""
        if self._entity != "dossier":
            return {}
        counts = {}
        for name, entity in ENTITIES.items():
            table = self._context.warehouse.core(name)
            if table is None or "dossier_key" not in entity.columns:
                continue
            mine = (pl.col("_source") == self._source) & (pl.col("dossier_key") == self._key)
            rows = table.scan().filter(mine, pl.col("_deleted_at").is_null())
            count = int(rows.select(pl.len()).collect(engine="streaming").item())
            if count:
                counts[name] = count
        return counts

    def _shown_key(self, stream: Stream | None, landed: pl.DataFrame) -> str:
        return self._shown(stream, landed, self._key)

    def _shown(self, stream: Stream | None, landed: pl.DataFrame, key: str) -> str:
        """A key as it may be told beside the newest copy."""
        newest = landed.tail(1).to_dicts()
        mask = Mask.of(stream, is_revealed=self._act is not None)
        return mask.key(key, newest[0] if newest else {}) or ""


def _rejections(held: pl.DataFrame) -> list[TracedRejection]:
    return [
        TracedRejection(
            landing_version=row["_landing_version"],
            row=row["_row"],
            rules=tuple(row["rules"]),
            since=row["quarantined_at"].isoformat(),
            status=row["status"],
            closed_by=row["discarded_by"],
            reason=row["discard_reason"],
        )
        for row in held.sort(_PLACE).iter_rows(named=True)
    ]


def origin_of(stream: Stream) -> str:
    """What is read of a source: `table v_ho_so`, `query ...`, `files *.csv`, `path /ho-so`."""
    options = stream.spec.options
    for name in ("table", "query", "files", "path"):
        value = getattr(options, name, None)
        if value is not None:
            text = ", ".join(value) if isinstance(value, tuple) else str(value)
            return f"{name} {' '.join(text.split())}"
    return stream.name


def _plain(value: Any) -> Any:  # noqa: ANN401 - a cell of a frame
    if isinstance(value, datetime):
        return value.isoformat()
    return ", ".join(value) if isinstance(value, list) else value
