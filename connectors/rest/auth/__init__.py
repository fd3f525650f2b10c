"""Ways of saying who asks: one module each, behind one protocol."""

from __future__ import annotations

from connectors.rest.auth.fixed import ApiKey, Basic, Bearer
from connectors.rest.auth.protocol import Anybody, Auth, Sender
from connectors.rest.auth.signed import Signed
from connectors.rest.auth.tokens import Login, OAuth2
from connectors.rest.auth_options import AuthOptions
from connectors.rest.clock import Clock
from connectors.rest.masking import Secrets

__all__ = ["ANYBODY", "Auth", "auth_of"]

ANYBODY = Anybody()


def auth_of(
    options: AuthOptions | None, *, url: str, send: Sender, clock: Clock, secrets: Secrets
) -> Auth:
    """The way that the YAML states; what must never be shown is added to `secrets`."""
    found = _auth(options, url=url, send=send, clock=clock, secrets=secrets)
    for secret in found.secrets():
        secrets.add(secret)
    return found


def _auth(
    options: AuthOptions | None, *, url: str, send: Sender, clock: Clock, secrets: Secrets
) -> Auth:
    chosen: Auth = Anybody()
    if options is None:
        return chosen
    if options.basic is not None:
        chosen = Basic(options.basic)
    elif options.api_key is not None:
        chosen = ApiKey(options.api_key)
    elif options.bearer is not None:
        chosen = Bearer(options.bearer)
    elif options.oauth2 is not None:
        chosen = OAuth2(options.oauth2, url=url, send=send, clock=clock, secrets=secrets)
    elif options.login is not None:
        chosen = Login(options.login, url=url, send=send, clock=clock, secrets=secrets)
    elif options.hmac is not None:
        chosen = Signed(options.hmac, clock=clock)
    return chosen
