"""How the YAML says who asks: `connector: {auth: ...}`."""

from __future__ import annotations

import string
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.options import OptionsModel, Text
from schemas.durations import Duration

SIGNED = ("method", "path", "query", "host", "timestamp", "nonce", "body_sha256", "body", "key_id")


class BasicAuth(OptionsModel):
    """User and password with every request (RFC 7617)."""

    username: SecretStr = Field(description="User name: ${VARIABLE}.")
    password: SecretStr = Field(description="Password: ${VARIABLE}.")


class ApiKeyAuth(OptionsModel):
    """A key with every request, in a header or in the query."""

    header: Text | None = Field(default=None, description="Header that carries it (X-Api-Key).")
    query: Text | None = Field(default=None, description="Query parameter that carries it.")
    value: SecretStr = Field(description="The key: ${VARIABLE}.")

    @model_validator(mode="after")
    def _one_place(self) -> ApiKeyAuth:
        if (self.header is None) == (self.query is None):
            message = "exactly one of 'header' and 'query' is needed"
            raise ValueError(message)
        return self


class BearerAuth(OptionsModel):
    """A token that doesn't expire, as `Authorization: Bearer` (RFC 6750)."""

    token: SecretStr = Field(description="The token: ${VARIABLE}.")


class OAuth2Auth(OptionsModel):
    """OAuth2 or OpenID tokens (RFC 6749), renewed before they expire and on 401."""

    token_url: Text = Field(description="Token endpoint; a path is one below the connector's url.")
    grant: Literal["client_credentials", "password"] = Field(
        default="client_credentials", description="client_credentials, or password (with a user)."
    )
    client_id: SecretStr = Field(description="Client: ${VARIABLE}.")
    client_secret: SecretStr | None = Field(default=None, description="Its secret: ${VARIABLE}.")
    username: SecretStr | None = Field(default=None, description="User, for grant: password.")
    password: SecretStr | None = Field(default=None, description="Password, for grant: password.")
    scope: Text | None = Field(default=None, description="Scopes, separated by blanks.")
    extra: Mapping[str, SecretStr] = Field(
        default_factory=dict, description="Further fields of the token request (audience, ...)."
    )
    client_in: Literal["header", "body"] = Field(
        default="header", description="Where client id and secret go: basic header, or form body."
    )
    header: Text = Field(default="Authorization", description="Header that carries the token.")
    prefix: str = Field(default="Bearer ", description="What stands before the token in it.")
    renew_before: Duration = Field(
        default=timedelta(seconds=60), description="How long before its end a token is renewed."
    )

    @model_validator(mode="after")
    def _complete(self) -> OAuth2Auth:
        has_user = self.username is not None and self.password is not None
        if self.grant == "password" and not has_user:
            message = "grant: password needs 'username' and 'password'"
            raise ValueError(message)
        return self


class LoginAuth(OptionsModel):
    """A call of the API's own that gives a token for the requests that follow."""

    path: Text = Field(description="Path of the login below the connector's url.")
    method: Literal["POST", "GET", "PUT"] = Field(default="POST", description="Its method.")
    body: Mapping[str, SecretStr | int | bool] = Field(
        default_factory=dict, description="What is sent: {username: ${USER}, password: ${PASS}}."
    )
    send: Literal["json", "form", "query"] = Field(
        default="json", description="How the body is sent."
    )
    token: Text = Field(
        default="token", description="Path of the token in the answer (data.access_token)."
    )
    header: Text | None = Field(
        default=None, description="Header that carries the token. Default: Authorization."
    )
    prefix: str | None = Field(
        default=None, description="What stands before the token in the header. Default: 'Bearer '."
    )
    query: Text | None = Field(default=None, description="Query parameter that carries it.")
    body_field: Text | None = Field(
        default=None, description="Path in the JSON body of each request that carries it."
    )
    lifetime: Duration | None = Field(
        default=None, description="How long a token lives, where the answer doesn't say."
    )
    expires_in: Text | None = Field(
        default=None, description="Path of the token's lifetime in seconds, in the answer."
    )
    renew_before: Duration = Field(
        default=timedelta(seconds=60), description="How long before its end a token is renewed."
    )

    @model_validator(mode="after")
    def _one_place(self) -> LoginAuth:
        if sum(place is not None for place in (self.header, self.query, self.body_field)) > 1:
            message = "only one of 'header', 'query' and 'body_field' can carry the token"
            raise ValueError(message)
        return self


class HmacAuth(OptionsModel):
    """Every request signed with a shared secret."""

    secret: SecretStr = Field(description="The shared secret: ${VARIABLE}.")
    key_id: SecretStr | None = Field(default=None, description="What names the secret's owner.")
    algorithm: Literal["sha256", "sha1", "sha512"] = Field(
        default="sha256", description="Hash of the signature."
    )
    message: Text = Field(
        default="{method}\n{path}\n{query}\n{timestamp}\n{body_sha256}",
        description=f"What is signed; in braces: {', '.join(SIGNED)}.",
    )
    encoding: Literal["hex", "base64"] = Field(
        default="hex", description="How the signature is written."
    )
    headers: Mapping[str, Text] = Field(
        default_factory=lambda: {"X-Signature": "{signature}", "X-Timestamp": "{timestamp}"},
        description="Headers that carry it; in braces the same, and signature.",
    )
    timestamp: Literal["epoch_s", "epoch_ms", "iso"] = Field(
        default="epoch_s", description="How the time is written (UTC)."
    )

    @field_validator("message")
    @classmethod
    def _known_parts(cls, value: str) -> str:
        return _demand_parts(value, SIGNED)

    @field_validator("headers")
    @classmethod
    def _known_in_headers(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for text in value.values():
            _demand_parts(text, (*SIGNED, "signature"))
        return value


class AuthOptions(OptionsModel):
    """Exactly one way of saying who asks."""

    basic: BasicAuth | None = Field(default=None, description="User and password.")
    api_key: ApiKeyAuth | None = Field(default=None, description="A key in header or query.")
    bearer: BearerAuth | None = Field(default=None, description="A token that doesn't expire.")
    oauth2: OAuth2Auth | None = Field(default=None, description="OAuth2 or OpenID tokens.")
    login: LoginAuth | None = Field(default=None, description="A login call that gives a token.")
    hmac: HmacAuth | None = Field(default=None, description="Signed requests.")

    @model_validator(mode="after")
    def _exactly_one(self) -> AuthOptions:
        names = list(type(self).model_fields)
        if sum(getattr(self, name) is not None for name in names) != 1:
            message = f"exactly one of {', '.join(names)} is needed"
            raise ValueError(message)
        return self


def _demand_parts(text: str, known: tuple[str, ...]) -> str:
    for _, name, spec, conversion in string.Formatter().parse(text):
        if name is not None and (name not in known or spec or conversion):
            message = f"in braces stands one of {', '.join(known)}"
            raise ValueError(message)
    return text
