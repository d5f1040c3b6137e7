"""Letters go over verified TLS or not at all."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from governlayer_server.adapters.mail.smtp import SmtpAddress, SmtpMailer, smtp_address
from governlayer_server.domain.errors import ConfigurationError, Unavailable

TEXT = "https://gl.example.com/reset#token=glt_x\n"


class Box:
    """Takes letters."""

    def __init__(self) -> None:
        self.letters: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # the server's name
        self.letters.append(envelope)
        return "250 taken"


def certificate(path: Path, name: str) -> Path:
    """Write key and self-signed certificate of *name*."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def protocol(kind: str, box: Box, context: ssl.SSLContext) -> SMTP:
    if kind != "smtp+starttls":
        return SMTP(box)
    return SMTP(
        box,
        tls_context=context,
        require_starttls=True,
        authenticator=lambda *given: AuthResult(success=given[-1].password == b"right"),
    )


@pytest.fixture(params=["smtps", "smtp+starttls", "plain"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[str, int, Box]]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate(tmp_path / "localhost.pem", "localhost"))
    box, tls = Box(), context if request.param == "smtps" else None
    listening = await asyncio.get_running_loop().create_server(
        lambda: protocol(request.param, box, context), "127.0.0.1", 0, ssl=tls
    )
    yield request.param, listening.sockets[0].getsockname()[1], box
    listening.close()


def mailer(server: tuple[str, int, Box], ca_file: Path | None, **changes: Any) -> SmtpMailer:
    address = {"host": "localhost", "port": server[1], "starttls": server[0] != "smtps", "ca_file": ca_file, **changes}
    return SmtpMailer(SmtpAddress(**address), "governlayer@example.com")


async def test_a_letter_arrives_over_tls_and_without_tls_none_does(
    server: tuple[str, int, Box], tmp_path: Path
) -> None:
    kind, _, box = server
    one = mailer(server, tmp_path / "localhost.pem")
    if kind == "plain":
        with pytest.raises(Unavailable):
            await one.send("ann@acme.example", "Hello", TEXT)
        assert box.letters == []
        return
    await one.send("ann@acme.example", "Hello", TEXT)
    (letter,) = box.letters
    assert (letter.mail_from, letter.rcpt_tos) == ("governlayer@example.com", ["ann@acme.example"])
    read = message_from_bytes(letter.content, policy=policy.default)
    assert (read["To"], read["Subject"]) == ("ann@acme.example", "Hello")
    assert read.get_content().replace("\r\n", "\n") == TEXT


@pytest.mark.parametrize("server", ["smtps", "smtp+starttls"], indirect=True)
@pytest.mark.parametrize("wrong", ["unknown authority", "other name"])
async def test_a_certificate_that_is_not_valid_stops_the_letter(
    server: tuple[str, int, Box], tmp_path: Path, wrong: str
) -> None:
    if wrong == "unknown authority":
        one = mailer(server, None)
    else:
        one = mailer(server, tmp_path / "localhost.pem", host="127.0.0.1")
    with pytest.raises(Unavailable, match=r"^the letter could not be sent"):
        await one.send("ann@acme.example", "Hello", TEXT)
    assert server[2].letters == []


@pytest.mark.parametrize("server", ["smtp+starttls"], indirect=True)
async def test_user_and_password_are_given(server: tuple[str, int, Box], tmp_path: Path) -> None:
    wrong, right = (
        mailer(server, tmp_path / "localhost.pem", user="u", password=password) for password in ("wrong", "right")
    )
    with pytest.raises(Unavailable) as error:
        await wrong.send("ann@acme.example", "Hello", TEXT)
    assert "wrong" not in repr(wrong) + str(error.value)
    assert server[2].letters == []
    await right.send("ann@acme.example", "Hello", TEXT)
    assert len(server[2].letters) == 1


@pytest.mark.parametrize("server", ["smtps"], indirect=True)
@pytest.mark.parametrize(
    "address", ["ann@acme.example\nBcc: eve@evil.example", "ann@acme.example, eve@evil.example", ""]
)
async def test_an_address_adds_no_header_and_no_recipient(
    server: tuple[str, int, Box], tmp_path: Path, address: str
) -> None:
    with pytest.raises(Unavailable):
        await mailer(server, tmp_path / "localhost.pem").send(address, "Hello", TEXT)
    assert server[2].letters == []


@pytest.mark.parametrize(
    ("url", "port", "starttls", "user"),
    [
        ("smtps://mail.example.com", 465, False, None),
        ("smtps://ann%40x@mail.example.com:1465", 1465, False, "ann@x"),
        ("smtp+starttls://ann@mail.example.com", 587, True, "ann"),
    ],
)
def test_the_url_names_server_and_way(url: str, port: int, starttls: bool, user: str | None) -> None:
    found = smtp_address(url, None if user is None else "secret", None)
    assert (found.host, found.port, found.starttls, found.user) == ("mail.example.com", port, starttls, user)
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("smtp://mail.example.com", None),
        ("http://mail.example.com", None),
        ("smtps://", None),
        ("smtps://ann:pw@mail.example.com", "secret"),
        ("smtps://ann@mail.example.com", None),
        ("smtps://mail.example.com", "secret"),
        ("smtps://mail.example.com/x", None),
        ("smtps://mail.example.com:x", None),
    ],
)
def test_another_url_is_refused_without_repeating_it(url: str, password: str | None) -> None:
    with pytest.raises(ConfigurationError) as error:
        smtp_address(url, password, None)
    assert "secret" not in str(error.value)
    assert ":pw@" not in str(error.value)


def test_certificates_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        SmtpMailer(SmtpAddress(host="h", port=1, starttls=False, ca_file=tmp_path / "none"), "a@b")
