"""What a rotation of the key-encryption key needs: the key that comes next, and all keys wrapped anew."""

from typing import Protocol

from governlayer_server.ports.key_encryption import KekState, KnownKek
from governlayer_server.ports.wrapped_keys import WrappedKey


class NextMasterKey(Protocol):
    """Where the key that comes next is kept, beside the one in service."""

    async def read(self) -> bytes | None:
        """
        Return the key that is there, 32 bytes, or None.

        Raises:
            ConfigurationError, Unavailable: it cannot be read.
        """

    async def make(self) -> bytes:
        """
        Return a new key, which is durable there.

        Raises:
            ConfigurationError: it is not the appliance's to make one; the text says who does and how.
        """

    async def put_in_place(self) -> None:
        """Let the next key, if there is one, take the place of the one before, which is gone then."""


class MasterRing(Protocol):
    """The key-encryption keys of this process."""

    @property
    def header(self) -> bytes:
        """What everything begins with that is wrapped under the key in service."""

    def key_id(self, key: bytes) -> str:
        """Return the id of a key."""

    def known(self, key: bytes, state: KekState) -> KnownKek:
        """Return what is stored of a key."""

    def rewrapped(self, key: WrappedKey) -> bytes:
        """
        Return what *key* holds, wrapped under the key in service.

        Raises:
            CipherError: it does not open.
        """

    async def reload(self) -> None:
        """
        Read all keys anew.

        Raises:
            ConfigurationError: a key that is needed is not at hand.
        """
