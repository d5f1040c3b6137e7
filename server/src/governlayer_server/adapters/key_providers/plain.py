"""Keys that are kept in the clear, where only this user can read them: ``ports.key_providers.KeyProvider``."""

import asyncio
from collections.abc import Sequence

from governlayer_server.adapters.key_providers.texts import ReadTexts, parse_key, spell_key


class PlainKeys:
    """
    Reads keys, and needs nobody to open them.

    Args:
        name: of the provider.
        read: finds the texts.
    """

    def __init__(self, name: str, read: ReadTexts) -> None:
        self.name = name
        self._read = read

    async def keys(self) -> Sequence[bytes]:
        """
        Return the keys that are there now.

        Raises:
            ConfigurationError: one is missing, malformed, weak or open to others.
        """
        texts = await asyncio.to_thread(self._read)
        return list(dict.fromkeys(parse_key(one) for one in texts))

    async def protect(self, key: bytes) -> str:
        """Return *key* in base64: who can read the place has the key."""
        return spell_key(key)
