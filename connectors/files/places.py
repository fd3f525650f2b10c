"""From `path:` to the store that it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from connectors.files.folder import Folder
from connectors.files.remote import Remote
from connectors.files.store import Store
from connectors.registry import FilesOptions
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Opener = Callable[[], "tuple[AbstractFileSystem, str]"]


def store_of(options: FilesOptions, *, base: Path) -> Store:
    """The store of a source; nothing is reached before its first use.

    Args:
        options: The source's options, every reference already replaced.
        base: Folder that relative paths start from.

    Raises:
        ConfigError: The protocol isn't known, or one of its options.
    """
    scheme, separator, _ = options.path.partition("://")
    values = {
        key: value.get_secret_value() if isinstance(value, SecretStr) else value
        for key, value in options.storage_options.items()
    }
    if not separator or scheme.casefold() == "file":
        if values:
            message = (
                "connector files: `storage_options` are for a path such as s3://, not a folder"
            )
            raise ConfigError(message)
        local = unquote(urlsplit(options.path).path) if separator else options.path
        return Folder(base / Path(local).expanduser(), settle=options.settle)
    return Remote(
        _opener(scheme.casefold(), options.path, values, base=base),
        shown=_without_user(options.path),
        settle=options.settle,
    )


def _opener(scheme: str, uri: str, values: Mapping[str, str | bool | int], *, base: Path) -> Opener:
    if scheme in {"s3", "s3a"}:
        from connectors.files import s3  # noqa: PLC0415 - its library is large

        return partial(s3.opened, uri, s3.checked(values))
    if scheme in {"sftp", "ssh"}:
        from connectors.files import sftp  # noqa: PLC0415 - its library is large

        return partial(sftp.opened, uri, sftp.checked(values, base=base))
    from fsspec.registry import known_implementations, registry  # noqa: PLC0415 - seldom needed

    if scheme not in known_implementations and scheme not in registry:
        message = f"connector files: no protocol {scheme}://; there are s3, sftp, file and fsspec's"
        raise ConfigError(message)
    return partial(_of_fsspec, uri, dict(values))


def _of_fsspec(uri: str, values: Mapping[str, str | bool | int]) -> tuple[AbstractFileSystem, str]:
    from fsspec.core import url_to_fs  # noqa: PLC0415 - seldom needed

    try:
        # fsspec keeps what it once opened, secrets and listings included, unless told not to.
        system, root = url_to_fs(uri, skip_instance_cache=True, use_listings_cache=False, **values)
    except (ImportError, TypeError, ValueError) as error:
        reason = "its library isn't installed" if isinstance(error, ImportError) else "its options"
        scheme = uri.partition("://")[0]
        raise ConfigError(f"connector files: {scheme}:// can't be opened: {reason}") from None
    return system, root


def _without_user(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
