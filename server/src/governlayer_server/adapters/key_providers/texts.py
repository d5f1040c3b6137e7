"""Keys as texts: a line of base64, and where it stands."""

import base64
from collections.abc import Callable, Sequence

from msgspec import Struct

from governlayer_server.domain.errors import ConfigurationError

KEY_BYTES = 32
# Random bytes of this length never have so few different ones (fewer than once in 2^100 keys).
_DIFFERENT_BYTES = 8


class KeyText(Struct, frozen=True, kw_only=True):
    """
    What stands where a key is kept.

    Attributes:
        place: names it for people: a setting or a file.
        text: without white space at its ends; a secret, unless something else must open it.
    """

    place: str
    text: str

    def __repr__(self) -> str:
        """No key."""
        return f"KeyText(place={self.place!r})"


ReadTexts = Callable[[], Sequence[KeyText]]
"""Returns the texts that are there now, the current key's first; raises ConfigurationError where that is missing."""


def spell_key(key: bytes) -> str:
    """Return *key* as it is kept in the clear: base64."""
    return base64.b64encode(key).decode()


def parse_key(kept: KeyText) -> bytes:
    """
    Return the key that is kept in the clear.

    Raises:
        ConfigurationError: it is not 32 random bytes in base64. The text is not repeated.
    """
    try:
        return checked_key(kept.place, base64.b64decode(kept.text, validate=True))
    except ValueError:
        raise malformed(kept.place) from None


def checked_key(place: str, key: bytes) -> bytes:
    """
    Return *key*.

    Raises:
        ConfigurationError: it is not 32 bytes that may be random.
    """
    if len(key) != KEY_BYTES or len(set(key)) < _DIFFERENT_BYTES:
        raise malformed(place)
    return key


def malformed(place: str) -> ConfigurationError:
    """Return the error for what is no key."""
    return ConfigurationError(
        f"{place} must hold {KEY_BYTES} random bytes in base64 (`openssl rand -base64 {KEY_BYTES}` makes them)"
    )
