"""Contexts verify, refuse what is old, and never take a key that others can read."""

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from governlayer_server.adapters.tls.authority import Authority
from governlayer_server.adapters.tls.contexts import authorities, client_context, load_pair, server_context
from governlayer_server.domain.errors import ConfigurationError

from tests.fakes.tls import LONG_AGO, Pair, server_pair


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return server_pair(tmp_path / "own")


def shake(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost") -> str | None:
    """Return the version that both agree on; raise what the client raises."""
    near, far = socket.socketpair()

    def serve() -> None:
        try:
            with far, server.wrap_socket(far, server_side=True) as one:
                one.sendall(b".")
        except OSError:
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with near, client.wrap_socket(near, server_hostname=name) as one:
            assert one.recv(1) == b"."
            return one.version()
    finally:
        thread.join()


def serving(pair: Pair, client_ca: str | None = None) -> ssl.SSLContext:
    context = server_context(client_ca)
    load_pair(context, pair.certificate, pair.key)
    return context


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_a_good_server_is_accepted_under_each_of_its_names(pair: Pair, name: str) -> None:
    assert shake(serving(pair), client_context(pair.ca), name) == "TLSv1.3"


def test_tls_1_2_is_spoken_and_older_is_not(pair: Pair) -> None:
    client = client_context(pair.ca)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert shake(serving(pair), client) == "TLSv1.2"
    for context in (client_context(None), server_context()):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert {suite["name"][:6] for suite in context.get_ciphers() if suite["protocol"] != "TLSv1.3"} == {"ECDHE-"}
        assert all(suite["aead"] for suite in context.get_ciphers())
        assert context.options & ssl.OP_NO_COMPRESSION
        assert context.options & ssl.OP_NO_RENEGOTIATION


@pytest.mark.parametrize(
    ("name", "message"), [("other.example", "Hostname mismatch"), ("127.0.0.2", "IP address mismatch")]
)
def test_a_server_under_another_name_is_refused(pair: Pair, name: str, message: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=message):
        shake(serving(pair), client_context(pair.ca), name)


def test_a_server_of_another_authority_is_refused(pair: Pair, tmp_path: Path) -> None:
    other = server_pair(tmp_path / "other")
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate"):
        shake(serving(pair), client_context(other.ca))
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate"):
        shake(serving(pair), client_context(None))


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    expired = server_pair(tmp_path / "expired", expired=True)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shake(serving(expired), client_context(expired.ca))


def test_a_clients_certificate_does_not_make_a_server(pair: Pair) -> None:
    certificate, key = Authority.open(pair.ca.parent).issue_client("localhost", 10)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(serving(Pair(certificate, key, pair.ca)), client_context(pair.ca))


def test_a_client_shows_its_certificate_where_one_is_required(pair: Pair, tmp_path: Path) -> None:
    clients = Authority.create(tmp_path / "clients")
    server = serving(pair, authorities(clients.certificate_file))
    own = clients.issue_client("app", 10)
    assert shake(server, client_context(pair.ca, *own))
    stranger = Authority.create(tmp_path / "strangers").issue_client("app", 10)
    expired = clients.issue_client("old", 1, now=LONG_AGO)
    of_a_server = clients.issue_server("other", ["localhost"], 10)
    for shown in ((None, None), stranger, expired, of_a_server):
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            shake(server, client_context(pair.ca, *shown))


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o620, 0o660, 0o601, 0o777, 0o444])
def test_a_private_key_that_is_open_to_others_is_refused(pair: Pair, mode: int) -> None:
    pair.key.chmod(mode)
    with pytest.raises(ConfigurationError, match="is open to others: `chmod 600"):
        serving(pair)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o440, 0o640])
def test_the_owner_and_a_group_may_read_the_key(pair: Pair, mode: int) -> None:
    pair.key.chmod(mode)
    serving(pair)


def test_files_that_cannot_be_used_are_named(pair: Pair, tmp_path: Path) -> None:
    other = server_pair(tmp_path / "other")
    broken, encrypted = tmp_path / "broken", tmp_path / "encrypted"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    broken.chmod(0o600)
    private = load_pem_private_key(pair.key.read_bytes(), None)
    encrypted.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"CANARY")))
    encrypted.chmod(0o600)
    for certificate, key, message in (
        (tmp_path / "none", pair.key, "none cannot be read: No such file"),
        (pair.certificate, tmp_path / "none", "none cannot be read: No such file"),
        (tmp_path, pair.key, "cannot be read: Is a directory"),
        (broken, pair.key, "are not a certificate and its private key"),
        (pair.certificate, broken, "are not a certificate and its private key"),
        (pair.certificate, other.key, "does not belong to the certificate"),
        (pair.certificate, encrypted, "only keys without a password"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            load_pair(server_context(), certificate, key)
    for ca in (broken, pair.key, tmp_path / "none", Path("/dev/null")):
        with pytest.raises(ConfigurationError):
            client_context(ca)
    with pytest.raises(ConfigurationError, match="a client certificate needs its key"):
        client_context(None, pair.certificate)
    with pytest.raises(ConfigurationError, match="a client certificate needs its key"):
        client_context(None, None, pair.key)


def test_a_bundle_with_comments_that_are_not_ascii_is_read(pair: Pair, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.write_bytes("Autorité\n".encode() + pair.ca.read_bytes())
    assert shake(serving(pair), client_context(bundle))


def test_no_variable_makes_it_write_the_keys_of_connections(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    assert shake(serving(pair), client_context(pair.ca))
    assert not log.exists()
