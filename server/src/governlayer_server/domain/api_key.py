"""
API keys: ``gl_`` + 30 base62 characters of randomness + 6 base62 characters of CRC-32 (API contract §2).

The checksum lets a secret scanner, and the front door, tell a mistyped or invented key without a query.
It is no secret and no proof: what is stored and compared is a keyed fingerprint of the whole key.
"""

from governlayer_server.domain.base62 import ALPHABET, CHECKSUM_LENGTH, base62, checksum
from governlayer_server.domain.errors import NotAuthenticated

PREFIX = "gl_"
RANDOM_LENGTH = 30
RANDOMNESS_BYTES = 32


def make_api_key(randomness: bytes) -> str:
    """
    Return the API key that *randomness* stands for.

    Args:
        randomness: 32 random bytes; the key carries 30 base62 digits of them (178 bits).

    Raises:
        ValueError: *randomness* is not 32 bytes long.

    >>> make_api_key(bytes(32))
    'gl_0000000000000000000000000000001bh4Mj'
    """
    if len(randomness) != RANDOMNESS_BYTES:
        raise ValueError(f"randomness must be {RANDOMNESS_BYTES} bytes")
    head = PREFIX + base62(int.from_bytes(randomness, "big"), RANDOM_LENGTH)
    return head + checksum(head)


def check_api_key(text: str) -> str:
    """
    Return *text* if it has the form and checksum of an API key; whether it exists is not known yet.

    Raises:
        NotAuthenticated: it has not. No query was made.
    """
    head, check = text[:-CHECKSUM_LENGTH], text[-CHECKSUM_LENGTH:]
    well_formed = (
        len(text) == len(PREFIX) + RANDOM_LENGTH + CHECKSUM_LENGTH
        and text.startswith(PREFIX)
        and all(character in ALPHABET for character in text[len(PREFIX) :])
    )
    if not well_formed or checksum(head) != check:
        raise NotAuthenticated
    return text


def shown_prefix(key: str) -> str:
    """Return the part of *key* that lists may show: ``gl_`` and the first four characters."""
    return key[: len(PREFIX) + 4]
