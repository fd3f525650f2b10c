"""Requests signed with a shared secret (HMAC, RFC 2104)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from connectors.rest.auth.protocol import Anybody
from connectors.rest.auth_options import HmacAuth
from connectors.rest.clock import Clock
from connectors.rest.request import Sent


class Signed(Anybody):
    """Signs what is sent: the message is a template over the request as it leaves."""

    def __init__(self, options: HmacAuth, *, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._secret = options.secret.get_secret_value()
        self._key_id = "" if options.key_id is None else options.key_id.get_secret_value()

    def secrets(self) -> list[str]:
        """See `Auth.secrets`."""
        return [self._secret]

    def sign(self, sent: Sent) -> dict[str, str]:
        """See `Auth.sign`."""
        parts = self._parts(sent)
        digest = hmac.new(
            self._secret.encode(),
            self._options.message.format_map(parts).encode(),
            self._options.algorithm,
        ).digest()
        is_hex = self._options.encoding == "hex"
        signature = digest.hex() if is_hex else base64.b64encode(digest).decode("ascii")
        parts["signature"] = signature
        headers = self._options.headers
        return {name: template.format_map(parts) for name, template in headers.items()}

    def _parts(self, sent: Sent) -> dict[str, str]:
        url = urlsplit(sent.url)
        return {
            "method": sent.method,
            "path": url.path,
            "query": url.query,
            "host": url.netloc,
            "timestamp": self._timestamp(),
            "nonce": secrets.token_hex(16),
            "body": sent.body.decode("utf-8", "replace"),
            "body_sha256": hashlib.sha256(sent.body).hexdigest(),
            "key_id": self._key_id,
        }

    def _timestamp(self) -> str:
        now = self._clock.now()
        match self._options.timestamp:
            case "epoch_s":
                return str(int(now.timestamp()))
            case "epoch_ms":
                return str(int(now.timestamp() * 1000))
            case _:
                return now.strftime("%Y-%m-%dT%H:%M:%SZ")
