"""Our error for one of the operating system's."""

from __future__ import annotations

from schemas.errors import SourceError, TransientSourceError


def os_error(where: str, name: str, error: OSError) -> SourceError:
    """What went wrong with a file, folder or server, and what to do about it."""
    if isinstance(error, PermissionError):
        sentence = "may not be read; give the user that runs this the permission"
    elif isinstance(error, FileNotFoundError):
        sentence = "isn't there; check `path`"
    elif isinstance(error, NotADirectoryError):
        sentence = "is no folder; `path` names the folder and `files` what is in it"
    else:
        reason = error.strerror or type(error).__name__
        return TransientSourceError(f"{where}: {name!r} can't be read ({reason})")
    return SourceError(f"{where}: {name!r} {sentence}")
