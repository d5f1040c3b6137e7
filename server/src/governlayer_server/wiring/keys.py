"""The keys of a deployment: key-encryption keys are known again or refused, before anything is opened with them."""

import hmac
from collections.abc import Sequence
from operator import itemgetter
from uuid import UUID

from msgspec import Struct

from governlayer_server.adapters.crypto.access_tokens import AccessTokens
from governlayer_server.adapters.crypto.data_keys import data_key_purpose, subject_key_purpose
from governlayer_server.adapters.crypto.key_ring import KeyRing, check_value, key_id
from governlayer_server.adapters.crypto.peppers import Peppers
from governlayer_server.adapters.crypto.sealed_keys import SIGNING_PURPOSE, SealedKeys
from governlayer_server.adapters.crypto.vault import EnvelopeVault
from governlayer_server.adapters.postgres.data_keys import PostgresDataKeys
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.deployment_store import PostgresDeploymentStore
from governlayer_server.adapters.postgres.key_encryption import PostgresKeks
from governlayer_server.adapters.postgres.ledger_keys import PostgresLedgerKeyStore
from governlayer_server.adapters.postgres.secrets import PostgresSecrets
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.tenants import SYSTEM_TENANT
from governlayer_server.ports.data_keys import DataKeyStore
from governlayer_server.ports.key_encryption import KekState, KekStore, KnownKek
from governlayer_server.ports.key_providers import KeyProvider
from governlayer_server.ports.secrets import SecretPurpose, SecretState, SecretStore, StoredSecret
from governlayer_server.ports.wrapped_keys import WrappedKey, WrappedKind


class Stores(Struct, frozen=True, kw_only=True):
    """Where the keys of a deployment are."""

    deployments: PostgresDeploymentStore
    ledger_keys: PostgresLedgerKeyStore
    data_keys: DataKeyStore
    keks: KekStore
    secrets: SecretStore


def stores_of(database: Database) -> Stores:
    """Return where the keys are in *database*."""
    return Stores(
        deployments=PostgresDeploymentStore(database),
        ledger_keys=PostgresLedgerKeyStore(database),
        data_keys=PostgresDataKeys(database),
        keks=PostgresKeks(database),
        secrets=PostgresSecrets(database),
    )


class DeploymentKeys(Struct, frozen=True, kw_only=True):
    """What encrypts and signs for a deployment."""

    install_id: str
    provider: KeyProvider
    stores: Stores
    ring: KeyRing
    peppers: Peppers
    vault: EnvelopeVault
    signing: SealedKeys
    tokens: AccessTokens

    async def reload(self) -> None:
        """
        Read all keys anew, because some have changed.

        Raises:
            ConfigurationError: a key-encryption key is not at hand, or another. Nothing was changed.
            LedgerUnavailable: the database is away. Nothing was changed.
        """
        given, known = await self.provider.keys(), await self.stores.keks.all()
        secrets = await self.stores.secrets.all()
        renew_ring(self.ring, given, known, self.install_id)
        renew_secrets(self, secrets)
        self.vault.forget_keys()

    def known(self, key: bytes, state: KekState) -> KnownKek:
        """Return what is stored of a key-encryption key."""
        return known_kek(key, self.install_id, state)

    def key_id(self, key: bytes) -> str:
        """Return the id of a key-encryption key."""
        return key_id(key)

    @property
    def header(self) -> bytes:
        """What everything begins with that is wrapped under the key-encryption key in service."""
        return self.ring.header

    def rewrapped(self, key: WrappedKey) -> bytes:
        """
        Return what *key* holds, wrapped under the key-encryption key in service.

        Raises:
            CipherError: it does not open.
        """
        purpose, is_seed = _purpose_of(key), key.kind in {WrappedKind.DEPLOYMENT, WrappedKind.LEDGER_KEY}
        wrapped = self.signing.renamed(key.wrapped) if is_seed else key.wrapped
        return self.ring.wrap(purpose, self.ring.unwrap(purpose, wrapped))

    def wrapped_secret(
        self, purpose: SecretPurpose, number: int, secret: bytes, state: SecretState, now_us: int
    ) -> StoredSecret:
        """Return a secret as it is stored."""
        wrapped = self.ring.wrap(_secret_purpose(purpose, number), secret)
        return StoredSecret(purpose=purpose, number=number, wrapped=wrapped, state=state, moved_us=now_us)


def renew_secrets(keys: DeploymentKeys, stored: Sequence[StoredSecret]) -> None:
    """
    Use the secrets that are stored; where there are none of a purpose yet, those of the settings stay in use.

    Raises:
        CipherError: one does not open. Nothing was changed.
    """
    opened = [(one, keys.ring.unwrap(_secret_purpose(one.purpose, one.number), one.wrapped)) for one in stored]
    peppers = {one.number: secret for one, secret in opened if one.purpose is SecretPurpose.PEPPER}
    active = [one.number for one in stored if (one.purpose, one.state) == (SecretPurpose.PEPPER, SecretState.ACTIVE)]
    # The one that signs first; all verify, also the next one, which another process may sign with already.
    jwt = [(one.state is not SecretState.ACTIVE, secret) for one, secret in opened if one.purpose is SecretPurpose.JWT]
    if active:
        keys.peppers.renew(peppers, active[0])
    if jwt:
        keys.tokens.renew([secret for _, secret in sorted(jwt, key=itemgetter(0))])


def _secret_purpose(purpose: SecretPurpose, number: int) -> str:
    return f"secret/{purpose}/{number}"


def _purpose_of(key: WrappedKey) -> str:
    """Return what *key* is wrapped for."""
    organization_id = None if key.owner in {"", SYSTEM_TENANT} else UUID(key.owner)
    if key.kind is WrappedKind.SECRET:
        return f"secret/{key.name}"
    if key.kind is WrappedKind.DATA_KEY:
        return data_key_purpose(organization_id, int(key.name))
    if key.kind is WrappedKind.SUBJECT_KEY:
        return subject_key_purpose(key.owner, UUID(key.name))
    return SIGNING_PURPOSE


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
