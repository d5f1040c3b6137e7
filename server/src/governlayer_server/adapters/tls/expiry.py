"""When a certificate ends."""

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from governlayer_server.domain.errors import ConfigurationError


def expires_s(file: Path) -> int:
    """
    Return when the first certificate in *file* (PEM) is no longer valid, in seconds since the Unix epoch.

    Raises:
        ConfigurationError: the file cannot be read, or holds no certificate.
    """
    return _end_s(_certificates(file)[0])


def authorities_expire_s(file: Path) -> int:
    """
    Return when the last of the authorities in *file* (PEM) is no longer valid: from then on nobody is trusted.

    Raises:
        ConfigurationError: as ``expires_s``.
    """
    return max(map(_end_s, _certificates(file)))


def _certificates(file: Path) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"{file} holds no certificate (PEM)") from None


def _end_s(certificate: x509.Certificate) -> int:
    return int(certificate.not_valid_after_utc.timestamp())
