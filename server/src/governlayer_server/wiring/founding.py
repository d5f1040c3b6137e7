"""Found the deployment at its first start, and find it again at later ones: its name, its keys, its system ledger."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

from governlayer_server.adapters.crypto.access_tokens import AccessTokens
from governlayer_server.adapters.crypto.data_keys import DataKeys
from governlayer_server.adapters.crypto.key_ring import KeyRing
from governlayer_server.adapters.crypto.peppers import Peppers
from governlayer_server.adapters.crypto.sealed_keys import SealedKeys, first_signing_purpose
from governlayer_server.adapters.crypto.signer import SEED_BYTES, Ed25519Signer
from governlayer_server.adapters.crypto.vault import EnvelopeVault
from governlayer_server.adapters.postgres.deployment_store import DeploymentRow
from governlayer_server.domain.errors import CipherError, ConfigurationError
from governlayer_server.domain.ledger.checkpoint import verifier_key
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.record_type import RecordType
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports import Clock, Entropy, Signers
from governlayer_server.ports.key_encryption import KekState
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.ports.ledger_keys import Algorithm, KeyState, LedgerKey, LedgerKeyStore
from governlayer_server.ports.secrets import SecretPurpose, SecretState
from governlayer_server.settings import Settings
from governlayer_server.usecases.create_organization import origin_of
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.record_event import record_event
from governlayer_server.usecases.record_key_event import KeyEvent, record_key_event
from governlayer_server.wiring.keys import DeploymentKeys, Stores, known_kek, renew_ring, renew_secrets


async def deployment_keys(
    settings: Settings, stores: Stores, clock: Clock, entropy: Entropy, *, found: bool
) -> DeploymentKeys:
    """
    Read the deployment's keys, or found the deployment where *found* allows it; its signing keys are in service.

    Raises:
        ConfigurationError: the name, the key-encryption key or the pepper belong to another installation, or *found*
            is False and something would have to be made.
    """
    given, row = await settings.keys.keys(), await stores.deployments.read()
    if not found and (row is None or not _is_complete(await stores.ledger_keys.all())):
        raise ConfigurationError("the deployment has not been founded: start it with `governlayer up` or `serve` first")
    if row is None:
        row = await stores.deployments.found(_new_deployment(settings, given, stores, clock, entropy))
    if row.name != settings.deployment:
        raise ConfigurationError(
            f"this database belongs to the deployment {row.name}; a deployment never changes its name"
        )
    keys = _keys(settings, given, row.install_id, stores, clock, entropy)
    known = await stores.keks.all()
    renew_ring(keys.ring, given, known, row.install_id)
    try:
        keys.signing.renew(await _signing_keys(row, keys.signing, stores.ledger_keys, clock))
        renew_secrets(keys, await stores.secrets.all())
    except CipherError:
        raise ConfigurationError("the key-encryption key or the pepper is not the one of this installation") from None
    if found and not known:
        # Only now, that it is proven to be the one that everything is wrapped under.
        await stores.keks.add(known_kek(given[0], row.install_id, KekState.ACTIVE), clock.now_us())
        renew_ring(keys.ring, given, await stores.keks.all(), row.install_id)
    if found:
        await _keep_secrets(settings, row, keys, clock)
    return keys


async def _keep_secrets(settings: Settings, row: DeploymentRow, keys: DeploymentKeys, clock: Clock) -> None:
    """
    Store pepper and JWT secrets where all replicas find them, unless they are there: the settings only sow them.

    Seeds that were wrapped for the pepper too come first: with the pepper in the database they need it no more.
    """
    stored = {one.purpose for one in await keys.stores.secrets.all()}
    if stored == set(SecretPurpose):
        return
    await keys.stores.deployments.rewrap(row.wrapped_seed, keys.signing.renamed(row.wrapped_seed))
    for one in await keys.stores.ledger_keys.all():
        with suppress(CipherError):  # retired, and of no use to anybody
            await keys.stores.ledger_keys.rewrap(one.key_id, one.wrapped_seed, keys.signing.renamed(one.wrapped_seed))
    current, *previous = settings.identity.jwt_secrets
    sown = [(SecretPurpose.PEPPER, SecretState.ACTIVE, settings.pepper)]
    sown += [(SecretPurpose.JWT, SecretState.PREVIOUS, one) for one in previous[:1]]
    sown += [(SecretPurpose.JWT, SecretState.ACTIVE, current)]
    numbers = Counter[SecretPurpose]()
    for purpose, state, secret in sown:
        numbers[purpose] += 1
        if purpose not in stored:
            await keys.stores.secrets.add(keys.wrapped_secret(purpose, numbers[purpose], secret, state, clock.now_us()))
    renew_secrets(keys, await keys.stores.secrets.all())


async def _signing_keys(
    row: DeploymentRow, sealed: SealedKeys, ledger_keys: LedgerKeyStore, clock: Clock
) -> Sequence[LedgerKey]:
    """Return all signing keys: the one that the deployment was founded with, those that followed, one of ML-DSA-44."""
    stored = await ledger_keys.all()
    if _is_complete(stored):
        return stored
    founded = verifier_key(row.name, row.public_key)
    first = sealed.stored(founded, Algorithm.ED25519, row.wrapped_seed, KeyState.ACTIVE, row.created_us)
    # Proven to open before anything is stored beside it.
    sealed.renew([first])
    await ledger_keys.add_first(first)
    await ledger_keys.add_first(sealed.new(Algorithm.ML_DSA_44, KeyState.ACTIVE, clock.now_us()))
    return await ledger_keys.all()


def _is_complete(keys: Sequence[LedgerKey]) -> bool:
    return {key.algorithm for key in keys} == set(Algorithm)


async def begin_system_ledger(ledger: LedgerStore, signer: Signers, deployment: str, clock: Clock) -> None:
    """Make the deployment's own ledger, which begins with the signing keys; a second call does nothing."""
    await ledger.create(SYSTEM_LEDGER, None, origin_of(deployment, SYSTEM_LEDGER))
    oldest, *others = signer.vkeys
    # In a ledger that was begun by an earlier version, its record has another id.
    unknown = others if (await ledger.head(SYSTEM_LEDGER)).size else [oldest, *others]
    for vkey in unknown:
        await record_key_event(ledger, clock, SYSTEM_LEDGER, vkey, KeyEvent.INTRODUCED)


async def record_of_system(
    ledger: LedgerStore, clock: Clock, entropy: Entropy, record_type: RecordType, body: Mapping[str, object]
) -> None:
    """Append a record of the deployment itself to the system ledger."""
    await record_event(ledger, clock, entropy, SYSTEM_LEDGER, SYSTEM, record_type, body)


def _new_deployment(
    settings: Settings, given: Sequence[bytes], stores: Stores, clock: Clock, entropy: Entropy
) -> DeploymentRow:
    now_us = clock.now_us()
    install_id = str(new_id(clock, entropy))
    seed = entropy.bytes(SEED_BYTES)
    sealed = _keys(settings, given, install_id, stores, clock, entropy).signing
    return DeploymentRow(
        install_id=install_id,
        name=settings.deployment,
        wrapped_seed=sealed.wrap(seed),
        public_key=Ed25519Signer(settings.deployment, seed).public_key,
        created_us=now_us,
    )


def _keys(
    settings: Settings, given: Sequence[bytes], install_id: str, stores: Stores, clock: Clock, entropy: Entropy
) -> DeploymentKeys:
    ring, peppers = KeyRing(install_id, given), Peppers(settings.pepper)
    vault = EnvelopeVault(
        install_id=install_id,
        ring=ring,
        peppers=peppers,
        keys=DataKeys(ring, stores.data_keys, clock, entropy),
    )
    return DeploymentKeys(
        install_id=install_id,
        provider=settings.keys,
        stores=stores,
        ring=ring,
        peppers=peppers,
        vault=vault,
        signing=SealedKeys(settings.deployment, vault, clock, entropy, first_signing_purpose(peppers)),
        tokens=_access_tokens(settings, clock, entropy),
    )


def _access_tokens(settings: Settings, clock: Clock, entropy: Entropy) -> AccessTokens:
    return AccessTokens(
        keys=settings.identity.jwt_secrets,
        issuer=settings.deployment,
        audience=f"{settings.deployment}/api",
        lifetime_s=settings.identity.access_token_s,
        clock=clock,
        entropy=entropy,
    )
