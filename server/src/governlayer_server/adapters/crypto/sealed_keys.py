"""Signing keys whose seeds are stored encrypted: ``ports.ledger_keys.KeyMaker``."""

from collections.abc import Sequence

from governlayer_server.adapters.crypto.peppers import Peppers
from governlayer_server.adapters.crypto.signer import (
    SEED_BYTES,
    Ed25519Signer,
    KeysInService,
    MlDsa44Signer,
    SigningKey,
)
from governlayer_server.adapters.crypto.vault import EnvelopeVault
from governlayer_server.domain.errors import CipherError
from governlayer_server.ports import Clock, Entropy
from governlayer_server.ports.ledger_keys import Algorithm, KeyState, LedgerKey

SIGNING_PURPOSE = "ledger-signing-key"
"""What seeds are wrapped for."""
_KINDS: dict[Algorithm, type[Ed25519Signer] | type[MlDsa44Signer]] = {
    Algorithm.ED25519: Ed25519Signer,
    Algorithm.ML_DSA_44: MlDsa44Signer,
}


class SealedKeys:
    """
    The keys of one deployment; ``signer`` signs with those in service.

    Args:
        name: the key name, which is the deployment's.
        vault: wraps the seeds.
        clock: ages what ``signer`` knows.
        entropy: makes the seeds.
        first_purpose: what earlier versions wrapped seeds for (``first_signing_purpose``).
    """

    def __init__(
        self, name: str, vault: EnvelopeVault, clock: Clock, entropy: Entropy, first_purpose: str = SIGNING_PURPOSE
    ) -> None:
        self._name = name
        self._vault = vault
        self._entropy = entropy
        self._opened: dict[str, SigningKey] = {}
        self.signer = KeysInService((), clock)
        self._first_purpose = first_purpose

    def new(self, algorithm: Algorithm, state: KeyState, now_us: int) -> LedgerKey:
        """Return a new key, its seed encrypted."""
        seed = self._entropy.bytes(SEED_BYTES)
        return self.stored(_KINDS[algorithm](self._name, seed).vkey, algorithm, self.wrap(seed), state, now_us)

    def wrap(self, seed: bytes) -> bytes:
        """Return *seed* encrypted."""
        return self._vault.wrap(SIGNING_PURPOSE, seed)

    def stored(self, vkey: str, algorithm: Algorithm, wrapped: bytes, state: KeyState, now_us: int) -> LedgerKey:
        """Return the row of a key."""
        return LedgerKey(
            key_id=vkey.split("+")[1],
            algorithm=algorithm,
            vkey=vkey,
            wrapped_seed=wrapped,
            state=state,
            introduced_us=now_us,
        )

    def renew(self, keys: Sequence[LedgerKey]) -> None:
        """
        Sign with those of *keys* that are in service; retired ones that do not open are left out.

        Raises:
            CipherError: a seed in service does not open, or is not that of its key. Nothing was changed.
        """
        serving = [self._open(key) for key in keys if key.in_service]
        self.signer.renew(serving, [self._open(key) for key in keys if not key.in_service and self._is_genuine(key)])

    def genuine(self, keys: Sequence[LedgerKey]) -> Sequence[str]:
        """Return the verifier keys of those of *keys*, retired ones too, that were made here."""
        return [key.vkey for key in keys if self._is_genuine(key)]

    def renamed(self, wrapped: bytes) -> bytes:
        """
        Return the seed wrapped as ``wrap`` does: *wrapped* itself, unless an earlier version wrapped it.

        Raises:
            CipherError: it does not open.
        """
        try:
            self._vault.unwrap(SIGNING_PURPOSE, wrapped)
        except CipherError:
            return self.wrap(self._vault.unwrap(self._first_purpose, wrapped))
        return wrapped

    def _unwrap(self, wrapped: bytes) -> bytes:
        return self._vault.unwrap(SIGNING_PURPOSE, self.renamed(wrapped))

    def _is_genuine(self, key: LedgerKey) -> bool:
        try:
            return self._open(key).vkey == key.vkey
        except CipherError:
            return False

    def _open(self, key: LedgerKey) -> SigningKey:
        if key.vkey not in self._opened:
            opened = _KINDS[key.algorithm](self._name, self._unwrap(key.wrapped_seed))
            if opened.vkey != key.vkey:
                raise CipherError(f"the stored seed is not that of the signing key {key.key_id}")
            self._opened[key.vkey] = opened
        return self._opened[key.vkey]


def first_signing_purpose(peppers: Peppers) -> str:
    """Return what earlier versions wrapped seeds for: the pepper too, because with another no credential is known."""
    return f"{SIGNING_PURPOSE}/{peppers.fingerprint('pepper', b'').hex()}"
