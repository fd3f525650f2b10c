"""What the argument of `sources new` means: a database, a file, a folder, or a place of files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from flows.catalog_secrets import is_written_out
from schemas.errors import ConfigError

_SQL_SCHEMES = frozenset({
    "postgresql", "postgres", "mysql", "mariadb", "mssql", "sqlserver", "oracle", "sqlite",
})  # fmt: skip
_REFERENCE = re.compile(r"^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$")
_ANY_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_SQLITE_MAGIC = b"SQLite format 3\0"
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a new source is reached.

    Attributes:
        type: Connector type.
        written: The keys of `connector:` as the YAML will hold them: secrets by reference only.
        resolved: The same with the references' values; never shown.
        only: Pattern of the files that are meant, or None for all.
        variable: Environment variable that has to be set before the source is reached.
        value: What the variable has to hold.
        is_set: The variable is set already, to what was used now.
        shown: What was looked at, for a person; no secret in it.
    """

    type: str
    written: Mapping[str, object]
    resolved: Mapping[str, object] = field(repr=False)
    only: str | None = None
    variable: str | None = None
    value: str = field(default="", repr=False)
    is_set: bool = True
    shown: str = ""

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """The environment in which the new source can be reached now."""
        if self.variable is None or self.is_set:
            return dict(env)
        return {**env, self.variable: self.value}


def target_of(
    text: str, *, source: str, folder: Path, env: Mapping[str, str] = os.environ
) -> Target:
    """What to look at.

    Args:
        text: A database URL, `${VARIABLE}` that holds one, a file, a folder, a pattern of files,
            or the URL of a place of files (s3://, sftp://).
        source: Name of the new source; the variable for its URL is named after it.
        folder: The folder of the YAML, which relative paths are written from.
        env: The environment's variables.

    Raises:
        ConfigError: It is none of these, or holds a password where one can't be kept out of the
            YAML.
    """
    if (named := _REFERENCE.match(text)) is not None:
        return _of_variable(named[1], env=env)
    scheme, separator, _ = text.partition("://")
    kind = scheme.casefold().partition("+")[0]
    if kind == "sqlite" and separator:  # a file: nothing in its URL is secret
        return _of_sqlite(Path(unquote(text.partition("://")[2].partition("?")[0])[1:]), folder)
    if separator and kind in _SQL_SCHEMES:
        return _of_database(text, source=source, env=env)
    if separator and kind != "file":
        return _of_place(text)
    path = unquote(urlsplit(text).path) if separator else text
    return _of_path(Path(path).expanduser(), folder)


def masked(url: str) -> str:
    """A URL without its user, password and parameters."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("?")[0].rpartition("@")[2].partition("/")
    user = "***@" if "@" in rest else ""
    return f"{scheme}://{user}{host}{slash}{path}"


def _of_variable(name: str, *, env: Mapping[str, str]) -> Target:
    if name not in env:
        raise unset(name)
    value = env[name]
    if value.partition("://")[0].casefold().partition("+")[0] not in _SQL_SCHEMES:
        raise ConfigError(
            f"the variable {name} holds no database URL; write the path of files as it is"
        )
    return Target(
        type="sql", written={"url": f"${{{name}}}"}, resolved={"url": value}, variable=name,
        value=value, shown=masked(value),
    )  # fmt: skip


def _of_database(url: str, *, source: str, env: Mapping[str, str]) -> Target:
    """A URL is written as a reference, unless its password is one already."""
    names = _ANY_REFERENCE.findall(url)
    if absent := [name for name in names if name not in env]:
        raise unset(absent[0])
    filled = _ANY_REFERENCE.sub(lambda found: quote(env[found[1]], safe=""), url)
    if names and not is_written_out(url, is_url=True):
        return Target(
            type="sql", written={"url": url}, resolved={"url": filled}, shown=masked(filled)
        )
    variable = variable_of(source, "URL")
    return Target(
        type="sql", written={"url": f"${{{variable}}}"}, resolved={"url": filled},
        variable=variable, value=filled, is_set=env.get(variable) == filled, shown=masked(filled),
    )  # fmt: skip


def variable_of(source: str, what: str) -> str:
    """The environment variable that is proposed for a secret of a source: SO_TU_PHAP_URL."""
    variable = re.sub(r"[^A-Z0-9]", "_", source.upper()) + f"_{what}"
    return f"OFFICE_{variable}" if variable[0].isdigit() else variable


def unset(name: str) -> ConfigError:
    """What is said where a variable isn't there."""
    return ConfigError(f"there is no environment variable {name}: export {name}=... first")


def _of_place(text: str) -> Target:
    user = urlsplit(text).netloc.rpartition("@")[0]
    if ":" in user:
        raise ConfigError(
            f"{masked(text)}: a password doesn't belong into the path; "
            "see `storage_options` in docs/connect-an-office.md"
        )
    head, _, last = text.rpartition("/")
    if "." in last or _WILD.search(last):
        return Target(type="files", written={"path": head}, resolved={"path": head}, only=last,
                      shown=masked(text))  # fmt: skip
    return Target(type="files", written={"path": text}, resolved={"path": text}, shown=masked(text))


def _of_path(path: Path, folder: Path) -> Target:
    whole = Path.cwd() / path
    if _WILD.search(path.name) and whole.parent.is_dir():
        return _of_files(whole.parent, folder, only=path.name)
    if whole.is_dir():
        return _of_files(whole, folder, only=None)
    if not whole.is_file():
        raise ConfigError(
            f"{path} is no file and no folder; a database is written as a URL "
            "(postgresql://user:password@host:5432/name), or as ${VARIABLE} that holds one"
        )
    with whole.open("rb") as file:
        if file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC:
            return _of_sqlite(whole, folder)
    return _of_files(whole.parent, folder, only=re.sub(r"([*?[])", r"[\1]", path.name))


def _of_files(where: Path, folder: Path, *, only: str | None) -> Target:
    shown = _relative(where, folder)
    return Target(
        type="files", written={"path": shown}, resolved={"path": str(where.resolve())}, only=only,
        shown=str(where if only is None else where / only),
    )  # fmt: skip


def _of_sqlite(path: Path, folder: Path) -> Target:
    whole = (Path.cwd() / path).resolve()
    if not whole.is_file():
        raise ConfigError(f"there is no database file {path}")
    return Target(
        type="sql", written={"url": f"sqlite:///{_relative(whole, folder)}"},
        resolved={"url": f"sqlite:///{whole}"}, shown=str(path),
    )  # fmt: skip


def _relative(path: Path, folder: Path) -> str:
    """The path from the YAML's folder where they lie near each other, else the whole path."""
    relative = os.path.relpath(path.resolve(), folder.resolve())
    return str(path.resolve()) if relative.count("../") > 2 else relative
