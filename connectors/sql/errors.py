"""Driver errors to ours, by what a person does about them.

A driver's text may hold a value (`invalid input syntax for type integer: "..."`), a password (a
URL it couldn't parse) or a whole statement, so none of it is passed on: only the SQLSTATE, and
names that our own YAML holds anyway.
"""

from __future__ import annotations

import re

from schemas.errors import ConfigError, ContractError, SourceError, TransientSourceError

# SQLSTATE (PostgreSQL documentation, appendix A) -> error, what happened and the next step.
_STATES: dict[str, tuple[type[SourceError] | type[ConfigError], str]] = {
    "28P01": (SourceError, "the database refused the password; ask the office for a valid one"),
    "28000": (SourceError, "the database refused the role; ask the office to let it log in"),
    "3D000": (SourceError, "there is no such database; check its name in the URL"),
    "3F000": (SourceError, "there is no such schema; check its name, or ask for USAGE on it"),
    "42P01": (SourceError, "there is no such table or view; check its name, or ask for a grant"),
    "42501": (SourceError, "the role has no permission; ask the office to GRANT SELECT"),
    "42703": (ContractError, "a column isn't there; compare the YAML with `lienthong check`"),
    "42702": (ConfigError, "a column name is ambiguous; give each column of `query:` its own"),
    "42601": (ConfigError, "the statement has a syntax error; `query:` must be one SELECT"),
    "25006": (SourceError, "the statement tried to write; sources are only read"),
    "57014": (
        TransientSourceError,
        "the statement took too long, or was cancelled; raise `statement_timeout` or read less",
    ),
    "53300": (TransientSourceError, "the database has no connection free"),
    "40001": (TransientSourceError, "the database cancelled the read because of other work"),
    "55P03": (TransientSourceError, "a lock wasn't free"),
}
_CLASSES: dict[str, tuple[type[SourceError] | type[ConfigError], str]] = {
    "08": (TransientSourceError, "the connection was lost"),
    "22": (SourceError, "the database couldn't compute a value of a row; look at the view"),
    "42": (ConfigError, "the database doesn't accept the statement"),
    "53": (TransientSourceError, "the database is short of resources"),
    "57": (TransientSourceError, "the database is shutting down or starting"),
}
# What libpq says when no connection comes about and there is no SQLSTATE: text -> SQLSTATE.
_AT_CONNECT: tuple[tuple[str, str], ...] = (
    (r"password authentication failed|no password supplied|PAM auth|LDAP auth", "28P01"),
    (r"role .* does not exist|no pg_hba\.conf entry|not permitted to log in", "28000"),
    (r"database .* does not exist", "3D000"),
    (r"permission denied for database", "42501"),
    (r"too many (clients|connections)|remaining connection slots", "53300"),
    (r"starting up|shutting down|recovery mode", "57P03"),
)
_BAD_URL = r"invalid (percent|URI|port|integer|connection option|sslmode)|missing|unexpected"


def connect_error(where: str, error: BaseException) -> SourceError | ConfigError:
    """Why no connection came about."""
    text = str(error)
    for pattern, state in _AT_CONNECT:
        if re.search(pattern, text, re.IGNORECASE):
            return _by_state(where, state)
    if re.search(_BAD_URL, text, re.IGNORECASE):
        message = f"{where}: the URL can't be read; in a password, write % as %25, @ as %40"
        return ConfigError(message)
    if "startup parameter" in text:
        sentence = "a pooler refuses session settings; connect past it, or have it pass `options`"
        return ConfigError(f"{where}: {sentence}")
    reason = "no answer in time" if "timeout" in text.lower() else "can't be reached"
    message = f"{where}: {reason}; is the server up, and is host and port in the URL right?"
    return TransientSourceError(message)


def statement_error(where: str, error: BaseException) -> SourceError | ConfigError:
    """Why a statement failed; `error` is one of ADBC or Arrow."""
    state = getattr(error, "sqlstate", None)
    if not state:
        found = re.search(r"SQLSTATE: ([0-9A-Z]{5})", str(error))
        state = found[1] if found else None
    if state:
        return _by_state(where, state)
    message = f"{where}: the connection was lost in the middle of a read"
    return TransientSourceError(message)


def _by_state(where: str, state: str) -> SourceError | ConfigError:
    default = (SourceError, "the database refused the statement")
    kind, sentence = _STATES.get(state) or _CLASSES.get(state[:2]) or default
    return kind(f"{where}: {sentence} (SQLSTATE {state})")
