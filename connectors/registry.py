"""The connectors by the name that `connector: {type: ...}` gives them.

Importing this module is cheap: a connector's own libraries are imported when it connects. A new
connector is one package and one entry in `CONNECTORS`.
"""

from __future__ import annotations

import codecs
import difflib
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from connectors.encodings import CODECS
from connectors.options import OptionsModel, Text
from connectors.rest.options import RestOptions, RestStream
from schemas.durations import Duration
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from connectors.protocol import Candidate, Connector

FileFormat = Literal["csv", "tsv", "xlsx", "json", "jsonl", "xml", "parquet"]

_DELIMITER_WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "\\t": "\t"}


_SECRET_OPTION = re.compile(
    r"pass|secret|token|credential|connection_string|(?<!host_)key$|^pkey|authorization|cookie",
    re.IGNORECASE,
)


def is_secret_option(name: str) -> bool:
    """Whether one of the `storage_options` holds a secret, by its name."""
    return _SECRET_OPTION.search(name) is not None


class SqlOptions(OptionsModel):
    """How a database is reached. `url` may hold a reference such as `${OFFICE_URL}`."""

    url: SecretStr = Field(
        description="Database URL: postgresql://user:password@host:5432/name, likewise mysql://, "
        "mariadb://, mssql://, oracle://; or sqlite:////path/to/file.db. Write it as a reference: "
        "${VARIABLE}."
    )
    default_schema: Text | None = Field(
        default=None, description="Schema of tables named without one (default: the role's own)."
    )
    connect_timeout: int = Field(
        default=10, ge=1, le=600, description="Seconds to wait for a connection."
    )
    statement_timeout: int = Field(
        default=900, ge=1, le=86_400, description="Seconds after which a statement is given up."
    )


class SqlStream(OptionsModel):
    """What of a database is one stream: exactly one of `table` and `query`."""

    table: Text | None = Field(
        default=None,
        description='Table or view, as name or schema.name; "odd.name" in double quotes.',
    )
    query: Text | None = Field(
        default=None, description="One SELECT; its columns are the stream's columns."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> SqlStream:
        if (self.table is None) == (self.query is None):
            message = "exactly one of 'table' and 'query' is needed"
            raise ValueError(message)
        return self


class FilesOptions(OptionsModel):
    """Where the files lie, and how they are reached."""

    path: Text = Field(
        description="Folder, relative to the folder of the YAML file; or s3://bucket/prefix, "
        "sftp://user@host/folder, or a URI of any protocol of fsspec that is installed."
    )
    storage_options: Mapping[str, SecretStr | bool | int] = Field(
        default_factory=dict,
        description="What the protocol needs beside the path (access_key, password, endpoint, "
        "...). Secrets are references: ${VARIABLE}.",
    )
    settle: Duration | None = Field(
        default=None,
        description="How long a file has to rest before it is read. Default: until no program has "
        "it open for writing, where the system can tell; else 2 seconds.",
    )
    max_temp_bytes: int = Field(
        default=8 * 1024**3,
        ge=1024**2,
        description="Most bytes of temporary files that one read may need, for what is packed or "
        "comes from far away.",
    )

    @field_validator("path")
    @classmethod
    def _known_path(cls, value: str) -> str:
        if "://" not in value:
            return value
        if "::" in value or any(mark in value for mark in "?#"):
            message = "a URI of a folder has no '::', '?' or '#'; options are `storage_options`"
            raise ValueError(message)
        if ":" in value.partition("://")[2].partition("/")[0].rpartition("@")[0]:
            message = "a password isn't part of the path; it is one of the `storage_options`"
            raise ValueError(message)
        return value


class FilesStream(OptionsModel):
    """Which files are one stream, and how they are cut into rows and cells."""

    files: Text | tuple[Text, ...] = Field(
        description="Glob below `path`, or a list of them; ** crosses folders. Case is ignored."
    )
    members: Text | tuple[Text, ...] | None = Field(
        default=None,
        description="Glob of the files to read in an archive, or a list of them; without a slash "
        "in any of its folders. Default: every file of a format that is known.",
    )
    format: FileFormat | None = Field(
        default=None, description="Default: by the ending of the file's name, else csv."
    )
    sheets: Text | tuple[Text, ...] | None = Field(
        default=None,
        description="xlsx: name of the sheet, a pattern with *, or a list of them. Default: every "
        "sheet that isn't hidden or empty.",
    )
    rows: Text | None = Field(
        default=None,
        description="json: path of the list of rows (data.items; default: the file is the list). "
        "xml: path of the element that is a row (/log/trace/event, //dossier).",
    )
    fields: Mapping[str, Text] = Field(
        default_factory=dict,
        description="json, xml: column: path of its value in a row. Default: the column's name.",
    )
    optional: tuple[Text, ...] = Field(
        default=(),
        description="Columns that a file may lack; they have no value then. Any other that isn't "
        "there stops the read.",
    )
    encoding: Text | None = Field(
        default=None,
        description="Python codec (cp1258, utf-16-le, ...), or tcvn3 (ABC), vni, viscii, tcvn5712. "
        "Default: byte order mark, else UTF-8.",
    )
    delimiter: Text | None = Field(
        default=None,
        description="One character, or comma, semicolon, tab, pipe. Default: seen in the header.",
    )
    quote: str = Field(
        default='"', max_length=1, description="Quote character; empty where nothing is quoted."
    )
    header_row: int | None = Field(
        default=None, ge=1, description="Line number of the header, where title lines precede it."
    )
    header_contains: tuple[Text, ...] = Field(
        default=(), description="The header is the first line that has all of these cells."
    )
    aliases: Mapping[str, tuple[Text, ...]] = Field(
        default_factory=dict,
        description="Column: other spellings of its header (accents kept, case ignored).",
    )
    max_record_bytes: int = Field(
        default=1_048_576,
        ge=1_024,
        le=67_108_864,
        description="A longer record goes to quarantine as line_too_long.",
    )

    @field_validator("delimiter")
    @classmethod
    def _known_delimiter(cls, value: str | None) -> str | None:
        if value is None:
            return None
        char = _DELIMITER_WORDS.get(value.strip().casefold(), value)
        if len(char) != 1 or not char.isascii() or char in '"\r\n\0':
            message = "a delimiter is one ASCII character, or comma, semicolon, tab, pipe"
            raise ValueError(message)
        return char

    @field_validator("quote")
    @classmethod
    def _known_quote(cls, value: str) -> str:
        if value and (not value.isascii() or value in "\r\n\0"):
            message = "a quote character is one ASCII character"
            raise ValueError(message)
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            info = codecs.lookup(value)
        except (LookupError, ValueError):
            info = None
        if info is None or not getattr(info, "_is_text_encoding", True):
            known = ("utf-8", "utf-8-sig", "utf-16", "cp1258", "cp1252", "latin-1", *CODECS)
            near = difflib.get_close_matches(value, known, n=1) or ["utf-8 or cp1258"]
            message = f"there is no such text encoding; did you mean {near[0]}?"
            raise ValueError(message)
        return info.name

    @model_validator(mode="after")
    def _different_characters(self) -> FilesStream:
        if self.quote and self.quote == self.delimiter:
            message = "'quote' and 'delimiter' are the same character"
            raise ValueError(message)
        if self.header_row is not None and self.header_contains:
            message = "only one of 'header_row' and 'header_contains' can say where the header is"
            raise ValueError(message)
        return self

    @property
    def patterns(self) -> tuple[str, ...]:
        """The globs, always as a tuple."""
        return (self.files,) if isinstance(self.files, str) else self.files

    @property
    def member_patterns(self) -> tuple[str, ...]:
        """The globs of members, always as a tuple; empty where none is stated."""
        return (self.members,) if isinstance(self.members, str) else self.members or ()

    @property
    def sheet_patterns(self) -> tuple[str, ...]:
        """The sheets, always as a tuple; empty where none is stated."""
        return (self.sheets,) if isinstance(self.sheets, str) else self.sheets or ()


@dataclass(frozen=True, kw_only=True)
class ConnectorType:
    """One kind of source.

    Attributes:
        name: What `connector: {type: ...}` says.
        options_model: The keys beside `type`, at the source.
        stream_model: The connector's own keys of a stream.
        module: Module with `connect(options, *, timezone, base) -> Connector`.
        surveyor: Module with `survey(options, *, timezone, base, only)`.
    """

    name: str
    options_model: type[OptionsModel]
    stream_model: type[OptionsModel]
    module: str
    surveyor: str

    def connect(
        self, options: BaseModel, *, timezone: str | None = None, base: Path | None = None
    ) -> Connector:
        """See `connect` below."""
        module = importlib.import_module(self.module)
        return cast("Connector", module.connect(options, timezone=timezone, base=base))


CONNECTORS: dict[str, ConnectorType] = {
    "sql": ConnectorType(
        name="sql",
        options_model=SqlOptions,
        stream_model=SqlStream,
        module="connectors.sql",
        surveyor="connectors.sql.survey",
    ),
    "files": ConnectorType(
        name="files",
        options_model=FilesOptions,
        stream_model=FilesStream,
        module="connectors.files",
        surveyor="connectors.files.survey",
    ),
    "rest": ConnectorType(
        name="rest",
        options_model=RestOptions,
        stream_model=RestStream,
        module="connectors.rest.connector",
        surveyor="connectors.rest.survey",
    ),
}


def connector_type(name: str) -> ConnectorType:
    """The connector of that name.

    Raises:
        ConfigError: There is none; it names the nearest.
    """
    if name in CONNECTORS:
        return CONNECTORS[name]
    near = difflib.get_close_matches(name, CONNECTORS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    message = f"no connector type {name!r}; there are {', '.join(sorted(CONNECTORS))}{hint}"
    raise ConfigError(message)


def connect(
    name: str,
    options: BaseModel,
    *,
    timezone: str | None = None,
    base: Path | None = None,
) -> Connector:
    """Builds the connector of one source; nothing is reached before its first use.

    Args:
        name: Connector type.
        options: Its options model, every reference already replaced by its value.
        timezone: IANA zone of the source's times that carry none (the source's `timezone`);
            None: what the source itself says.
        base: Folder that relative paths start from; None: the current one.

    Raises:
        ConfigError: Unknown type, or options that can't be used (a URL that is none, ...).
    """
    return connector_type(name).connect(options, timezone=timezone, base=base)


def survey(
    name: str,
    options: BaseModel,
    *,
    timezone: str | None = None,
    base: Path | None = None,
    only: str | None = None,
) -> tuple[Candidate, ...]:
    """What could be streams of a source: tables and views, or sets of files that look alike.

    Args:
        name: Connector type.
        options: As for `connect`.
        timezone: As for `connect`.
        base: As for `connect`.
        only: A pattern with * that names of tables, or paths of files, have to match.

    Raises:
        ConfigError: As for `connect`.
        SourceError: The source could not be reached, or refused.
    """
    module = importlib.import_module(connector_type(name).surveyor)
    found: tuple[Candidate, ...] = module.survey(options, timezone=timezone, base=base, only=only)
    return found
