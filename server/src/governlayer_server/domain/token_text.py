"""
Refresh and one-time tokens as text: prefix, base62 of the organization and the payload, base62 of a CRC-32.

    glr_  refresh     organization (16 bytes) ‖ session (16) ‖ generation (4) ‖ tags (32)   4 + 92 + 6 characters
    glt_  one-time    organization (16 bytes, zeros for none) ‖ secret (32)                 4 + 65 + 6 characters

The form is that of API keys, so that secret scanners find both (``security/secret-scanning``). The checksum is no
proof: what counts are the tags, or the keyed fingerprint of the secret, which the caller compares.
"""

from uuid import UUID

from governlayer_server.domain.base62 import CHECKSUM_LENGTH, base62, base62_number, checksum
from governlayer_server.domain.errors import NotAuthenticated

REFRESH_PREFIX = "glr_"
ONE_TIME_PREFIX = "glt_"
PAYLOAD_BYTES = {REFRESH_PREFIX: 16 + 4 + 32, ONE_TIME_PREFIX: 32}
_ID_BYTES = 16
_NONE = UUID(int=0)


def make_token(prefix: str, organization_id: UUID | None, payload: bytes) -> str:
    """
    Return the text of a token.

    Args:
        prefix: ``REFRESH_PREFIX`` or ``ONE_TIME_PREFIX``.
        organization_id: whose token it is; None for a one-time token of nobody's organization.
        payload: 52 bytes for a refresh token, 32 for a one-time token.

    Raises:
        ValueError: an argument is none of these, or *organization_id* is the nil UUID.

    >>> make_token("glt_", None, bytes(32))[-8:]
    '004Xbtc3'
    """
    if len(payload) != PAYLOAD_BYTES[prefix]:
        raise ValueError(f"the payload of {prefix} has {PAYLOAD_BYTES[prefix]} bytes")
    if organization_id == _NONE or (organization_id is None and prefix == REFRESH_PREFIX):
        raise ValueError("the token needs an organization")
    number = int.from_bytes((organization_id or _NONE).bytes + payload, "big")
    head = prefix + base62(number, _digits(prefix))
    return head + checksum(head)


def read_token(prefix: str, text: str) -> tuple[UUID | None, bytes]:
    """
    Return organization and payload of a token. Each token has one text alone; whether it is valid is not known yet.

    Raises:
        NotAuthenticated: *text* is none that ``make_token`` returns for *prefix*; it never says why. No query was made.
    """
    digits, head = _digits(prefix), text[:-CHECKSUM_LENGTH]
    well_formed = len(text) == len(prefix) + digits + CHECKSUM_LENGTH and text.startswith(prefix) and text.isascii()
    if not well_formed or checksum(head) != text[-CHECKSUM_LENGTH:]:
        raise NotAuthenticated
    try:
        value = base62_number(head[len(prefix) :]).to_bytes(_ID_BYTES + PAYLOAD_BYTES[prefix], "big")
    except (ValueError, OverflowError):
        raise NotAuthenticated from None
    organization_id = UUID(bytes=value[:_ID_BYTES])
    if organization_id != _NONE:
        return organization_id, value[_ID_BYTES:]
    if prefix == REFRESH_PREFIX:
        raise NotAuthenticated
    return None, value[_ID_BYTES:]


def _digits(prefix: str) -> int:
    """Return the fewest base62 digits that hold every value."""
    largest, digits = 256 ** (_ID_BYTES + PAYLOAD_BYTES[prefix]) - 1, 0
    while largest:
        largest, digits = largest // 62, digits + 1
    return digits
