"""
Key-encryption keys, as the use cases see them: they come from outside of the database, and wrap all other keys.

Every implementation passes the suite in ``tests/contract``.
"""

from collections.abc import Sequence
from typing import Protocol


class KeyProvider(Protocol):
    """Hands over key-encryption keys. Which of them wraps is not its affair."""

    @property
    def name(self) -> str:
        """What the provider is called in settings and figures; no secret."""

    async def keys(self) -> Sequence[bytes]:
        """
        Return all keys at hand, 32 bytes each and none twice, the current one first; read anew at each call.

        Raises:
            ConfigurationError: one is missing, malformed, weak or open to others. The text names the place and what
                is asked of it, never the content.
            Unavailable: what must open them does not answer.
        """

    async def protect(self, key: bytes) -> str:
        """
        Return the text to keep for a new key: one line that ``keys`` reads back as *key*.

        Args:
            key: 32 random bytes.

        Raises:
            ConfigurationError: the provider refuses. Nothing was stored.
            Unavailable: what must close it does not answer. Nothing was stored.
        """
