"""A web API as what `sources new` looks at: a URL that somebody has tried, and who asks."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from flows.newsource.target import Target, masked, unset, variable_of
from schemas.errors import ConfigError

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HEADER = re.compile(r"^([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:\s*(\S.*)$", re.DOTALL)


def is_api(place: str) -> bool:
    """Whether the argument is the URL of a web API."""
    return place.casefold().startswith(("http://", "https://"))


def api_target(
    url: str,
    *,
    source: str,
    token: str | None = None,
    header: str | None = None,
    env: Mapping[str, str] = os.environ,
) -> Target:
    """An API, and who asks it.

    Args:
        url: The URL of one list, with the parameters that gave an answer.
        source: Name of the new source; the variable for a secret is named after it.
        token: Bearer token, or `${VARIABLE}` that holds one.
        header: `NAME: VALUE` of a key in a header; the value may be `${VARIABLE}`.
        env: The environment's variables.

    Raises:
        ConfigError: User and password stand in the URL, a variable isn't set, or both a token and
            a header are given.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        message = f"{masked(url)}: user and password aren't part of the URL; see `auth:`"
        raise ConfigError(message)
    if token is not None and header is not None:
        raise ConfigError("only one of --token and --header says who asks")
    folder, _, last = parts.path.rstrip("/").rpartition("/")
    base = f"{parts.scheme}://{parts.netloc}{folder}"
    path = f"/{quote(last, safe='%._~-')}" + (f"?{parts.query}" if parts.query else "")
    if token is None and header is None:
        return Target(
            type="rest", written={"url": base}, resolved={"url": base}, only=path,
            shown=f"{base}/{last}",
        )  # fmt: skip
    name, given = _who(token, header)
    variable, value = _secret(given, source=source, env=env)
    reference = f"${{{variable}}}"

    def auth(secret: str) -> dict[str, object]:
        if name is None:
            return {"bearer": {"token": secret}}
        return {"api_key": {"header": name, "value": secret}}

    return Target(
        type="rest",
        written={"url": base, "auth": auth(reference)},
        resolved={"url": base, "auth": auth(value)},
        only=path,
        variable=variable,
        value=value,
        is_set=env.get(variable) == value,
        shown=f"{base}/{last}",
    )


def _who(token: str | None, header: str | None) -> tuple[str | None, str]:
    """Name of the header (None: a bearer token), and what it carries."""
    if header is None:
        return None, token or ""
    found = _HEADER.match(header)
    if found is None:
        raise ConfigError("--header is written 'NAME: VALUE', as in 'X-Api-Key: ${OFFICE_KEY}'")
    return found[1], found[2].strip()


def _secret(given: str, *, source: str, env: Mapping[str, str]) -> tuple[str, str]:
    """The variable that holds a secret, and the secret; one that was written out gets a name."""
    reference = _REFERENCE.fullmatch(given)
    if reference is None:
        return variable_of(source, "TOKEN"), given
    if reference[1] not in env:
        raise unset(reference[1])
    return reference[1], env[reference[1]]
