"""The only door to HTTP: one request out, one answer in full back, or a named failure.

Redirects are followed here and not by requests: what says who asks goes to its own origin only.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Container, Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, parse_qsl, urlencode, urljoin, urlsplit

import requests
from pydantic import SecretStr
from requests import exceptions as raised
from requests.utils import get_environ_proxies, parse_header_links

from connectors.rest.auth.protocol import Auth
from connectors.rest.budget import retry_after
from connectors.rest.clock import Clock
from connectors.rest.deadline import Adapter, Deadline
from connectors.rest.errors import Failure, of_status
from connectors.rest.masking import Secrets, masked_start
from connectors.rest.options import RestOptions
from connectors.rest.request import Answer, Draft, Request, Sent, text_of
from schemas.errors import ConfigError, SourceError

_CHUNK = 256 * 1024
_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_KEPT_METHOD = (307, 308)
_PORTS = {"http": 80, "https": 443}
AGENT = "lienthong"


class _WithoutQueries(logging.Filter):
    """Takes the query out of what urllib3 logs of a URL: it may hold a key or a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args
            )
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQueries())


class Client:
    """One session: connections are kept and reused, TLS is verified.

    Args:
        options: The source's options.
        base: Folder that `ca_bundle` starts from.
        clock: Passes the time.
        secrets: What no other host may hear.
    """

    def __init__(self, options: RestOptions, *, base: Path, clock: Clock, secrets: Secrets) -> None:
        self._options = options
        self._secrets = secrets
        self._clock = clock
        self._origin = urlsplit(options.url)
        self._verify: str | bool = _authorities(options, base)
        self._headers = {n: v.get_secret_value() for n, v in options.headers.items()}
        self._query = [(n, _text(v)) for n, v in options.query.items()]
        if options.proxy is not None:
            proxy = options.proxy.get_secret_value()
            self._proxies: dict[str, str] = {"http": proxy, "https": proxy}
        else:
            self._proxies = dict(get_environ_proxies(options.url))
        self._session = requests.Session()
        # The environment was looked at above, once; .netrc holds passwords for other purposes.
        self._session.trust_env = False
        self._session.headers["User-Agent"] = AGENT
        self._session.headers["Accept"] = "application/json"
        adapter = Adapter(
            pool_connections=4, pool_maxsize=options.budget.concurrent + 1, max_retries=0
        )
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        """Gives back the connections."""
        self._session.close()

    def send(
        self,
        request: Request,
        auth: Auth,
        *,
        basic: tuple[str, str] | None = None,
        accepted: Container[int] = (),
    ) -> Answer:
        """Sends a request once, and follows where it is redirected.

        Args:
            request: The request.
            auth: Who asks.
            basic: User and password for this request alone.
            accepted: Statuses that are no failure beside those of success.

        Raises:
            Failure: No answer came, or none of success.
            ConfigError: The request can't be written.
        """
        prepared = self._prepared(request, auth, basic)
        notes: list[str] = []
        url = prepared.url or request.url
        with Deadline(self._options.timeouts.total) as deadline:
            try:
                for _ in range(_MOST_REDIRECTS + 1):
                    answer = self._once(prepared, notes)
                    if answer.status not in _REDIRECTS or "location" not in answer.headers:
                        return self._accepted(answer, accepted)
                    url = urljoin(url, answer.headers["location"])
                    prepared = self._redirected(request, answer, url, auth, notes)
            except (raised.RequestException, OSError) as error:
                failure = _failure(error, is_over=deadline.is_over)
            except Failure as error:
                failure = error
                if deadline.is_over:
                    failure = Failure("total time-out")
            else:
                failure = Failure(
                    f"more than {_MOST_REDIRECTS} redirects", is_transient=False,
                    final=SourceError, advice="is `url` the API's own address?",
                )  # fmt: skip
        raise failure from None

    def _prepared(
        self, request: Request, auth: Auth, basic: tuple[str, str] | None
    ) -> requests.PreparedRequest:
        draft = Draft(
            request=request, headers=dict(self._headers), body=request.body,
            query=[*self._query, *request.query],
        )  # fmt: skip
        auth.apply(draft)
        form = draft.body if request.is_form else None
        try:
            prepared = self._session.prepare_request(
                requests.Request(
                    request.method, _without(request.url, dict(draft.query)),
                    headers=draft.headers, params=draft.query,
                    json=None if request.is_form else draft.body,
                    data=None if form is None else {k: text_of(v) for k, v in form.items()},
                    auth=basic,
                )
            )  # fmt: skip
        except (raised.RequestException, UnicodeError, ValueError, TypeError):
            # Their texts hold the header or URL they are about.
            prepared = None
        if prepared is None:
            message = (
                f"{request.label}: the request can't be written; a header, a secret or the url has "
                "a character that HTTP doesn't take (a line end in a secret file?)"
            )
            raise ConfigError(message)
        body = prepared.body or b""
        prepared.headers.update(
            auth.sign(
                Sent(
                    method=prepared.method or "", url=prepared.url or "",
                    body=body.encode() if isinstance(body, str) else body,
                )
            )
        )  # fmt: skip
        return prepared

    def _once(self, prepared: requests.PreparedRequest, notes: list[str]) -> Answer:
        timeouts = self._options.timeouts
        response = self._session.send(
            prepared, stream=True, allow_redirects=False, verify=self._verify,
            proxies=self._proxies, timeout=(timeouts.connect, timeouts.read),
        )  # fmt: skip
        with response:
            parts: list[bytes] = []
            size = 0
            for part in response.iter_content(_CHUNK):
                size += len(part)
                if size > self._options.max_body_bytes:
                    _too_long(self._options.max_body_bytes)
                parts.append(part)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(
                status=response.status_code, headers=headers, body=b"".join(parts),
                url=response.url, notes=tuple(notes),
            )  # fmt: skip

    def _accepted(self, answer: Answer, accepted: Container[int]) -> Answer:
        if 200 <= answer.status < 300 or answer.status in accepted:
            return answer
        raise of_status(
            answer.status,
            retry_after=retry_after(answer.headers, self._clock.now()),
            shown=masked_start(answer.body),
        )

    def _redirected(
        self, request: Request, answer: Answer, url: str, auth: Auth, notes: list[str]
    ) -> requests.PreparedRequest:
        """The request for the new address; with credentials only at the source's own origin."""
        target = urlsplit(url)
        is_own = _is_same_origin(self._origin, target)
        is_get = request.method in {"GET", "HEAD"}
        if target.scheme not in _PORTS or (self._origin.scheme, target.scheme) == ("https", "http"):
            _refused_redirect("to an address without TLS")
        if not is_get and not (is_own and answer.status in _KEPT_METHOD):
            _refused_redirect("of a request that sends something")
        if is_own:
            moved = Request(
                method=request.method, url=target._replace(fragment="").geturl(),
                label=request.label, body=request.body, is_form=request.is_form,
            )  # fmt: skip
            return self._prepared(moved, auth, None)
        if self._secrets.are_in(url):
            # The server wrote our own query into its Location.
            _refused_redirect("to another host with a secret in its address")
        notes.append(f"redirected to {target.hostname}, without credentials")
        bare = requests.Request(request.method, url, headers={"Accept": "application/json"})
        prepared = bare.prepare()
        prepared.headers["User-Agent"] = AGENT
        return prepared


def linked(header: str, rel: str) -> str | None:
    """The address of a relation in a Link header (RFC 8288)."""
    links = parse_header_links(header) if header else []
    return next((str(one["url"]) for one in links if rel in one.get("rel", "").split()), None)


def _authorities(options: RestOptions, base: Path) -> str | bool:
    if options.ca_bundle is None:
        return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    path = base / Path(options.ca_bundle).expanduser()
    if not path.is_file():
        message = f"connector rest: there is no file {path} (`ca_bundle`)"
        raise ConfigError(message)
    return str(path)


def _text(value: SecretStr | int | bool) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else text_of(value)


def _is_same_origin(ours: SplitResult, other: SplitResult) -> bool:
    """Same scheme, host and port; the step from http to https on one host counts as the same."""
    if ours.hostname != other.hostname:
        return False
    places = [(one.scheme, one.port or _PORTS.get(one.scheme)) for one in (ours, other)]
    return places[0] == places[1] or places == [("http", 80), ("https", 443)]


def _without(url: str, names: Container[str]) -> str:
    """A server's address without parameters that are sent anyway: a key it repeats may be old."""
    parts = urlsplit(url)
    there = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in there if name not in names]
    if len(kept) == len(there):
        return url
    return parts._replace(query=urlencode(kept)).geturl()


def _refused_redirect(what: str) -> NoReturn:
    raise Failure(
        f"a redirect {what} isn't followed", is_transient=False, final=SourceError,
        advice="state the address it leads to in `url` and `path`",
    )  # fmt: skip


def _too_long(most: int) -> NoReturn:
    raise Failure(
        f"the answer is longer than {most} bytes", is_transient=False, final=SourceError,
        advice="ask for smaller pages or windows, or raise `max_body_bytes`",
    )  # fmt: skip


_KINDS: Mapping[type[BaseException], str] = {
    raised.ConnectTimeout: "connect time-out",
    raised.ReadTimeout: "read time-out",
    raised.ChunkedEncodingError: "the answer was cut short",
    raised.ContentDecodingError: "the answer's compression is broken",
    raised.SSLError: "the TLS connection broke",
    raised.ProxyError: "the proxy refuses or isn't there",
    raised.ConnectionError: "no connection",
}


_WORDS = {
    "timed out": "read time-out",
    "reset": "the connection was reset",
    "aborted": "the connection was reset",
    "broken pipe": "the connection was reset",
    "refused": "the connection was refused",
    "resolve": "the host's name isn't known",
    "name or service": "the host's name isn't known",
}
_UNUSABLE = (raised.InvalidURL, raised.MissingSchema, raised.InvalidSchema)


def _failure(error: BaseException, *, is_over: bool) -> Failure:
    """Our name for what requests raised; its text may hold the URL and isn't kept."""
    if is_over:
        return Failure("total time-out")
    text = str(error).casefold()
    if isinstance(error, raised.SSLError) and "certificate" in text:
        return Failure(
            "its certificate isn't trusted", is_transient=False, final=SourceError,
            advice="if an authority of the office's own signed it, name that in `ca_bundle`",
        )  # fmt: skip
    if isinstance(error, _UNUSABLE):
        return Failure(
            "the address can't be used", is_transient=False, final=SourceError,
            advice="compare `url` and `path`",
        )  # fmt: skip
    kinds = (name for kind, name in _KINDS.items() if isinstance(error, kind))
    name = next(kinds, f"the request failed ({type(error).__name__})")
    if type(error) is raised.ConnectionError:
        name = next((said for word, said in _WORDS.items() if word in text), name)
    return Failure(name)
