"""Identifiers: UUID version 7 (RFC 9562 §5.7), so that ids sort by time and tell nothing else; version 8 of names."""

from hashlib import sha256
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VERSION_8 = 0x8 << 76
_MASK = ~(0xF << 76 | 0b11 << 62)
_VARIANT = 0b10 << 62


def uuid7(unix_ms: int, randomness: bytes) -> UUID:
    """
    Return the UUIDv7 of a moment (RFC 9562 §5.7).

    Args:
        unix_ms: milliseconds since the Unix epoch, 0 to 2^48 - 1.
        randomness: 10 random bytes; 74 of their 80 bits are used.

    Raises:
        ValueError: *unix_ms* is out of range or *randomness* is not 10 bytes long.

    >>> uuid7(0x017F22E279B0, bytes.fromhex("0cc318c4dc0c0c07398f")).hex
    '017f22e279b07cc398c4dc0c0c07398f'
    """
    if not 0 <= unix_ms < 1 << 48:
        raise ValueError("unix_ms must be within 0 and 2^48 - 1")
    if len(randomness) != 10:
        raise ValueError("randomness must be 10 bytes")
    rand_a = int.from_bytes(randomness[:2], "big") & 0xFFF
    rand_b = int.from_bytes(randomness[2:], "big") & ((1 << 62) - 1)
    return UUID(int=unix_ms << 80 | _VERSION_7 | rand_a << 64 | _VARIANT | rand_b)


def uuid8(name: str) -> UUID:
    """
    Return the UUIDv8 of a name (RFC 9562 §5.8): of the first 16 bytes of its SHA-256. The same name has the same id.

    >>> uuid8("governlayer").hex
    'fa592a61055f894194b89f64b2ef3d0f'
    """
    digest = int.from_bytes(sha256(name.encode()).digest()[:16], "big")
    return UUID(int=digest & _MASK | _VERSION_8 | _VARIANT)
