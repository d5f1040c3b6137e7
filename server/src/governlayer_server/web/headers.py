"""
The headers of every response, without exception (API contract §1).

The ASGI server itself puts them on, so that its own errors carry them too; nothing else may, or they would stand
twice. The rate limits of a request are put on by ``web/observe.py``, whoever answers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from governlayer_server.domain.quota import Standing, policy_field, standing_field
from governlayer_server.web.edge import Csp

Headers = tuple[tuple[str, str], ...]
_BEFORE: Headers = (
    ("Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("X-XSS-Protection", "1; mode=block"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
)
_POLICIES = {
    Csp.DEFAULT: (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: https:; font-src 'self' https://fonts.gstatic.com; connect-src 'self'"
    ),
    Csp.STRICT: (
        "default-src 'self'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'"
    ),
}
# Where a request's state holds the standings of its limits.
LIMITS = "rate_limits"


def security_headers(csp: Csp = Csp.DEFAULT) -> Headers:
    """Return the seven headers; only the value of the last one depends on *csp*."""
    return (*_BEFORE, ("Content-Security-Policy", _POLICIES[csp]))


SECURITY_HEADERS = security_headers()


def limit_headers(state: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Return the headers that tell the limits of a request, and what is left of them, if it had any (§1)."""
    standings: Sequence[Standing] = state.get(LIMITS, ())
    if not standings:
        return []
    return [
        (b"ratelimit-policy", policy_field(standings).encode()),
        (b"ratelimit", standing_field(standings).encode()),
    ]
