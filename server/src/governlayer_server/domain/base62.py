"""Base62 of fixed length and the checksum of credentials: what API keys and tokens are written in (API contract §2)."""

import zlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECKSUM_LENGTH = 6
_VALUES = {digit: value for value, digit in enumerate(ALPHABET)}


def base62(number: int, length: int) -> str:
    """
    Return the last *length* base62 digits of *number*, the most significant first.

    Args:
        number: 0 or more; what does not fit into *length* digits is cut off at the front.
        length: how many digits, 0 or more.

    >>> base62(3843, 4)
    '00zz'
    """
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def base62_number(text: str) -> int:
    """
    Return the number that *text* writes; the caller bounds the length of *text*.

    Raises:
        ValueError: a character is no base62 digit.

    >>> base62_number("00zz")
    3843
    """
    number = 0
    for digit in text:
        if digit not in _VALUES:
            raise ValueError("not a base62 digit")
        number = number * 62 + _VALUES[digit]
    return number


def checksum(head: str) -> str:
    """Return 6 base62 digits of the CRC-32 of *head*, which is ASCII. No secret, no proof: it finds mistyped text."""
    return base62(zlib.crc32(head.encode("ascii")), CHECKSUM_LENGTH)
