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


# MariaDB's and MySQL's error numbers -> SQLSTATE of the same meaning (PostgreSQL's names).
_MYSQL: dict[int, str] = {
    1040: "53300", 1203: "53300", 1226: "53300",
    1044: "42501", 1142: "42501", 1143: "42501", 1227: "42501", 1370: "42501",
    1045: "28P01", 1698: "28000", 1130: "28000", 3118: "28000",
    1049: "3D000",
    1054: "42703", 1060: "42702", 1052: "42702",
    1051: "42P01", 1146: "42P01", 1356: "42P01", 1109: "42P01",
    1064: "42601", 1149: "42601",
    1792: "25006", 1290: "25006", 1836: "25006",
    1205: "55P03", 1213: "40001", 1412: "40001",
    1317: "57014", 1969: "57014", 3024: "57014",
    1053: "57P01", 1927: "57P01",
    2006: "08006", 2013: "08006", 2014: "08006",
}  # fmt: skip
_NO_CONNECTION = {2002, 2003, 2005, 2026}


def mysql_error(where: str, error: BaseException) -> SourceError | ConfigError:
    """Our error for one of MariaDB, MySQL or PyMySQL; of its text nothing is kept."""
    original = getattr(error, "orig", None) or error
    number = next(iter(getattr(original, "args", ())), None)
    if number in _NO_CONNECTION:
        reason = "no answer in time" if "timed out" in str(original) else "can't be reached"
        message = f"{where}: {reason}; is the server up, and is host and port in the URL right?"
        return TransientSourceError(message)
    if number in _MYSQL:
        return _by_state(where, _MYSQL[number])
    return _by_number(where, number, unreachable=False)


# SQL Server's numbers (sys.messages) and those of its client library.
_MSSQL: dict[int, str] = {
    18456: "28P01", 18452: "28000", 4060: "3D000", 916: "42501", 229: "42501", 230: "42501",
    208: "42P01", 207: "42703", 209: "42702", 8156: "42702", 102: "42601", 156: "42601",
    1033: "42601", 1205: "40001", 1222: "55P03", 10928: "53300", 6005: "57P03",
    8114: "22018", 241: "22007", 245: "22018",
}  # fmt: skip
_MSSQL_UNREACHABLE = {20002, 20009, 20004, 20006}
_MSSQL_TIMED_OUT = {20003}
# ORA- numbers.
_ORACLE: dict[int, str] = {
    1017: "28P01", 28000: "28000", 28001: "28000", 1045: "28000", 942: "42P01", 4063: "42P01",
    904: "42703", 918: "42702", 1031: "42501", 900: "42601", 907: "42601", 933: "42601",
    923: "42601", 936: "42601", 1456: "25006", 1013: "57014", 1555: "40001", 20: "53300",
    18: "53300", 12514: "3D000", 12505: "3D000", 1033: "57P03", 1034: "57P03", 3113: "08006",
    3114: "08006", 3135: "08006", 1722: "22018", 1858: "22007",
}  # fmt: skip
_ORACLE_UNREACHABLE = {12541, 12170, 12535, 12543, 12545}
_DRIVER_SAID = {"DPY-4024": "57014", "DPY-4001": "28P01", "DPY-6001": "3D000", "DPY-6003": "3D000"}
_LOST = {"DPY-4011", "DPY-1001", "DPY-6005", "DPY-6000"}


def mssql_error(where: str, error: BaseException) -> SourceError | ConfigError:
    """Our error for one of SQL Server or pymssql; of its text nothing is kept."""
    original = getattr(error, "orig", None) or error
    found = next(iter(getattr(original, "args", ())), None)
    number = found[0] if isinstance(found, tuple) and found else found
    # The client library wraps what the server said: (20018, "... message 208 ...").
    inner = re.search(r"\((\d{3,5}),", str(original))
    known = [n for n in (number, int(inner[1]) if inner else None) if n in _MSSQL]
    if known:
        return _by_state(where, _MSSQL[known[0]])
    if number in _MSSQL_TIMED_OUT:
        return _by_state(where, "57014")
    return _by_number(where, number, unreachable=number in _MSSQL_UNREACHABLE)


def oracle_error(where: str, error: BaseException) -> SourceError | ConfigError:
    """Our error for one of Oracle or python-oracledb; of its text nothing is kept."""
    text = str(getattr(error, "orig", None) or error)
    if number := re.search(r"ORA-(\d{5})", text):
        code = int(number[1])
        if code in _ORACLE:
            return _by_state(where, _ORACLE[code])
        return _by_number(where, code, unreachable=code in _ORACLE_UNREACHABLE)
    driver = re.search(r"DPY-\d{4}", text)
    if driver and driver[0] in _DRIVER_SAID:
        return _by_state(where, _DRIVER_SAID[driver[0]])
    if driver and driver[0] not in _LOST:
        return SourceError(f"{where}: the driver refused the statement ({driver[0]})")
    return _by_number(where, None, unreachable=True)


def _by_number(where: str, number: object, *, unreachable: bool) -> SourceError:
    if unreachable:
        sentence = "can't be reached; is the server up, and is its address in the URL right?"
        return TransientSourceError(f"{where}: {sentence}")
    if not isinstance(number, int) or not number:
        return TransientSourceError(f"{where}: the connection was lost in the middle of a read")
    return SourceError(f"{where}: the database refused the statement (error {number})")
