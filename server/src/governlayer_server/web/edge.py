"""What the operator chooses for the edge of the appliance: headers, public address, contact, token of the metrics."""

import re
from enum import StrEnum
from urllib.parse import urlsplit

from msgspec import Struct

from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.network import is_loopback

MIN_TOKEN_CHARACTERS = 32
_MIN_DIFFERENT = 8
_VISIBLE = re.compile(r"[!-~]{1,500}")
_URI = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2}){1,500}")  # RFC 3986 §2
_HOST = re.compile(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+")
_MAILTO = re.compile(r"mailto:[^@?]+@[A-Za-z0-9.-]+")


class Csp(StrEnum):
    """Which Content-Security-Policy every response carries (API contract §1)."""

    DEFAULT = "default"
    STRICT = "strict"


class Edge(Struct, frozen=True, kw_only=True):
    """
    Choices for the edge; each one is checked when it is made.

    Attributes:
        csp: the mandated Content-Security-Policy, or the strict one.
        public_url: ``https://host[:port]``, or ``http://`` on a loopback address; no path.
        security_contact: ``mailto:`` or ``https:`` URI for ``/.well-known/security.txt``; without it there is none.
        metrics_token: 32 to 500 visible ASCII characters; without it there is no ``/metrics``.

    Raises:
        ConfigurationError: one of them breaks its rule. A token is not repeated.
    """

    csp: Csp = Csp.DEFAULT
    public_url: str | None = None
    security_contact: str | None = None
    metrics_token: str | None = None

    def __post_init__(self) -> None:
        """Refuse what breaks a rule."""
        if self.public_url is not None and not _is_origin(self.public_url):
            raise ConfigurationError("the public URL is https://host[:port], or http:// on a loopback address; no path")
        if self.security_contact is not None and not _is_contact(self.security_contact):
            raise ConfigurationError("the security contact is a mailto: or https: URI")
        if self.metrics_token is not None and not _is_strong(self.metrics_token):
            raise ConfigurationError(f"the metrics token must have {MIN_TOKEN_CHARACTERS} random visible characters")

    def __repr__(self) -> str:
        """No token."""
        return f"Edge(csp={self.csp.value!r}, public_url={self.public_url!r})"


def _is_origin(text: str) -> bool:
    if not _VISIBLE.fullmatch(text):
        return False
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError:  # no port, or half an IPv6 address
        return False
    if host is None or not _HOST.fullmatch(host) or port == 0:
        return False
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    # Only what is made of these parts alone: no user, path, query or fragment, however empty.
    shown = f"[{host}]" if ":" in host else host
    return safe and text.lower() == f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def _is_contact(text: str) -> bool:
    if not _URI.fullmatch(text):
        return False
    if _MAILTO.fullmatch(text):
        return True
    try:
        host = urlsplit(text).hostname
        return text.startswith("https://") and bool(host and _HOST.fullmatch(host)) and "@" not in text
    except ValueError:
        return False


def _is_strong(token: str) -> bool:
    enough = len(token) >= MIN_TOKEN_CHARACTERS and len(set(token)) >= _MIN_DIFFERENT
    return enough and bool(_VISIBLE.fullmatch(token))
