"""Buckets: pyarrow's S3 behind the face of fsspec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pyarrow import fs as arrow

from connectors.files.options import raise_if_unknown
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Values = Mapping[str, str | bool | int]

_PASSED_ON = (
    "access_key", "secret_key", "session_token", "region", "anonymous", "role_arn",
    "session_name", "external_id", "force_virtual_addressing", "tls_ca_file_path",
    "connect_timeout", "request_timeout",
)  # fmt: skip
_TRIES = 3


def checked(values: Values) -> Values:
    """The options of a bucket.

    Raises:
        ConfigError: One isn't known, or the endpoint is no URL.
    """
    raise_if_unknown(values, ("endpoint", *_PASSED_ON), protocol="s3")
    endpoint = values.get("endpoint")
    if endpoint is not None:
        parts = urlsplit(str(endpoint))
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            message = "connector files: `endpoint` is a URL such as https://storage.province:9000"
            raise ConfigError(message)
    return values


def opened(uri: str, values: Values) -> tuple[AbstractFileSystem, str]:
    """The file system of a bucket, and the path of the top on it."""
    options: dict[str, Any] = {key: value for key, value in values.items() if key != "endpoint"}
    if "endpoint" in values:
        parts = urlsplit(str(values["endpoint"]))
        options |= {"endpoint_override": parts.netloc, "scheme": parts.scheme}
    try:
        system = arrow.S3FileSystem(
            retry_strategy=arrow.AwsStandardS3RetryStrategy(max_attempts=_TRIES),
            **{"connect_timeout": 10, "request_timeout": 60, **options},
        )
    except (TypeError, ValueError):
        message = (
            "connector files: these `storage_options` of s3:// don't go together (access_key needs "
            "secret_key, anonymous goes without both), or one has the wrong type"
        )
        raise ConfigError(message) from None
    return _bucket(system), uri.partition("://")[2].strip("/")


def _bucket(system: arrow.S3FileSystem) -> AbstractFileSystem:
    from fsspec.implementations.arrow import ArrowFSWrapper  # noqa: PLC0415 - loads all of fsspec

    class Bucket(ArrowFSWrapper):  # type: ignore[misc]
        """Says the tag of an object's content, too: the time of its change counts in seconds."""

        def info(self, path: str, **kwargs: object) -> dict[str, Any]:
            info: dict[str, Any] = super().info(path, **kwargs)
            if info["type"] == "file":
                with self.fs.open_input_stream(self._strip_protocol(path)) as stream:
                    info["etag"] = dict(stream.metadata() or {}).get("ETag")
            return info

    return Bucket(system, skip_instance_cache=True)
