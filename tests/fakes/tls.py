"""Certificates for tests, out of the project's own authority, and small clients and servers that use them."""

import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from governlayer_server.adapters.tls.authority import Authority

LONG_AGO = datetime.now(UTC) - timedelta(days=30)


class Pair(NamedTuple):
    """A certificate, its key, and the authority to trust."""

    certificate: Path
    key: Path
    ca: Path


def server_pair(
    directory: Path, hosts: Sequence[str] = ("localhost", "127.0.0.1", "::1"), *, expired: bool = False
) -> Pair:
    """Return a server's certificate of a new authority in *directory*."""
    authority = Authority.create(directory)
    pair = authority.issue_server("server", hosts, 10, now=LONG_AGO if expired else None)
    return Pair(*pair, authority.certificate_file)


def serial_seen(port: int, context: ssl.SSLContext, name: str | None = None) -> int:
    """Return the serial number of the certificate that the server shows in a new handshake."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name or "127.0.0.1") as one,
    ):
        return serial_of_der(one.getpeercert(binary_form=True) or b"")


def serial_of_der(der: bytes) -> int:
    return x509.load_der_x509_certificate(der).serial_number


def serial_of(certificate: Path) -> int:
    return serial_of_der(ssl.PEM_cert_to_DER_cert(certificate.read_text()))


def self_signed(directory: Path) -> Pair:
    """Return a certificate for localhost that nobody but itself signed; what is to be trusted is another authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=10))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pair = server_pair(directory)
    pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pair
