"""When a certificate ends."""

from pathlib import Path

from cryptography import x509

from governlayer_server.domain.errors import ConfigurationError


def expires_s(file: Path) -> int:
    """
    Return when the first certificate in *file* (PEM) is no longer valid, in seconds since the Unix epoch.

    Raises:
        ConfigurationError: the file cannot be read, or holds no certificate.
    """
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"{file} holds no certificate (PEM)") from None
    return int(certificate.not_valid_after_utc.timestamp())
