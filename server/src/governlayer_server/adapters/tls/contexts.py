"""
Contexts for both ends of a connection: TLS 1.2 or newer, ECDHE and AEAD only (Mozilla's *intermediate*, version 5.7).

They are made from nothing, not by ``ssl.create_default_context``, so that no environment variable writes the keys of
connections to a file.
"""

import ssl
import stat
from pathlib import Path

from governlayer_server.domain.errors import ConfigurationError

# The cipher suites of TLS 1.2; those of TLS 1.3 are all good and are not listed here.
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
_GROUPS = "X25519:prime256v1:secp384r1"
_ANY_CURVE = "prime256v1"
_END_OF_CERTIFICATE = "-----END CERTIFICATE-----"
# X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h; the module `ssl` has no name for it.
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
# A group may read the key (Kubernetes mounts secrets so, Debian has ssl-cert), nobody else, and only the owner writes.
_TOO_OPEN = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP


def client_context(ca: Path | None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """
    Return a context for outgoing connections that verifies the server: chain, dates and host name, TLS 1.2 or newer.

    Args:
        ca: certificates (PEM) that alone are trusted; None trusts the roots of the system.
        certificate: own certificate and chain (PEM), for servers that want to see one.
        key: its private key (PEM, not encrypted); must not be open to everybody.

    Raises:
        ConfigurationError: a file is missing, unreadable, no PEM or too open, certificate and key do not belong
            together, or one was given without the other.
    """
    context = _hardened(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False  # RFC 9525 §2: names stand in subjectAltName
    if ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.load_verify_locations(cadata=authorities(ca))
    _load_own(context, certificate, key)
    return context


def pinned_context(served: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """
    Return a context for asking our own server, which must show the first certificate in *served* and have its key.

    The certificate itself is compared, so its names do not matter, and neither do its dates: `doctor` and the figures
    tell that it has expired.

    Args:
        served: the server's certificate and chain (PEM).
        certificate: own certificate and chain (PEM), where the server asks its clients for one.
        key: its private key (PEM, not encrypted).

    Raises:
        ConfigurationError: a file cannot be used, as for ``client_context``.
    """
    context = _hardened(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    leaf, end, _ = authorities(served).partition(_END_OF_CERTIFICATE)
    context.load_verify_locations(cadata=leaf + end)
    _load_own(context, certificate, key)
    return context


def server_context(client_ca: str | None = None) -> ssl.SSLContext:
    """
    Return a context for incoming connections, still without certificate.

    Args:
        client_ca: certificates (PEM text); when given, a client must show a certificate that one of them signed.
    """
    context = _hardened(ssl.PROTOCOL_TLS_SERVER)
    # All suites are good: the client takes the one that is fastest for it.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if hasattr(context, "set_groups"):  # Python 3.15
        context.set_groups(_GROUPS)
    else:
        # One is all that can be set, and this is the one that everybody has (RFC 8446 §9.1).
        context.set_ecdh_curve(_ANY_CURVE)
    if client_ca is not None:
        context.load_verify_locations(cadata=client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def authorities(file: Path) -> str:
    """
    Return the PEM text of *file*, the certificates of authorities.

    Raises:
        ConfigurationError: it is missing, unreadable or holds no certificate.
    """
    text = _read(file)
    try:
        _hardened(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise ConfigurationError(f"{file} holds no certificates in PEM") from None
    return text


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """
    Give *context* the certificate, with its chain, and the private key in these files.

    Raises:
        ConfigurationError: a file is missing, unreadable, no PEM, encrypted or too open, or the two do not belong
            together. *context* must not be used.
    """
    for file in (certificate, key):
        _read(file)
    try:
        if key.stat().st_mode & _TOO_OPEN:
            raise ConfigurationError(
                f"the private key {key} is open to others: `chmod 600 {key}` (in Kubernetes: defaultMode 0440)"
            )
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        reason = {
            "KEY_VALUES_MISMATCH": f"the private key {key} does not belong to the certificate {certificate}",
            "EE_KEY_TOO_SMALL": f"the key of the certificate {certificate} is too short",
        }.get(error.reason or "", f"{certificate} and {key} are not a certificate and its private key in PEM")
        raise ConfigurationError(reason) from None
    except OSError as error:
        raise ConfigurationError(f"{certificate} or {key} cannot be read: {error.strerror}") from None


def _load_own(context: ssl.SSLContext, certificate: Path | None, key: Path | None) -> None:
    if (certificate is None) != (key is None):
        raise ConfigurationError("a client certificate needs its key, and a key its certificate")
    if certificate is not None and key is not None:
        load_pair(context, certificate, key)


def _hardened(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _read(file: Path) -> str:
    try:
        # What is not ASCII stands in the comments of some bundles, outside the certificates.
        return file.read_text(encoding="ascii", errors="ignore")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None


def _no_password() -> str:
    # Without this OpenSSL would ask the terminal.
    raise ConfigurationError("the private key is encrypted: only keys without a password can be used")
