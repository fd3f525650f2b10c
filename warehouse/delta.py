"""The only door to Delta Lake.

Every commit that has to happen exactly once goes through the handle on which its precondition was
read: delta-rs never compares `txn` versions by itself, it only refuses a commit whose snapshot
predates another commit with the same app id. A `Table` therefore offers no write by path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Schema,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, SchemaMismatchError, TableNotFoundError

from schemas.errors import LienThongError, LostRaceError, WarehouseError
from warehouse.delta_errors import in_our_words
from warehouse.delta_log import Commit, commit_of, has_log, newest_version, told

STATE_KEY: Final = "lienthong.state"
_KEEP_LOG: Final = {"delta.logRetentionDuration": "interval 36500 days"}
# Measured on 100,000 dossiers: level 3 takes a third more time than 1 and gives the same size. A
# dictionary of values that are all different costs time and a tenth of the size; the limit finds
# others of that kind (docs/decisions/0012).
_DICTIONARY_BYTES: Final = 64 * 1024
_ALL_DIFFERENT: Final = ("_key", "_landing_key", "_row", "_row_hash")
_NO_DICTIONARY: Final = ColumnProperties(dictionary_enabled=False)


@contextmanager
def _translated(uri: str, *, commits: bool = False) -> Iterator[None]:
    """Turns errors of the Delta library into ours.

    Args:
        uri: The table.
        commits: A commit is made, or its precondition read, from a table that was opened before.
    """
    try:
        yield
    except CommitFailedError:
        raise LostRaceError(f"{uri}: another run wrote to this table first") from None
    except SchemaMismatchError:
        raise WarehouseError(f"{uri}: the rows don't have the table's columns and types") from None
    except LienThongError:
        raise
    except Exception as error:  # noqa: BLE001 - the library raises whatever it meets
        raise in_our_words(uri, error, commits=commits) from None


class Table:
    """One Delta table at one version: reads see it, writes are refused when it has moved on."""

    def __init__(self, handle: DeltaTable, uri: str) -> None:
        self._handle = handle
        self.uri = uri
        self._schema: tuple[int, pa.Schema] | None = None
        self._commit: Commit | None = None

    @classmethod
    def open(cls, uri: str, *, version: int | None = None) -> Table | None:
        """The table at a version, or None where there is none.

        Args:
            uri: Where it lies.
            version: A Delta version; the newest by default.

        Raises:
            WarehouseError: It can't be read, or has no such version (any more); of a local one,
                also where it can't be seen whether there is one.
        """
        with _translated(uri):
            # To delta-rs a folder that it may not enter is no table, and to find that there is none
            # takes it as long as to open one.
            if "://" not in uri and not has_log(uri):
                return None
            try:
                return cls(DeltaTable(uri, version=version), uri)
            except TableNotFoundError:
                return None

    @classmethod
    def open_or_create(
        cls, uri: str, schema: pa.Schema, *, partition_by: Sequence[str] = ()
    ) -> Table:
        """The table, created empty where there is none.

        Two runs that create at once both get the one table.
        """
        table = cls.open(uri)
        if table is not None:
            return table
        try:
            return cls.create(uri, schema, partition_by=partition_by)
        except WarehouseError:
            table = cls.open(uri)
            if table is None:
                raise
            return table

    @classmethod
    def open_complete(
        cls, uri: str, schema: pa.Schema, *, partition_by: Sequence[str] = ()
    ) -> Table:
        """The table, created empty where there is none, with every column of the schema.

        A table that an older version made is given the columns that it lacks.
        """
        table = cls.open_or_create(uri, schema, partition_by=partition_by)
        there = set(table.schema.names)
        if absent := [field for field in schema if field.name not in there]:
            table.add_columns(absent)
            return cls.open(uri) or table
        return table

    @classmethod
    def create(cls, uri: str, schema: pa.Schema, *, partition_by: Sequence[str] = ()) -> Table:
        """Creates an empty table. Raises WarehouseError where one exists."""
        with _translated(uri):
            if "://" not in uri:
                Path(uri).mkdir(parents=True, exist_ok=True)
            handle = DeltaTable.create(
                uri,
                schema,
                mode="error",
                partition_by=list(partition_by),
                configuration=_KEEP_LOG,
            )
            return cls(handle, uri)

    @property
    def version(self) -> int:
        """The Delta version that this handle sees."""
        return int(self._handle.version())

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema at this version."""
        if self._schema is None or self._schema[0] != self.version:
            self._schema = self.version, pa.schema(self._handle.schema().to_arrow())
        return self._schema[1]

    @property
    def files(self) -> list[str]:
        """Paths of the Parquet files of this version."""
        return list(self._handle.file_uris())

    @property
    def rows(self) -> int:
        """How many rows this version has, by the log alone: no file is opened."""
        return int(told(self._added, "num_records")["num_records"].sum())

    def spans(self, column: str) -> pl.DataFrame:
        """By the log alone, of every file the `rows`, and the `least` and `most` of a column.

        Both are null where the log doesn't tell, and where a row has none.
        """
        names = [f"{what}.{column}" for what in ("min", "max", "null_count")]
        files = told(self._added, *names, "num_records")
        least, most, nulls = (pl.col(name) for name in names)
        return files.select(
            pl.when(nulls == 0).then(least).alias("least"),
            pl.when(nulls == 0).then(most).alias("most"),
            rows="num_records",
        )

    @property
    def _added(self) -> pa.Table:
        """What the log says of the files of this version."""
        with _translated(self.uri):
            return pa.table(self._handle.get_add_actions(flatten=True))

    @property
    def is_newest(self) -> bool:
        """Whether nobody has written since; a moment old, so no commit may depend on it alone."""
        return newest_version(self.uri) == self.version

    def catch_up(self) -> bool:
        """Goes on to the newest version; whether somebody has written since this one."""
        if self.is_newest:
            return False
        before = self.version
        with _translated(self.uri, commits=True):
            self._handle.update_incremental()
        return self.version != before

    @property
    def _newest(self) -> Commit:
        """The commit that made this version, as far as its file tells it."""
        if self._commit is None or self._commit.version != self.version:
            self._commit = commit_of(self.uri, self.version)
        return self._commit

    def txn(self, app: str) -> int:
        """The version that an app committed last, 0 where it never did."""
        if app in self._newest.txns:
            return self._newest.txns[app]
        with _translated(self.uri, commits=True):  # what it says is the precondition of one
            return int(self._handle.transaction_version(app) or 0)

    def scan(self) -> pl.LazyFrame:
        """The rows at this version, lazily; filters and columns are pushed to the files."""
        return pl.scan_delta(self._handle)

    def newest_state(self) -> str | None:
        """The state carried by the newest commit that carries one (OPTIMIZE doesn't)."""
        if STATE_KEY in self._newest.info:
            return str(self._newest.info[STATE_KEY])
        with _translated(self.uri):
            limit = 1
            while True:
                history = self._handle.history(limit)
                for commit in history:
                    if STATE_KEY in commit:
                        return str(commit[STATE_KEY])
                if len(history) < limit:
                    return None
                limit *= 16

    def add_columns(
        self,
        fields: Sequence[pa.Field],
        *,
        txns: Mapping[str, int] | None = None,
        state: str | None = None,
    ) -> None:
        """Adds nullable columns, in a commit of its own.

        Raises:
            LostRaceError: Another commit with one of the same apps came first.
        """
        with _translated(self.uri, commits=True):
            added = Schema.from_arrow(pa.schema([f.with_nullable(True) for f in fields]))
            told = _properties(txns, state)
            self._handle.alter.add_columns(list(added.fields), commit_properties=told)

    def append(
        self,
        rows: pa.Table,
        *,
        txns: Mapping[str, int] | None = None,
        state: str | None = None,
    ) -> int:
        """Appends rows (none is allowed: the commit then only carries its txns and state).

        Returns:
            The Delta version after the commit.

        Raises:
            LostRaceError: Another commit with one of the same apps came first.
        """
        with _translated(self.uri, commits=True):
            write_deltalake(
                self._handle,
                rows,
                mode="append",
                writer_properties=self._writer(),
                commit_properties=_properties(txns, state),
            )
        return self.version

    def note(self, *, txns: Mapping[str, int], state: str) -> None:
        """Commits txns and a state without a row, at a third of the cost of an empty append.

        The handle stays at its version: `catch_up` before it is used for anything else.

        Raises:
            LostRaceError: Another commit with one of the same apps came first.
        """
        with _translated(self.uri, commits=True):
            self._handle.create_write_transaction(
                [], "append", self._handle.schema(), commit_properties=_properties(txns, state)
            )

    def replace(
        self,
        rows: pa.RecordBatchReader | pa.Table,
        *,
        where: str | None,
        txns: Mapping[str, int] | None = None,
        state: str | None = None,
    ) -> int:
        """Replaces the rows that `where` selects (None: all) by `rows`, in one commit."""
        with _translated(self.uri, commits=True):
            write_deltalake(
                self._handle,
                rows,
                mode="overwrite",
                predicate=where,
                writer_properties=self._writer(),
                commit_properties=_properties(txns, state),
            )
        return self.version

    def merge(
        self,
        rows: pa.Table,
        *,
        on: str,
        clauses: Mapping[str, Sequence[str]],
        insert: str,
        drop: str | None = None,
        txns: Mapping[str, int],
    ) -> int:
        """Merges rows by the operation that their column `_op` names, in one commit.

        Args:
            rows: The table's columns and `_op`.
            on: Match condition over the aliases `target` and `source`.
            clauses: Operation to the columns that it writes where the key is there.
            insert: The operation whose rows are inserted where the key isn't there.
            drop: The operation that takes the row of a key away.
            txns: App to version, committed with the rows.

        Raises:
            LostRaceError: Another commit with one of the same apps came first.
        """
        with _translated(self.uri, commits=True):
            merger = self._handle.merge(
                rows,
                on,
                source_alias="source",
                target_alias="target",
                writer_properties=self._writer(),
                commit_properties=_properties(txns, None),
            )
            for operation, columns in clauses.items():
                merger = merger.when_matched_update(
                    {name: f"source.{name}" for name in columns},
                    predicate=f"source._op = '{operation}'",
                )
            if drop is not None:
                merger = merger.when_matched_delete(predicate=f"source._op = '{drop}'")
            merger = merger.when_not_matched_insert(
                {name: f"source.{name}" for name in self.schema.names},
                predicate=f"source._op = '{insert}'",
            )
            merger.execute()
        return self.version

    def _writer(self) -> WriterProperties:
        names = {field.name for field in self._handle.schema().fields}
        columns = dict.fromkeys(names.intersection(_ALL_DIFFERENT), _NO_DICTIONARY)
        return WriterProperties(
            compression="ZSTD", compression_level=1, column_properties=columns,
            dictionary_page_size_limit=_DICTIONARY_BYTES,
        )  # fmt: skip

    def small_files(self, *, below: int) -> list[int]:
        """How many files smaller than `below` bytes each partition has."""
        added = self._added
        partition = [name for name in added.schema.names if name.startswith("partition.")]
        small = told(added, "size_bytes", *partition).filter(pl.col("size_bytes") < below)
        return small.group_by(pl.lit(0), *partition).len()["len"].to_list()

    def compact(self, *, target: int) -> int:
        """Joins the small files of each partition, in one commit; rows and their order stay.

        Args:
            target: About how large a file becomes, in bytes.

        Returns:
            How many files were joined; with 0 nothing was committed.

        Raises:
            LostRaceError: Another commit removed files meanwhile.
        """
        with _translated(self.uri, commits=True):
            done = self._handle.optimize.compact(
                target_size=target, writer_properties=self._writer()
            )
        return int(done["numFilesRemoved"])

    def checkpoint(self) -> None:
        """Writes this version down as a whole: opening reads it, and the commits behind it."""
        with _translated(self.uri):
            self._handle.create_checkpoint()

    def fence(self, name: str) -> int:
        """Makes every writer lose whose handle is older, whatever it writes.

        Delta refuses a commit across a change of the table's metadata; this changes a property that
        says nothing. Files of such a writer that aren't in the log may be deleted afterwards.

        Args:
            name: What the property is set to; another one each time.
        """
        with _translated(self.uri, commits=True):
            self._handle.alter.set_table_properties(
                {"lienthong.fence": name}, raise_if_not_exists=False
            )
        return self.version

    def vacuum(
        self, *, keep: Sequence[int], hours: int, with_unknown: bool, dry_run: bool = False
    ) -> list[str]:
        """Deletes the files that neither this version nor one to keep has.

        Args:
            keep: Delta versions whose files stay.
            hours: Files that were removed later than so many hours ago stay.
            with_unknown: Also files of no commit, if they are older than that: a run that died
                left them. A writer may be about to commit them: `fence` before.
            dry_run: Only tell.

        Returns:
            The deleted files, below the table.
        """
        with _translated(self.uri):
            return list(
                self._handle.vacuum(
                    retention_hours=hours,
                    dry_run=dry_run,
                    enforce_retention_duration=False,
                    full=with_unknown,
                    keep_versions=sorted(set(keep)),
                )
            )

    def __repr__(self) -> str:
        return f"Table({self.uri!r}, version={self.version})"


def as_table(rows: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """A polars frame in exactly a table's columns, order and types."""
    return rows.to_arrow().select(schema.names).cast(schema)


def sql_text(value: str) -> str:
    """A text as a literal of the predicate language."""
    return "'" + value.replace("'", "''") + "'"


def _properties(txns: Mapping[str, int] | None, state: str | None) -> CommitProperties:
    return CommitProperties(
        custom_metadata=None if state is None else {STATE_KEY: state},
        app_transactions=[Transaction(app, version) for app, version in (txns or {}).items()],
    )
