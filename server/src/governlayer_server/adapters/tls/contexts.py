"""What every TLS connection of the appliance must satisfy."""

import ssl
from pathlib import Path


def client_context(ca: Path | None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """
    Return a context that verifies the server's certificate and name, TLS 1.2 or newer.

    Args:
        ca: PEM file of the only authorities that are trusted; None for those of the system.
        certificate: PEM file of the client's own certificate, if it has one.
        key: PEM file of its private key.

    Raises:
        OSError: a file cannot be read or holds no certificate (``ssl.SSLError`` is one).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=ca)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context
