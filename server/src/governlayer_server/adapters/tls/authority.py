"""
A private certificate authority for a small install: P-256, certificates of at most 825 days, plain files.

    DIRECTORY/ca.crt               what everyone gets who is to trust the certificates
    DIRECTORY/authority/ca.key     the authority's key: whoever has it can pretend to be any of the servers
    DIRECTORY/NAME.crt, NAME.key   a server's or client's certificate and private key
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from governlayer_server.adapters.tls.names import check_file_name, check_host
from governlayer_server.domain.errors import ConfigurationError

CA_DAYS = 3650
MAX_DAYS = 825
_CLOCKS_DIFFER = timedelta(hours=1)
_Key = ec.EllipticCurvePrivateKey


class Authority:
    """The authority in a directory. ``create`` makes it, ``open`` finds it."""

    def __init__(self, directory: Path, certificate: x509.Certificate, key: _Key) -> None:
        self._directory = directory
        self._certificate = certificate
        self._key = key

    @classmethod
    def create(cls, directory: Path, *, replace: bool = False, now: datetime | None = None) -> Self:
        """
        Make an authority in *directory*, which is made too.

        Args:
            directory: where its files go.
            replace: replace the authority that is there; every certificate that it signed is worth nothing then.
            now: the time from which it is valid; None is the present.

        Raises:
            ConfigurationError: there is one already, or the files cannot be written.
        """
        start = now or datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        # The serial number keeps two authorities of one name apart.
        serial = x509.random_serial_number()
        name = _name(f"GovernLayer private CA {serial % 2**32:08x}")
        certificate = (
            _builder(name, key.public_key(), start, start + timedelta(days=CA_DAYS), serial)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        key_file = _key_file(directory)
        if not replace and (existing := _first_existing([key_file, *sorted(directory.glob("*.crt"))])):
            raise ConfigurationError(f"{existing} exists and was not touched: --force replaces it")
        _make_directory(key_file.parent)
        _write(key_file, _private(key), 0o600)
        _write(_ca_file(directory), _public(certificate), 0o644)
        return cls(directory, certificate, key)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """
        Return the authority in *directory*.

        Raises:
            ConfigurationError: there is none, or its key was taken elsewhere.
        """
        key_file, ca_file = _key_file(directory), _ca_file(directory)
        try:
            key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
            certificate = x509.load_pem_x509_certificate(ca_file.read_bytes())
        except OSError as error:
            missing = f"{error.filename} cannot be read: {error.strerror}"
            raise ConfigurationError(f"{missing} (`governlayer tls init` makes an authority)") from None
        except (ValueError, TypeError):
            raise ConfigurationError(f"{key_file} or {ca_file} is damaged") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ConfigurationError(f"{key_file} is not the key of {ca_file}")
        return cls(directory, certificate, key)

    @property
    def certificate_file(self) -> Path:
        """The authority's certificate, to hand out."""
        return _ca_file(self._directory)

    @property
    def key_file(self) -> Path:
        """The authority's private key, to keep elsewhere."""
        return _key_file(self._directory)

    def issue_server(
        self, name: str, hosts: Sequence[str], days: int, *, replace: bool = False, now: datetime | None = None
    ) -> tuple[Path, Path]:
        """
        Return the files of a new certificate, valid for all of *hosts*, and of its key.

        Args:
            name: of the files, without ending.
            hosts: DNS names and IP addresses, at least one.
            days: how long it is valid, 1 to 825; never longer than the authority.
            replace: replace the files that are there.
            now: the time from which it is valid; None is the present.

        Raises:
            ConfigurationError: a name is malformed, there are such files already, or they cannot be written.
        """
        if not hosts:
            raise ConfigurationError("a server's certificate needs at least one name")
        alternatives = x509.SubjectAlternativeName([_general_name(host) for host in dict.fromkeys(hosts)])
        purpose = ExtendedKeyUsageOID.SERVER_AUTH
        return self._issue(name, _name(check_file_name(name)), [alternatives], purpose, days, replace=replace, now=now)

    def issue_client(
        self, name: str, days: int, *, replace: bool = False, now: datetime | None = None
    ) -> tuple[Path, Path]:
        """
        Return the files of a new client certificate, whose common name is *name*, and of its key.

        PostgreSQL reads the common name as the role, where ``pg_hba.conf`` says ``cert``. Arguments and errors are
        those of ``issue_server``.
        """
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH
        return self._issue(name, _name(check_file_name(name)), [], purpose, days, replace=replace, now=now)

    def renew(self, name: str, days: int, *, now: datetime | None = None) -> tuple[Path, Path]:
        """
        Replace the certificate *name* by one for the same names and purpose, with a new key.

        Raises:
            ConfigurationError: there is none of this authority, or the files cannot be written. The old files stay.
        """
        file = self._directory / f"{check_file_name(name)}.crt"
        try:
            old = x509.load_pem_x509_certificate(file.read_bytes())
            old.verify_directly_issued_by(self._certificate)
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
        except Exception:  # noqa: BLE001  # malformed in whatever way, or another authority's
            raise ConfigurationError(f"{file} is not a certificate of this authority") from None
        names = [one.value for one in old.extensions if isinstance(one.value, x509.SubjectAlternativeName)]
        (purpose,) = old.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        return self._issue(name, old.subject, names, purpose, days, replace=True, now=now)

    def names(self) -> list[str]:
        """Return the names of the certificates in the directory, the authority's own left out."""
        return sorted(file.stem for file in self._directory.glob("*.crt") if file != self.certificate_file)

    def _issue(
        self,
        name: str,
        subject: x509.Name,
        alternatives: Sequence[x509.SubjectAlternativeName],
        purpose: x509.ObjectIdentifier,
        days: int,
        *,
        replace: bool,
        now: datetime | None,
    ) -> tuple[Path, Path]:
        certificate_file = self._directory / f"{check_file_name(name)}.crt"
        key_file = certificate_file.with_suffix(".key")
        if not 1 <= days <= MAX_DAYS:
            raise ConfigurationError(f"a certificate is valid for 1 to {MAX_DAYS} days")
        if not replace and (existing := _first_existing([certificate_file, key_file])):
            raise ConfigurationError(f"{existing} exists and was not touched: --force replaces it")
        start = now or datetime.now(UTC)
        end = min(start + timedelta(days=days), self._certificate.not_valid_after_utc)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(subject, key.public_key(), start, end, x509.random_serial_number())
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        for names in alternatives:
            builder = builder.add_extension(names, critical=False)
        _write(key_file, _private(key), 0o600)
        _write(certificate_file, _public(builder.sign(self._key, hashes.SHA256())), 0o644)
        return certificate_file, key_file


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, start: datetime, end: datetime, serial: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(start - _CLOCKS_DIFFER)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    checked = check_host(host)
    try:
        address: IPv4Address | IPv6Address = ip_address(checked)
    except ValueError:
        return x509.DNSName(checked)
    return x509.IPAddress(address)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _ca_file(directory: Path) -> Path:
    return directory / "ca.crt"


def _key_file(directory: Path) -> Path:
    return directory / "authority" / "ca.key"


def _private(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _first_existing(files: Sequence[Path]) -> Path | None:
    return next((file for file in files if os.path.lexists(file)), None)


def _make_directory(directory: Path) -> None:
    try:
        directory.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{directory} cannot be made: {error.strerror}") from None


def _write(file: Path, content: bytes, mode: int) -> None:
    """Write *file* with *mode*, whole or not at all; follows no link."""
    partial = file.with_name(f".{file.name}.new")
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, mode)
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        partial.replace(file)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from None
