"""The only door to DuckDB: hashing in the pipeline, and SELECT for analysts."""

from __future__ import annotations

import atexit
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from schemas.errors import ConfigError, WarehouseError

_MEMORY_LIMIT: Final = "1GB"
_BATCH_ROWS: Final = 10_000
_INTERRUPTED: Final = "Query interrupted"


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory connection that loads no extension from outside; its zone is UTC."""
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


_shared_of: dict[int, duckdb.DuckDBPyConnection] = {}
_sharing = threading.Lock()
# A connection that outlives the interpreter's end makes DuckDB complain on stderr.
atexit.register(_shared_of.clear)


def _shared() -> duckdb.DuckDBPyConnection:
    """The connection of this process for work on frames: to open one costs 15 ms."""
    with _sharing:
        own = os.getpid()  # a forked child has none of its parent's threads
        if own not in _shared_of:
            _shared_of.clear()
            _shared_of[own] = connect()
        return _shared_of[own]


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lets Ctrl-C during a query be the KeyboardInterrupt that it is.

    DuckDB swallows what the signal handler raised and says it by a plain RuntimeError.
    """
    try:
        yield
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None
    except RuntimeError as error:
        if str(error) != _INTERRUPTED:
            raise
        raise KeyboardInterrupt from None


def md5_of(expression: str, rows: pa.Table) -> pa.Array:
    """MD5 (hex, 32 characters) of a VARCHAR expression over the columns of `rows`, in their order.

    Args:
        expression: SQL over the columns of `rows`.
        rows: The input; it may not have a column called `_hash`.
    """
    # Every core takes a batch; the rows of one large batch would be one's alone.
    parts = pa.Table.from_batches(rows.to_batches(max_chunksize=_BATCH_ROWS), rows.schema)
    connection = _shared().cursor()
    try:
        connection.register("input_rows", parts)
        query = f"SELECT md5({expression}) AS _hash FROM input_rows"  # noqa: S608 - column positions
        with _interruptible():
            hashes = connection.sql(query).to_arrow_table().column("_hash").combine_chunks()
        return hashes.combine_chunks() if isinstance(hashes, pa.ChunkedArray) else hashes
    finally:
        connection.close()


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class AnalystDoor:
    """A connection on which somebody else's SELECT may run.

    The order matters: directories are allowed, then everything outside is shut, then the settings
    are locked. After `lock` no statement reaches another file, the network or an extension.
    """

    def __init__(self, directory: str | Path) -> None:
        self._connection = connect()
        self._directory = str(directory)
        # DuckDB lets every query read where it spills: a folder of this connection alone.
        self._spill = tempfile.TemporaryDirectory(prefix="lienthong-sql-")

    def view(self, name: str, files: Sequence[str], schema: pa.Schema, *, where: str = "") -> None:
        """Shows Parquet files as the view `name`, with the columns of `schema`.

        Raises:
            WarehouseError: One of the files is gone or damaged.
        """
        try:
            self._connection.execute(_view(name, files, schema, where=where))
        except (duckdb.IOException, duckdb.InvalidInputException):
            message = (
                f"table {name}: one of its files can't be read. Run the command again; if it is "
                "still so, the file was deleted or damaged: bring it back from a backup"
            )
            raise WarehouseError(message) from None

    def table(self, name: str, rows: pa.Table) -> None:
        """Shows a small table that lives in memory."""
        _keep(self._connection, name, rows)

    def lock(self) -> None:
        """Shuts the door to everything but the views."""
        directory = self._directory.replace("'", "''")
        spill = self._spill.name.replace("'", "''")
        self._connection.execute(f"SET temp_directory = '{spill}'")
        self._connection.execute(f"SET allowed_directories = ['{directory}']")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
        self._connection.execute("SET lock_configuration = true")

    def select(self, query: str) -> pa.Table:
        """Runs one SELECT.

        Raises:
            ConfigError: It isn't one SELECT, or DuckDB can't run it; the message is DuckDB's.
        """
        try:
            statements = self._connection.extract_statements(query)
        except duckdb.Error as error:
            raise ConfigError(f"the query can't be read: {_first_line(error)}") from None
        if len(statements) != 1:
            raise ConfigError(f"one SELECT at a time: this is {len(statements)} statements")
        kind = statements[0].type.name
        if kind != "SELECT":
            raise ConfigError(f"only SELECT is allowed here: this is {kind}")
        try:
            with _interruptible():
                self._refuse_hidden_writes(query)
                return self._connection.sql(query).to_arrow_table()
        except duckdb.PermissionException:
            raise ConfigError(
                "this query reaches outside the warehouse's analysts/ tables: that is shut"
            ) from None
        except duckdb.OutOfMemoryException:
            raise WarehouseError(f"the query needs more than {_MEMORY_LIMIT} of memory") from None
        except duckdb.Error as error:
            raise ConfigError(f"the query failed: {_first_line(error)}") from None

    def _refuse_hidden_writes(self, query: str) -> None:
        """Refuses a SELECT that writes: `WITH x AS (COPY ... TO ...) SELECT ...` is one.

        DuckDB takes a WITH that writes only at the top level, so the query is bound (not run)
        one level down.
        """
        text = "'" + query.replace("'", "''") + "'"
        try:
            self._connection.execute(f"EXPLAIN SELECT * FROM query({text})")  # noqa: S608 - a literal
        except duckdb.BinderException as error:
            if "must be at the top level" not in str(error):
                raise
            raise ConfigError("only SELECT is allowed here: this WITH writes") from None

    def close(self) -> None:
        """Gives memory and spilled pages back."""
        self._connection.close()
        self._spill.cleanup()


class ViewFile:
    """A new DuckDB file in which others find views: any client reads it without our code."""

    def __init__(self, path: Path) -> None:
        """Makes the file; it may not be there yet."""
        self._connection = duckdb.connect(
            str(path),
            config={"autoinstall_known_extensions": False, "autoload_known_extensions": False},
        )
        self._connection.begin()  # hundreds of comments, each forced to disk, else

    def view(self, name: str, files: Sequence[str], schema: pa.Schema, *, where: str = "") -> None:
        """As `AnalystDoor.view`.

        Where every file has the same columns, no later query has to open all of them to find out
        (measured on 120 files: 5 to 15 ms a query).
        """
        by_name = not self._are_alike(files)
        self._connection.execute(_view(name, files, schema, where=where, by_name=by_name))

    def _are_alike(self, files: Sequence[str]) -> bool:
        """Whether all files have the same columns of the same types, by their footers."""
        if not files:
            return True
        shapes = self._connection.execute(
            "SELECT count(DISTINCT shape) FROM ("
            "SELECT list((name, type, converted_type) ORDER BY name) AS shape "
            "FROM parquet_schema(?) GROUP BY file_name)",
            [list(files)],
        )
        return shapes.fetchall() == [(1,)]

    def table(self, name: str, rows: pa.Table) -> None:
        """Keeps a small table."""
        _keep(self._connection, name, rows)

    def comment(self, name: str, text: str, *, is_view: bool = True) -> None:
        """Says what a view or table is."""
        kind = "VIEW" if is_view else "TABLE"
        self._connection.execute(f"COMMENT ON {kind} {quoted(name)} IS {_literal(text)}")

    def comment_column(self, name: str, column: str, text: str) -> None:
        """Says what a column is."""
        place = f"{quoted(name)}.{quoted(column)}"
        self._connection.execute(f"COMMENT ON COLUMN {place} IS {_literal(text)}")

    def commit(self) -> None:
        """Writes everything out, in one go."""
        self._connection.commit()

    def close(self) -> None:
        """Lets go of the file; what wasn't committed isn't in it."""
        self._connection.close()


def _view(
    name: str, files: Sequence[str], schema: pa.Schema, *, where: str, by_name: bool = True
) -> str:
    columns = ", ".join(quoted(c) for c in schema.names)
    if files:
        listed = ", ".join(map(_literal, files))
        body = (
            f"SELECT {columns} FROM read_parquet([{listed}], hive_partitioning=true, "  # noqa: S608
            f"hive_types_autocast=false, union_by_name={str(by_name).lower()})"
        )
    else:
        nulls = ", ".join(f"NULL::{_sql_type(f.type)} AS {quoted(f.name)}" for f in schema)
        body = f"SELECT {columns} FROM (SELECT {nulls} LIMIT 0)"  # noqa: S608 - quoted names
    condition = f" WHERE {where}" if where else ""
    return f"CREATE VIEW {quoted(name)} AS {body}{condition}"


def _keep(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    connection.register(f"_rows_{name}", rows)
    connection.execute(
        f"CREATE TABLE {quoted(name)} AS SELECT * FROM {quoted('_rows_' + name)}"  # noqa: S608
    )
    connection.unregister(f"_rows_{name}")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sql_type(kind: pa.DataType) -> str:
    """DuckDB's name of a type that core uses."""
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMPTZ" if kind.tz else "TIMESTAMP"
    names = {pa.string(): "VARCHAR", pa.int64(): "BIGINT", pa.bool_(): "BOOLEAN"}
    return {**names, pa.date32(): "DATE"}[kind]


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
