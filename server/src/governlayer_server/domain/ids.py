"""Identifiers: UUID version 7 (RFC 9562 §5.7), so that ids sort by time and tell nothing else."""

from uuid import UUID

_VERSION_7 = 0x7 << 76
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
