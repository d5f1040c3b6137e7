"""
Peppers: the keys of fingerprints and of the pre-hash of passwords, one in service and those beside it in a rotation.

A fingerprint under another pepper than the first begins with the pepper's number (32 bits, big endian), so that what
still needs an old one can be found and counted.
"""

import hmac
from collections.abc import Mapping, Sequence

from governlayer_server.domain.errors import CipherError

FIRST_NUMBER = 1
MAC_BYTES = 32


class Peppers:
    """
    The peppers at hand.

    Args:
        first: 32 bytes, the number 1, in service until ``renew`` says otherwise.
    """

    def __init__(self, first: bytes) -> None:
        self._keys: Mapping[int, bytes] = {FIRST_NUMBER: first}
        self._active = FIRST_NUMBER

    def __repr__(self) -> str:
        """Numbers only."""
        return f"Peppers({self._active} of {sorted(self._keys)})"

    @property
    def active(self) -> int:
        """The number of the one in service."""
        return self._active

    def renew(self, keys: Mapping[int, bytes], active: int) -> None:
        """
        Use *keys*, by their numbers, from now on.

        Raises:
            CipherError: *active* is not among them. Nothing was changed.
        """
        if active not in keys:
            raise CipherError("the pepper in service is not at hand")
        self._keys, self._active = dict(keys), active

    def key(self, number: int) -> bytes | None:
        """Return the pepper *number*, if it is at hand."""
        return self._keys.get(number)

    def fingerprint(self, purpose: str, secret: bytes) -> bytes:
        """Return HMAC-SHA-256 of *secret* under the key of *purpose*, with the number of the pepper in service."""
        return self._fingerprint(self._active, purpose, secret)

    def fingerprints(self, purpose: str, secret: bytes) -> Sequence[bytes]:
        """Return the same under every pepper at hand, that of the one in service first."""
        others = sorted(self._keys.keys() - {self._active})
        return [self._fingerprint(number, purpose, secret) for number in (self._active, *others)]

    def _fingerprint(self, number: int, purpose: str, secret: bytes) -> bytes:
        key = hmac.digest(self._keys[number], b"governlayer/fingerprint/" + purpose.encode(), "sha256")
        return mark(number) + hmac.digest(key, secret, "sha256")


def mark(number: int) -> bytes:
    """Return what the fingerprints under the pepper *number* begin with."""
    return b"" if number == FIRST_NUMBER else number.to_bytes(4, "big")


def number_of(fingerprint: bytes) -> int:
    """Return the number of the pepper that *fingerprint* was made under."""
    return FIRST_NUMBER if len(fingerprint) == MAC_BYTES else int.from_bytes(fingerprint[:4], "big")
