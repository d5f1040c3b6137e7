"""Names in certificates and of their files."""

import re
import socket
from ipaddress import ip_address

from governlayer_server.domain.errors import ConfigurationError

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_DNS_CHARACTERS = 253
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_RESERVED = "ca"


def default_hosts() -> list[str]:
    """Return the names under which clients reach a server on this machine: loopback and the host name."""
    own = socket.gethostname()
    return ["localhost", "127.0.0.1", "::1", *([own] if _is_dns(own) and own != "localhost" else [])]


def check_host(host: str) -> str:
    """
    Return *host*.

    Raises:
        ConfigurationError: it is neither an IP address nor a DNS name (RFC 1123; ``*.`` may stand first).
    """
    try:
        ip_address(host)
    except ValueError:
        if not _is_dns(host):
            raise ConfigurationError(f"{host!r} is neither a DNS name nor an IP address") from None
    return host


def check_file_name(name: str) -> str:
    """
    Return *name*.

    Raises:
        ConfigurationError: it cannot be the name of a certificate's files.
    """
    if not _FILE_NAME.fullmatch(name) or name == _RESERVED:
        raise ConfigurationError(f"{name!r} cannot name a certificate: 1 to 60 of [A-Za-z0-9._-], and not {_RESERVED}")
    return name


def _is_dns(text: str) -> bool:
    return len(text) <= _DNS_CHARACTERS and _DNS.fullmatch(text) is not None
