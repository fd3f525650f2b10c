"""TLS is verified, by the office's own authority where it has one; proxies are honoured."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schemas.errors import ConfigError, SourceError, TransientSourceError
from tests.connectors.rest.support import connector, ids, rows, stream
from tests.support.api import Asked, Reply, serving

ROWS = [{"id": 1, "v": "x"}]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for loopback that no public authority signed, and a context with it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sở thử nghiệm")])
    now = datetime.now(UTC)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    bundle = folder / "office-ca.pem"
    bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = folder / "key.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle, private)
    return bundle, context


def test_a_certificate_that_nobody_trusts_is_refused_at_once(
    authority: tuple[Path, ssl.SSLContext],
) -> None:
    with serving(lambda asked: Reply(ROWS), tls=authority[1]) as api:
        with pytest.raises(SourceError, match=r"certificate isn't trusted.*`ca_bundle`") as raised:
            rows(connector(api.url), stream())
        assert not isinstance(raised.value, TransientSourceError)
        assert api.asked == []


def test_an_authority_of_the_offices_own_is_trusted_where_it_is_named(
    authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, context = authority
    with serving(lambda asked: Reply(ROWS), tls=context) as api:
        assert ids(rows(connector(api.url, ca_bundle=str(bundle)), stream())) == ["1"]
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        assert ids(rows(connector(api.url), stream())) == ["1"]


def test_a_bundle_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no file .*nowhere\.pem"):
        connector("https://127.0.0.1:1", ca_bundle="nowhere.pem")


def proxied(asked: Asked) -> Reply:
    return Reply(ROWS) if asked.headers["host"] == "api.office.test" else Reply({}, status=400)


def test_a_proxy_is_used_from_the_yaml_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(proxied) as proxy:
        one = connector("http://api.office.test", proxy=proxy.url)
        assert ids(rows(one, stream())) == ["1"]
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        assert ids(rows(connector("http://api.office.test/v2"), stream())) == ["1"]
        assert len(proxy.asked) == 2


def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(lambda asked: Reply(ROWS)) as api:
        assert ids(rows(connector(api.url), stream())) == ["1"]


def test_connections_are_kept_and_reused() -> None:
    with serving(lambda asked: Reply(ROWS)) as api:
        one = connector(api.url, budget={"per_second": 1000, "concurrent": 1})
        for _ in range(5):
            rows(one, stream())
        pools = one._office.client._session.get_adapter(api.url).poolmanager.pools
        (pool,) = [pools[key] for key in pools.keys()]  # noqa: SIM118 - urllib3's own container
        assert (pool.num_connections, pool.num_requests) == (1, 5)
