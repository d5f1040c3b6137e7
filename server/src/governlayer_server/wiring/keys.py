"""The keys of a deployment: key-encryption keys are known again or refused, before anything is opened with them."""

import hmac
from collections.abc import Sequence

from msgspec import Struct

from governlayer_server.adapters.crypto.key_ring import KeyRing, check_value, key_id
from governlayer_server.adapters.crypto.sealed_keys import SealedKeys
from governlayer_server.adapters.crypto.vault import EnvelopeVault
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.ports.key_encryption import KekState, KekStore, KnownKek
from governlayer_server.ports.key_providers import KeyProvider


class DeploymentKeys(Struct, frozen=True, kw_only=True):
    """What encrypts and signs for a deployment."""

    install_id: str
    provider: KeyProvider
    keks: KekStore
    ring: KeyRing
    vault: EnvelopeVault
    signing: SealedKeys

    async def reload(self) -> None:
        """
        Read all keys anew, because some have changed.

        Raises:
            ConfigurationError: a key-encryption key is not at hand, or another. Nothing was changed.
            LedgerUnavailable: the database is away. Nothing was changed.
        """
        renew_ring(self.ring, await self.provider.keys(), await self.keks.all(), self.install_id)
        self.vault.forget_keys()


def known_kek(key: bytes, install_id: str, state: KekState) -> KnownKek:
    """Return what is stored of a key-encryption key."""
    return KnownKek(key_id=key_id(key), check_value=check_value(key, install_id), state=state)


def renew_ring(ring: KeyRing, given: Sequence[bytes], known: Sequence[KnownKek], install_id: str) -> None:
    """
    Use the keys that are in service, once each is proven to be the one that is known by its id.

    Args:
        ring: of this process.
        given: what the provider has.
        known: what the database says; nothing before the deployment is founded.
        install_id: of this installation.

    Raises:
        ConfigurationError: a key that is needed is missing, or is another.
    """
    if not known:
        return
    at_hand = {key_id(key): key for key in given}
    for one in known:
        if one.state in {KekState.ACTIVE, KekState.PREVIOUS} and one.key_id not in at_hand:
            listed = ", ".join(sorted(at_hand)) or "none"
            raise ConfigurationError(
                f"the key-encryption key {one.key_id} ({one.state.value}) of this installation is missing; "
                f"given: {listed}. Nothing opens without it: restore it, or the whole from a backup"
            )
        if one.key_id in at_hand and not hmac.compare_digest(
            check_value(at_hand[one.key_id], install_id), one.check_value
        ):
            raise ConfigurationError(f"the key-encryption key {one.key_id} is not the one of this installation")
    active = next((one.key_id for one in known if one.state is KekState.ACTIVE), None)
    if active is None:
        raise ConfigurationError("the database names no key-encryption key that is in service")
    ring.renew(at_hand.values(), active, known[0].key_id)
