"""Databases. PostgreSQL travels through ADBC, the others through a streaming SQLAlchemy cursor."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from connectors.registry import SqlOptions
from connectors.sql.connector import SqlConnector
from connectors.sql.session import Database
from schemas.errors import ConfigError

_POSTGRES = {"postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"}
_SQLITE = {"sqlite", "sqlite+pysqlite"}
_MYSQL = {"mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql"}
_MSSQL = {"mssql", "sqlserver", "mssql+pymssql"}
_ORACLE = {"oracle", "oracle+oracledb"}


def connect(options: BaseModel, *, timezone: str | None, base: Path | None) -> SqlConnector:
    """Builds the connector for a database URL; see `connectors.registry.connect`."""
    if not isinstance(options, SqlOptions):
        message = f"connector sql: its options are {type(options).__name__}, not SqlOptions"
        raise ConfigError(message)
    return SqlConnector(_database(options, timezone=timezone, base=base), options)


def _database(options: SqlOptions, *, timezone: str | None, base: Path | None) -> Database:
    url = options.url.get_secret_value()
    scheme = url.partition("://")[0] if "://" in url else ""
    # Each branch imports only its own driver.
    if scheme in _POSTGRES:
        from connectors.sql.postgres import PostgresDatabase  # noqa: PLC0415

        return PostgresDatabase(url, options, timezone=timezone)
    if scheme in _SQLITE:
        from connectors.sql.sqlite import SqliteDatabase  # noqa: PLC0415

        return SqliteDatabase(url, options, timezone=timezone, base=base)
    if scheme in _MYSQL:
        from connectors.sql.mysql import MysqlDatabase  # noqa: PLC0415

        return MysqlDatabase(url, options, timezone=timezone)
    if scheme in _MSSQL:
        from connectors.sql.mssql import MssqlDatabase  # noqa: PLC0415

        return MssqlDatabase(url, options, timezone=timezone)
    if scheme in _ORACLE:
        from connectors.sql.oracle import OracleDatabase  # noqa: PLC0415

        return OracleDatabase(url, options, timezone=timezone)
    message = (
        "connector sql: the URL must begin with postgresql://, mysql://, mariadb://, mssql://, "
        "oracle:// or sqlite:/// "
        "(postgresql://user:password@host:5432/name, sqlite:////path/to/file.db)"
    )
    raise ConfigError(message)
