"""
The random keys of a backup's files, wrapped twice: under the key-encryption key, and under a passphrase.

The passphrase's key is Argon2id (RFC 9106) with 256 MiB, 3 passes, 4 lanes and a random salt (security.md §2).
"""

import asyncio

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw

from governlayer_server.adapters.crypto.key_ring import KeyRing
from governlayer_server.adapters.crypto.xaes import KEY_BYTES, XAES256GCM
from governlayer_server.domain.backup import FORMAT, MIN_PASSPHRASE, Envelope, context
from governlayer_server.domain.errors import BackupError, CipherError, ConfigurationError, Unavailable
from governlayer_server.ports import Entropy

MEMORY_KIB, PASSES, LANES = 262_144, 3, 4
_SALT_BYTES = 16


class FileKeys:
    """
    ``ports.backups.FileKeys``.

    Args:
        passphrase: at least 20 characters; None: what was made here opens with the key-encryption key alone.
        ring: the key-encryption keys; None: on another machine, where the passphrase has to do.
        entropy: makes keys and salts.

    Raises:
        ConfigurationError: the passphrase is too short, or there is neither a passphrase nor a key-encryption key.
    """

    def __init__(self, passphrase: str | None, ring: KeyRing | None, entropy: Entropy) -> None:
        if passphrase is not None and len(passphrase) < MIN_PASSPHRASE:
            raise ConfigurationError(
                f"the passphrase has {len(passphrase)} characters; it needs {MIN_PASSPHRASE}: six random words, say"
            )
        if passphrase is None and ring is None:
            raise ConfigurationError("a passphrase is needed")
        self._passphrase = passphrase
        self._ring = ring
        self._entropy = entropy
        self._salt = entropy.bytes(_SALT_BYTES)
        self._derived: dict[bytes, XAES256GCM] = {}

    def __repr__(self) -> str:
        """No secrets."""
        return "FileKeys(…)"

    async def new(self, backup_id: str, install_id: str, what: str) -> tuple[Envelope, bytes]:
        """Return a new file key and its envelope."""
        if self._ring is None:
            raise ConfigurationError("keys for backups are made where the key-encryption key is")
        key = self._entropy.bytes(KEY_BYTES)
        by_key = self._ring.wrap(_purpose(backup_id, what), key)
        bound = _bound(backup_id, install_id, what, by_key)
        envelope = Envelope(
            format=FORMAT,
            id=backup_id,
            install_id=install_id,
            salt=self._salt,
            by_passphrase=(await self._by_passphrase(self._salt)).encrypt(key, bound),
            by_key=by_key,
        )
        return envelope, key

    async def open(self, envelope: Envelope, what: str) -> bytes:
        """Return the file key that *envelope* holds."""
        try:
            if self._passphrase is None:
                return self._by_key(envelope, what)
            bound = _bound(envelope.id, envelope.install_id, what, envelope.by_key)
            key = (await self._by_passphrase(envelope.salt)).decrypt(envelope.by_passphrase, bound)
        except CipherError:
            which = "key-encryption key" if self._passphrase is None else "passphrase"
            raise BackupError(
                f"the {which} does not open the {what} of {envelope.id}: it is another one, or the file is damaged"
            ) from None
        self._salt = envelope.salt  # for what is made from here on: each salt costs a second
        return key

    def _by_key(self, envelope: Envelope, what: str) -> bytes:
        if self._ring is None:
            raise ConfigurationError("a passphrase is needed")
        return self._ring.unwrap(_purpose(envelope.id, what), envelope.by_key)

    async def _by_passphrase(self, salt: bytes) -> XAES256GCM:
        if self._passphrase is None:
            raise ConfigurationError("a passphrase is needed")
        if salt not in self._derived:
            self._derived[salt] = XAES256GCM(await asyncio.to_thread(_argon2id, self._passphrase, salt))
        return self._derived[salt]


def _argon2id(passphrase: str, salt: bytes) -> bytes:
    try:
        return hash_secret_raw(passphrase.encode(), salt, PASSES, MEMORY_KIB, LANES, KEY_BYTES, Type.ID)
    except HashingError:
        raise Unavailable(f"Argon2id needs {MEMORY_KIB // 1024} MiB of memory, and could not get them") from None


def _bound(backup_id: str, install_id: str, what: str, by_key: bytes) -> bytes:
    """Return all else that the envelope says: with the passphrase, no bit of it can be another."""
    return context(backup_id, f"{what} key of {install_id}") + b"\0" + by_key


def _purpose(backup_id: str, what: str) -> str:
    return f"{what}/{backup_id}"
