"""Databases. PostgreSQL travels through ADBC, SQLite through a streaming SQLAlchemy cursor."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from connectors.registry import SqlOptions
from connectors.sql.connector import SqlConnector
from connectors.sql.session import Database
from schemas.errors import ConfigError

_POSTGRES = {"postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"}


def connect(options: BaseModel, *, timezone: str | None, base: Path | None) -> SqlConnector:
    """Builds the connector for a database URL; see `connectors.registry.connect`."""
    if not isinstance(options, SqlOptions):
        message = f"connector sql: its options are {type(options).__name__}, not SqlOptions"
        raise ConfigError(message)
    return SqlConnector(_database(options, timezone=timezone, base=base), options)


def _database(options: SqlOptions, *, timezone: str | None, base: Path | None) -> Database:
    url = options.url.get_secret_value()
    scheme, separator, _ = url.partition("://")
    if separator and scheme in _POSTGRES:
        from connectors.sql.postgres import PostgresDatabase  # noqa: PLC0415 - only its driver

        return PostgresDatabase(url, options, timezone=timezone)
    if separator and scheme in {"sqlite", "sqlite+pysqlite"}:
        from connectors.sql.sqlite import SqliteDatabase  # noqa: PLC0415

        return SqliteDatabase(url, options, timezone=timezone, base=base)
    message = (
        "connector sql: the URL must begin with postgresql:// or sqlite:/// "
        "(postgresql://user:password@host:5432/name, sqlite:////path/to/file.db)"
    )
    raise ConfigError(message)
