"""Credentials that stay as they are: user and password, a key, a bearer token."""

from __future__ import annotations

import base64

from connectors.rest.auth.protocol import Anybody
from connectors.rest.auth_options import ApiKeyAuth, BasicAuth, BearerAuth
from connectors.rest.request import Draft


class Basic(Anybody):
    """User and password (RFC 7617), in UTF-8."""

    def __init__(self, options: BasicAuth) -> None:
        self._user = options.username.get_secret_value()
        self._password = options.password.get_secret_value()

    def secrets(self) -> list[str]:
        """See `Auth.secrets`."""
        return [self._password, basic_token(self._user, self._password)]

    def apply(self, draft: Draft) -> None:
        """See `Auth.apply`."""
        draft.headers["Authorization"] = f"Basic {basic_token(self._user, self._password)}"


class ApiKey(Anybody):
    """A key in a header or in the query."""

    def __init__(self, options: ApiKeyAuth) -> None:
        self._options = options
        self._value = options.value.get_secret_value()

    def secrets(self) -> list[str]:
        """See `Auth.secrets`."""
        return [self._value]

    def apply(self, draft: Draft) -> None:
        """See `Auth.apply`."""
        if self._options.header is not None:
            draft.headers[self._options.header] = self._value
        elif self._options.query is not None:
            draft.query.append((self._options.query, self._value))


class Bearer(Anybody):
    """A token that doesn't expire (RFC 6750)."""

    def __init__(self, options: BearerAuth) -> None:
        self._token = options.token.get_secret_value()

    def secrets(self) -> list[str]:
        """See `Auth.secrets`."""
        return [self._token]

    def apply(self, draft: Draft) -> None:
        """See `Auth.apply`."""
        draft.headers["Authorization"] = f"Bearer {self._token}"


def basic_token(user: str, password: str) -> str:
    """User and password as the basic scheme writes them."""
    return base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
