"""Found the deployment at its first start, and find it again at later ones: its name, its keys, its system ledger."""

from collections.abc import Mapping, Sequence

from governlayer_server.adapters.crypto.sealed_keys import SealedKeys
from governlayer_server.adapters.crypto.signer import SEED_BYTES, Ed25519Signer
from governlayer_server.adapters.crypto.vault import EnvelopeVault
from governlayer_server.adapters.postgres.deployment_store import DeploymentRow, PostgresDeploymentStore
from governlayer_server.domain.errors import CipherError, ConfigurationError
from governlayer_server.domain.ledger.checkpoint import verifier_key
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports import Clock, Entropy, Signers
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.ports.ledger_keys import Algorithm, KeyState, LedgerKey, LedgerKeyStore
from governlayer_server.settings import Settings
from governlayer_server.usecases.create_organization import origin_of
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.record_event import record_event
from governlayer_server.usecases.record_key_event import KeyEvent, record_key_event


async def deployment_keys(
    settings: Settings,
    deployments: PostgresDeploymentStore,
    ledger_keys: LedgerKeyStore,
    clock: Clock,
    entropy: Entropy,
    *,
    found: bool,
) -> tuple[EnvelopeVault, SealedKeys]:
    """
    Read the deployment's keys, or found the deployment where *found* allows it; its signing keys are in service.

    Raises:
        ConfigurationError: the name, the key-encryption key or the pepper belong to another installation, or *found*
            is False and something would have to be made.
    """
    row = await deployments.read()
    if not found and (row is None or not _is_complete(await ledger_keys.all())):
        raise ConfigurationError("the deployment has not been founded: start it with `governlayer up` or `serve` first")
    if row is None:
        row = await deployments.found(_new_deployment(settings, clock, entropy))
    if row.name != settings.deployment:
        raise ConfigurationError(
            f"this database belongs to the deployment {row.name}; a deployment never changes its name"
        )
    vault = _vault(settings, row.install_id, deployments, entropy)
    sealed = SealedKeys(row.name, vault, clock, entropy)
    try:
        sealed.renew(await _signing_keys(row, sealed, ledger_keys, clock))
    except CipherError:
        raise ConfigurationError("the key-encryption key or the pepper is not the one of this installation") from None
    return vault, sealed


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
    ledger: LedgerStore, clock: Clock, entropy: Entropy, record_type: str, body: Mapping[str, object]
) -> None:
    """Append a record of the deployment itself to the system ledger."""
    await record_event(ledger, clock, entropy, SYSTEM_LEDGER, SYSTEM, record_type, body)


def _new_deployment(settings: Settings, clock: Clock, entropy: Entropy) -> DeploymentRow:
    now_us = clock.now_us()
    install_id = str(new_id(clock, entropy))
    seed = entropy.bytes(SEED_BYTES)
    sealed = SealedKeys(settings.deployment, _vault(settings, install_id, None, entropy), clock, entropy)
    return DeploymentRow(
        install_id=install_id,
        name=settings.deployment,
        wrapped_seed=sealed.wrap(seed),
        public_key=Ed25519Signer(settings.deployment, seed).public_key,
        created_us=now_us,
    )


def _vault(
    settings: Settings, install_id: str, deployments: PostgresDeploymentStore | None, entropy: Entropy
) -> EnvelopeVault:
    async def no_data_keys(*_: object) -> bytes:
        raise ConfigurationError("the deployment has not been founded")

    return EnvelopeVault(
        install_id=install_id,
        key_encryption_key=settings.key_encryption_key,
        pepper=settings.pepper,
        keys=no_data_keys if deployments is None else deployments.data_key,
        entropy=entropy,
    )
