"""The ledgers' signing keys: Ed25519 (RFC 8032) and ML-DSA-44 (FIPS 204), each from a 32-byte seed."""

from collections.abc import Collection, Sequence
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from governlayer_server.domain.errors import LedgerUnavailable
from governlayer_server.domain.ledger.cosigned import cosigned_tree, timestamped
from governlayer_server.domain.ledger.note import ED25519, ML_DSA_44, SignatureLine, VerifierKey
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock

SEED_BYTES = 32
MAX_AGE_S = 60
_REMEMBERED = 64


class _Key:
    kind: int

    def __init__(self, name: str, public_key: bytes) -> None:
        self.name = name
        self.public_key = public_key
        key = VerifierKey(name=name, kind=self.kind, public_key=public_key)
        self.vkey = str(key)
        self._id = key.id

    def __repr__(self) -> str:
        """No key material."""
        return f"{type(self).__name__}({self.name!r})"

    def _line(self, signature: bytes) -> str:
        return str(SignatureLine(name=self.name, key_id=self._id, signature=signature))


class Ed25519Signer(_Key):
    """``ports.Signer``: one Ed25519 key, its name, its public key (32 bytes) and its verifier key."""

    kind = ED25519

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        super().__init__(name, self._key.public_key().public_bytes_raw())
        # All receipts of a batch ask for the signature of one checkpoint.
        self._sign = lru_cache(maxsize=_REMEMBERED)(self._key.sign)

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 raw bytes; the same message gives the same bytes."""
        return self._sign(message)

    def line(self, text: str) -> str:
        """Return the signature line of the checkpoint *text*."""
        return self._line(self.sign(text.encode()))


class MlDsa44Signer(_Key):
    """One ML-DSA-44 key: its name, its public key (1,312 bytes) and its verifier key."""

    kind = ML_DSA_44

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = MLDSA44PrivateKey.from_seed_bytes(seed)
        super().__init__(name, self._key.public_key().public_bytes_raw())

    def line(self, origin: str, size: int, root: bytes, time_s: int) -> str:
        """Return the signature line of a checkpoint as of *time_s*, seconds since the Unix epoch."""
        signature = self._key.sign(cosigned_tree(self.name, origin, size, root, time_s))
        return self._line(timestamped(time_s, signature))


SigningKey = Ed25519Signer | MlDsa44Signer


class KeysInService:
    """
    ``ports.Signers`` with the keys in memory.

    They are good for a minute after ``renew``: a replica that lost sight of the others does not go on signing with a
    key that has been retired meanwhile.
    """

    def __init__(self, keys: Sequence[SigningKey], clock: Clock) -> None:
        self._clock = clock
        self.renew(keys)

    def __repr__(self) -> str:
        """No key material."""
        return f"KeysInService({self._keys!r})"

    def renew(self, keys: Sequence[SigningKey], retired: Sequence[SigningKey] = ()) -> None:
        """Sign with *keys* from now on, and where asked with those *retired*; of a kind the oldest comes first."""
        self._retired = tuple(key for key in retired if isinstance(key, Ed25519Signer))
        self._keys = tuple(sorted(keys, key=lambda one: one.kind))
        self._renewed_us = self._clock.monotonic_us()

    @property
    def vkeys(self) -> Sequence[str]:
        """The verifier keys, Ed25519 first."""
        return [key.vkey for key in self._keys]

    @property
    def retired(self) -> Sequence[str]:
        """The verifier keys of the Ed25519 keys that are out of service."""
        return [key.vkey for key in self._retired]

    def sign(self, text: str, also: Collection[str] = ()) -> Sequence[str]:
        """Return the signature lines of *text* by the Ed25519 keys, and before them by the retired ones in *also*."""
        asked = [key for key in self._retired if key.vkey in also]
        return [key.line(text) for key in (*asked, *self._known()) if isinstance(key, Ed25519Signer)]

    def cosign(self, origin: str, size: int, root: bytes, time_s: int) -> Sequence[str]:
        """Return the signature lines of a checkpoint by the ML-DSA-44 keys."""
        return [key.line(origin, size, root, time_s) for key in self._known() if isinstance(key, MlDsa44Signer)]

    def _known(self) -> Sequence[SigningKey]:
        if self._clock.monotonic_us() - self._renewed_us > MAX_AGE_S * SECOND_US:
            raise LedgerUnavailable("which keys are in service has not been read for a minute; nothing was signed")
        return self._keys
