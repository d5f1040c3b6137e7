"""Found the deployment at its first start, and find it again at later ones: its name, its keys, its system ledger."""

from collections.abc import Mapping

from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.adapters.crypto.vault import EnvelopeVault
from governlayer_server.adapters.crypto.xaes import KEY_BYTES
from governlayer_server.adapters.postgres.deployment_store import DeploymentRow, PostgresDeploymentStore
from governlayer_server.domain.errors import CipherError, ConfigurationError
from governlayer_server.domain.ledger.checkpoint import verifier_key
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports import Clock, Entropy
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.settings import Settings
from governlayer_server.usecases.create_organization import origin_of
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.record_event import record_event


async def deployment_keys(
    settings: Settings, deployments: PostgresDeploymentStore, clock: Clock, entropy: Entropy
) -> tuple[EnvelopeVault, Ed25519Signer]:
    """
    Read the deployment's keys, or found the deployment.

    Raises:
        ConfigurationError: the name, the key-encryption key or the pepper belong to another installation.
    """
    row = await deployments.read()
    if row is None:
        row = await deployments.found(_new_deployment(settings, clock, entropy))
    if row.name != settings.deployment:
        raise ConfigurationError(
            f"this database belongs to the deployment {row.name}; a deployment never changes its name"
        )
    vault = _vault(settings, row.install_id, deployments, entropy)
    try:
        signer = Ed25519Signer(row.name, vault.unwrap(_signing_key(vault), row.wrapped_seed))
    except CipherError:
        raise ConfigurationError("the key-encryption key or the pepper is not the one of this installation") from None
    return vault, signer


async def begin_system_ledger(ledger: LedgerStore, signer: Ed25519Signer, clock: Clock, entropy: Entropy) -> None:
    """Make the deployment's own ledger, whose first record introduces the signing key; a second call does nothing."""
    await ledger.create(SYSTEM_LEDGER, None, origin_of(signer.name, SYSTEM_LEDGER))
    if not (await ledger.head(SYSTEM_LEDGER)).size:
        key = verifier_key(signer.name, signer.public_key)
        await record_of_system(ledger, clock, entropy, "ledger.key", {"event": "introduced", "vkey": key})


async def record_of_system(
    ledger: LedgerStore, clock: Clock, entropy: Entropy, record_type: str, body: Mapping[str, object]
) -> None:
    """Append a record of the deployment itself to the system ledger."""
    await record_event(ledger, clock, entropy, SYSTEM_LEDGER, SYSTEM, record_type, body)


def _signing_key(vault: EnvelopeVault) -> str:
    """What the signing key is wrapped for: this pepper too, because with another one no credential would be known."""
    return f"ledger-signing-key/{vault.fingerprint('pepper', b'').hex()}"


def _new_deployment(settings: Settings, clock: Clock, entropy: Entropy) -> DeploymentRow:
    now_us = clock.now_us()
    install_id = str(new_id(clock, entropy))
    seed = entropy.bytes(KEY_BYTES)
    vault = _vault(settings, install_id, None, entropy)
    return DeploymentRow(
        install_id=install_id,
        name=settings.deployment,
        wrapped_seed=vault.wrap(_signing_key(vault), seed),
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
