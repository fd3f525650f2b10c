"""The keys of a web API in a source's YAML. Cheap to import: no HTTP library is needed here."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.options import OptionsModel, Text
from connectors.rest.auth_options import AuthOptions
from connectors.rest.paging_options import PagingOptions
from schemas.durations import Duration

_BRACES = re.compile(r"\{([^{}]+)\}")
Scalar = Annotated[str | bool | int | float, Field(union_mode="smart")]


class Budget(OptionsModel):
    """How much a source is asked at most; less where its answers ask for less."""

    per_second: float = Field(default=10, gt=0, le=1000, description="Requests a second.")
    concurrent: int = Field(default=4, ge=1, le=64, description="Requests at the same time.")


class Timeouts(OptionsModel):
    """Seconds after which one request is given up."""

    connect: float = Field(default=10, gt=0, le=600, description="To reach the server.")
    read: float = Field(default=60, gt=0, le=3600, description="Between two pieces of an answer.")
    total: float = Field(default=300, gt=0, le=86_400, description="For a whole answer.")


class Retries(OptionsModel):
    """What is done about time-outs, resets, 429 and 5xx."""

    attempts: int = Field(default=6, ge=1, le=50, description="Tries of one request in all.")
    first_wait: float = Field(
        default=1, ge=0, le=600, description="Seconds: the first wait is between 0 and this."
    )
    longest_wait: float = Field(
        default=60, ge=0, le=3600, description="Seconds: no wait of our own is longer."
    )
    longest_asked: float = Field(
        default=900, ge=0, le=86_400,
        description="Seconds: a longer `Retry-After` ends the read; it goes on the next night.",
    )  # fmt: skip
    circuit: int = Field(
        default=2, ge=1,
        description="Requests given up in a row after which the source isn't asked for a while.",
    )  # fmt: skip
    circuit_pause: Duration = Field(
        default=timedelta(minutes=5), description="How long it isn't asked then."
    )


class RestOptions(OptionsModel):
    """Where the API is, who asks, and how much it can bear."""

    url: Text = Field(
        description="What every path starts from: https://host/api/v2. May be ${VARIABLE}."
    )
    auth: AuthOptions | None = Field(default=None, description="Who asks. Default: anybody.")
    headers: Mapping[str, SecretStr] = Field(
        default_factory=dict, description="Headers of every request; secrets as ${VARIABLE}."
    )
    query: Mapping[str, SecretStr | int | bool] = Field(
        default_factory=dict, description="Query of every request; secrets as ${VARIABLE}."
    )
    ca_bundle: Text | None = Field(
        default=None,
        description="PEM file of the authorities to trust, relative to the folder of the YAML "
        "file. Default: REQUESTS_CA_BUNDLE, else the public ones.",
    )
    proxy: SecretStr | None = Field(
        default=None, description="Proxy for every request. Default: HTTPS_PROXY and NO_PROXY."
    )
    budget: Budget = Field(default=Budget(), description="How much it is asked at most.")
    timeouts: Timeouts = Field(default=Timeouts(), description="When a request is given up.")
    retries: Retries = Field(default=Retries(), description="What is done when one fails.")
    max_body_bytes: int = Field(
        default=256 * 1024**2, ge=1024, description="A longer answer ends the read."
    )

    @field_validator("url")
    @classmethod
    def _known_url(cls, value: str) -> str:
        if "${" in value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = "a URL starts with https://host or http://host"
            raise ValueError(message)
        if "@" in parts.netloc:
            message = "user and password aren't part of the URL; they are `auth: {basic: ...}`"
            raise ValueError(message)
        if parts.query or parts.fragment:
            message = "a URL has no '?' or '#'; parameters of every request are `query:`"
            raise ValueError(message)
        return value


class Interval(OptionsModel):
    """How the rows of an interval of the cursor are asked for."""

    from_: Text | None = Field(
        default=None, alias="from", description="Parameter with the interval's beginning."
    )
    to: Text | None = Field(default=None, description="Parameter with its end.")
    format: Text = Field(
        default="iso",
        description="iso (2026-11-24T08:00:00+07:00), epoch_s, epoch_ms, or letters of strftime "
        "(%Y%m%d%H%M%S). What is cut off (the time of a day) is asked for in full.",
    )
    timezone: Text | None = Field(
        default=None, description="Zone of what is sent. Default: the source's `timezone`."
    )
    inclusive: bool = Field(
        default=False, description="What lies exactly at `to` is part of the answer."
    )
    start: Text | None = Field(
        default=None, description="First day that the API has rows of: 2015-01-01."
    )
    window: Duration | None = Field(
        default=None,
        description="Longest interval of one question (1 day). Every window lands by itself; a "
        "read that fails goes on behind the last one. Needs `start`.",
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            message = "there is no such time zone; one is Asia/Ho_Chi_Minh, or UTC"
            raise ValueError(message)
        return value

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value not in {"iso", "epoch_s", "epoch_ms"} and "%" not in value:
            message = "a format is iso, epoch_s, epoch_ms, or letters of strftime (%Y-%m-%d)"
            raise ValueError(message)
        return value

    @field_validator("start")
    @classmethod
    def _is_day(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            message = "a day is written 2015-01-01"
            raise ValueError(message) from None

    @model_validator(mode="after")
    def _askable(self) -> Interval:
        if self.from_ is None and self.to is None:
            message = "an interval needs 'from', or 'from' and 'to'"
            raise ValueError(message)
        if self.window is not None and (self.from_ is None or self.to is None):
            message = "a 'window' needs both 'from' and 'to'"
            raise ValueError(message)
        if self.window is not None and self.start is None:
            message = "a 'window' needs 'start': the first day that the API has rows of"
            raise ValueError(message)
        return self


class Details(OptionsModel):
    """One more call for every row, for columns that the list doesn't have."""

    path: Text = Field(
        description="Path below the connector's url; {column} is a value of the row: "
        "/ho-so/{ma_ho_so}."
    )
    query: Mapping[str, Scalar] = Field(
        default_factory=dict, description="Its query; {column} is a value of the row."
    )
    at: Text | None = Field(
        default=None, description="Path of the record in the answer. Default: the answer."
    )
    fields: Mapping[str, Text] = Field(
        min_length=1, description="column: path of its value in that record."
    )

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns of the row that the call is made of."""
        texts = [self.path, *(str(value) for value in self.query.values())]
        return tuple(dict.fromkeys(name for text in texts for name in _braces(text)))


class Success(OptionsModel):
    """APIs that answer 200 always and say in the body how it went."""

    at: Text = Field(description="Path of the code in the answer (error_code).")
    is_: tuple[Scalar, ...] = Field(
        alias="is", min_length=1, description="Codes that mean: all is well."
    )
    again: tuple[Scalar, ...] = Field(
        default=(), description="Codes that mean: try again (busy, time-out)."
    )
    unauthorized: tuple[Scalar, ...] = Field(
        default=(), description="Codes that mean: the token has expired."
    )


class RestStream(OptionsModel):
    """What of an API is one stream, and how it is asked for."""

    path: Text = Field(description="Path below the connector's url: /ho-so.")
    method: Literal["GET", "POST"] = Field(default="GET", description="Method of the request.")
    query: Mapping[str, Scalar] = Field(default_factory=dict, description="Query parameters.")
    body: Any = Field(default=None, description="JSON that is sent (method: POST).")
    send_as: Literal["json", "form"] = Field(default="json", description="How the body is sent.")
    parameters: Literal["query", "body"] = Field(
        default="query",
        description="Where parameters of paging and interval go; in the body each is a path.",
    )
    rows: Text | None = Field(
        default=None,
        description="Path of the list of rows (data.items). Default: the answer is the list.",
    )
    fields: Mapping[str, Text] = Field(
        default_factory=dict,
        description="column: path of its value in a row. Default: the column's name.",
    )
    optional: tuple[Text, ...] = Field(
        default=(),
        description="Columns that every row may lack; any other has to be in some row.",
    )
    paging: PagingOptions | None = Field(
        default=None, description="How the list comes in pages. Default: in one answer."
    )
    interval: Interval | None = Field(
        default=None, description="How an interval of the `cursor:` is asked for."
    )
    details: Details | None = Field(default=None, description="One more call for every row.")
    success: Success | None = Field(
        default=None, description="Where the answer says how it went, beside its status."
    )
    encoding: Text | None = Field(
        default=None,
        description="Python codec of the answers, where they aren't UTF-8 and don't say so.",
    )

    @property
    def chunk(self) -> timedelta | None:
        """The longest interval of one question, where one is stated."""
        return None if self.interval is None else self.interval.window

    @property
    def start(self) -> date | None:
        """The first day that there are rows of, where it is stated."""
        start = None if self.interval is None else self.interval.start
        return None if start is None else date.fromisoformat(start)

    @field_validator("paging", mode="before")
    @classmethod
    def _named_paging(cls, value: object) -> object:
        return {value: {}} if isinstance(value, str) else value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return codecs.lookup(value).name
        except LookupError:
            message = "there is no such text encoding"
            raise ValueError(message) from None

    @model_validator(mode="after")
    def _consistent(self) -> RestStream:
        if self.body is not None and self.method != "POST":
            message = "a 'body' needs 'method: POST'"
            raise ValueError(message)
        if self.parameters == "body" and self.method != "POST":
            message = "'parameters: body' needs 'method: POST'"
            raise ValueError(message)
        if self.body is not None and not isinstance(self.body, dict | list):
            message = "a 'body' is keys and values, or a list"
            raise ValueError(message)
        return self


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with every `{column}` replaced by its value."""
    return _BRACES.sub(lambda match: values[match[1]], text)


def _braces(text: str) -> list[str]:
    return _BRACES.findall(text)
