"""Backups of an opened appliance: where they go, what opens them, what they are made of."""

import asyncio
from collections.abc import AsyncIterator, Container, Sequence
from contextlib import suppress
from pathlib import Path

from governlayer_server.adapters.backup.sealed_files import SealedFiles
from governlayer_server.adapters.backup.store_directory import DirectoryStore
from governlayer_server.adapters.crypto.file_keys import FileKeys
from governlayer_server.adapters.crypto.key_ring import KeyRing
from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.snapshot import open_snapshot
from governlayer_server.adapters.system import SystemEntropy
from governlayer_server.domain.backup import Manifest, RecoverySecrets, is_tombstone
from governlayer_server.domain.errors import LedgerDamaged
from governlayer_server.ports.backups import BackupStore
from governlayer_server.ports.key_providers import KeyProvider
from governlayer_server.settings import Settings, encode_secret
from governlayer_server.settings.backups import Destination
from governlayer_server.usecases.back_up import PART_BYTES, About, BackUp, Progress
from governlayer_server.usecases.every_ledger import for_each_open
from governlayer_server.usecases.open_backup import Place
from governlayer_server.wiring.appliance import VERSION, Appliance


def store_of(destination: Destination) -> BackupStore:
    """Return the store of a destination; nothing is written or asked yet."""
    if isinstance(destination, Path):
        return DirectoryStore(destination)
    from governlayer_server.adapters.backup.store_s3 import S3Store  # noqa: PLC0415  # loading boto3 takes long

    return S3Store(destination)


def place_of(
    store: BackupStore,
    passphrase: str | None,
    ring: KeyRing | None = None,
    later_passphrase: str | None = None,
) -> Place:
    """
    Return a destination with what opens its files.

    Args:
        store: that keeps them.
        passphrase: opens them everywhere.
        ring: opens them at home, and is needed to make new ones.
        later_passphrase: opens the data subjects' keys, where the passphrase was another when they were written.

    Raises:
        ConfigurationError: a passphrase is too short, or nothing is there that opens anything.
    """
    entropy = SystemEntropy()
    later = None if later_passphrase is None else FileKeys(later_passphrase, None, entropy)
    keys = FileKeys(passphrase, ring, entropy)
    home = None if ring is None else FileKeys(None, ring, entropy)
    return Place(store=store, keys=keys, files_of=SealedFiles, subject_keys=later, home=home)


async def back_up(
    appliance: Appliance,
    settings: Settings,
    owner: PostgresAddress,
    store: BackupStore,
    passphrase: str,
    progress: Progress = lambda *_: None,
    part_bytes: int = PART_BYTES,
) -> Manifest:
    """
    Publish the checkpoints of all ledgers that have grown, and back up the deployment.

    Args:
        appliance: that was opened; its ledgers were checked.
        settings: of it.
        owner: of the tables.
        store: of the destination.
        passphrase: that will open the backup anywhere.
        progress: told now and then.
        part_bytes: of a table in a part, on the average.

    Raises:
        Conflict: another backup is running.
        Unavailable: the database or the store went away; the next backup goes on with this one.
    """
    with suppress(LedgerDamaged):  # that a ledger is damaged keeps nobody from saving what there is
        await for_each_open(await appliance.ledger_ids(), appliance.publish_checkpoints.one)
    keys = appliance.parts.keys
    about = About(
        version=VERSION,
        deployment=appliance.deployment,
        install_id=keys.install_id,
        secrets=await recovery_secrets(settings, keys.provider),
    )
    use = BackUp(
        place=place_of(store, passphrase, keys.ring),
        clock=appliance.parts.clock,
        entropy=appliance.parts.entropy,
        tombstones=lambda: tombstone_files(settings.ledgers.tombstones),
        part_bytes=part_bytes,
    )
    async with open_snapshot(owner) as snapshot:
        return await use(snapshot, about, progress)


async def recovery_secrets(settings: Settings, provider: KeyProvider) -> RecoverySecrets:
    """Return what another machine needs, named as in the ``secrets/`` of a data directory."""
    current, *previous = map(encode_secret, settings.identity.jwt_secrets)
    keys = tuple(map(encode_secret, await provider.keys()))
    files = {
        "deployment": settings.deployment,
        "pepper": encode_secret(settings.pepper),
        "jwt-secret": current,
    }
    if previous:
        files["jwt-secret.previous"] = previous[0]
    return RecoverySecrets(keys=keys, files=files, policies=settings.policies.read_text("utf-8"))


async def tombstone_files(directory: Path | None, but: Container[str] = ()) -> AsyncIterator[tuple[str, bytes]]:
    """Yield name and content of the files in *directory* whose names are not in *but*, sorted by name."""
    for file in () if directory is None else await asyncio.to_thread(_tombstones, directory):
        if file.name in but:
            continue
        yield file.name, await asyncio.to_thread(file.read_bytes)


def _tombstones(directory: Path) -> Sequence[Path]:
    return sorted(file for file in directory.iterdir() if is_tombstone(file.name)) if directory.is_dir() else []
