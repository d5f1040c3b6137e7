"""The next key-encryption key of a data directory, and of settings: ``ports.master_keys.NextMasterKey``."""

from contextlib import suppress

from governlayer_server.adapters.embedded.directory import DataDirectory, sync_directory, write_once
from governlayer_server.adapters.key_providers.texts import KEY_BYTES, KeyText, parse_key
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.ports import Entropy
from governlayer_server.ports.key_providers import KeyProvider

CURRENT, FOLLOWING = "key-encryption-key", "key-encryption-key.next"


class DirectoryNextKey:
    """A secret beside the one in service; the rotation renames it into its place."""

    def __init__(self, directory: DataDirectory, provider: KeyProvider, entropy: Entropy) -> None:
        self._current, self._next = (directory.secrets / name for name in (CURRENT, FOLLOWING))
        self._directory = directory
        self._provider = provider
        self._entropy = entropy

    async def read(self) -> bytes | None:
        """Return the key that is there, or None."""
        text = self._directory.existing_secret(FOLLOWING)
        return None if text is None else parse_key(KeyText(place=str(self._next), text=text))

    async def make(self) -> bytes:
        """Return a new key, which is durable there."""
        write_once(self._next, await self._provider.protect(self._entropy.bytes(KEY_BYTES)))
        made = await self.read()
        if made is None:
            raise ConfigurationError(f"{self._next} has just been written, and is gone")
        return made

    async def put_in_place(self) -> None:
        """Rename the next key over the one before, in one step."""
        with suppress(FileNotFoundError):
            self._next.replace(self._current)
        sync_directory(self._current.parent)


class GivenNextKey:
    """What a provider has beside the key in service: the operator puts it there, and into its place."""

    def __init__(self, provider: KeyProvider) -> None:
        self._provider = provider

    async def read(self) -> bytes | None:
        """Return the second key, or None."""
        keys = await self._provider.keys()
        return keys[1] if len(keys) > 1 else None

    async def make(self) -> bytes:
        """Raise what the operator has to do."""
        raise ConfigurationError(
            "there is no next key: make one with `governlayer keys new-master -o FILE`, let every replica find it by "
            "GOVERNLAYER_KEY_ENCRYPTION_KEY_NEXT_FILE, and run this again"
        )

    async def put_in_place(self) -> None:
        """Do nothing: the operator does."""
