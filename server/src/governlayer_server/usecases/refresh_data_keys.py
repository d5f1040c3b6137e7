"""Refresh the data keys: what another process rotated or destroyed is forgotten here within a moment."""

from collections.abc import Awaitable, Callable

from governlayer_server.ports.key_encryption import KekStore


class RefreshDataKeys:
    """
    Done every second by every process.

    Args:
        keks: counts the changes.
        reload: reads all keys anew; called at once when they have changed.
    """

    def __init__(self, keks: KekStore, reload: Callable[[], Awaitable[None]]) -> None:
        self._keks = keks
        self._reload = reload
        self._seen: int | None = None

    async def __call__(self) -> None:
        """
        Read the keys anew if some have changed since the last call; the first call always does.

        Raises:
            LedgerUnavailable: the database is away; the keys stay as they were.
            ConfigurationError, CipherError: a key that is needed is not at hand; the keys stay as they were.
        """
        changes = await self._keks.changes()
        if changes != self._seen:
            await self._reload()
        self._seen = changes
