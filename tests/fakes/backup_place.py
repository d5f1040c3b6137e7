"""A deployment with a few ledgers that a test backs up, and a directory for its backups."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from governlayer_server.adapters.backup.store_directory import DirectoryStore
from governlayer_server.adapters.crypto import file_keys
from governlayer_server.adapters.crypto.key_ring import KeyRing
from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.restore_target import PostgresRestoreTarget
from governlayer_server.adapters.system import SystemClock, SystemEntropy
from governlayer_server.domain.backup import Manifest, RecoverySecrets
from governlayer_server.domain.organization import Organization
from governlayer_server.ports.backups import BackupStore, Snapshot, Writer
from governlayer_server.settings import Settings, settings_from
from governlayer_server.settings.recovered import recovered_environment, write_secrets
from governlayer_server.usecases.back_up import About, BackUp
from governlayer_server.usecases.open_backup import open_backup
from governlayer_server.usecases.prune_backups import prune_backups
from governlayer_server.usecases.restore import Restore
from governlayer_server.usecases.subject_key_file import open_subject_keys
from governlayer_server.usecases.tombstone_files import TombstoneFiles, require_all
from governlayer_server.usecases.verify_backup import Verified, VerifyBackup
from governlayer_server.wiring import backups, open_appliance
from governlayer_server.wiring.restores import (
    Restored,
    complete_restore,
    newer_backups,
    notes_from,
)
from msgspec.structs import replace

from tests.fakes.ledger_place import Place
from tests.fakes.servers import Servers, address

PASSPHRASE = "correct horse battery staple"


def make_cheap(patch: pytest.MonkeyPatch) -> None:
    """Make the passphrase's key cheap: what is tested is not its cost."""
    patch.setattr(file_keys, "MEMORY_KIB", 64)


class CutOff(Exception):
    """The process ended here."""


class FailingStore(DirectoryStore):
    """Ends the process, as it were, while the file after *files* others is written."""

    def __init__(self, path: Path, files: int) -> None:
        super().__init__(path)
        self.left = files
        self.begun: list[str] = []

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator[Writer]:
        self.begun.append(name)
        async with super().writer(name) as to:
            yield to
            if self.left == 0:
                raise CutOff
            self.left -= 1


class BackedUpPlace:
    """A deployment with two organizations."""

    def __init__(self, place: Place, servers: Servers, directory: Path) -> None:
        self.place = place
        self.servers = servers
        self.directory = directory
        self.store = DirectoryStore(directory)
        self.organizations: list[Organization] = []

    @property
    def settings(self) -> Settings:
        return self.place.settings

    async def fill(self) -> None:
        self.organizations = await self.place.found("Acme", "Umbrella")
        assert [one.status_code for one in await self.place.decide(self.organizations[0])] == [200]
        for organization in self.organizations:
            await self.place.grow(organization, 20)

    async def back_up(
        self,
        store: BackupStore | None = None,
        owner: PostgresAddress | None = None,
        passphrase: str = PASSPHRASE,
        **arguments: Any,
    ) -> Manifest:
        async with open_appliance(self.settings, found=False) as appliance:
            return await backups.back_up(
                appliance, self.settings, owner or address(self.servers.owner), store or self.store, passphrase,
                **arguments,
            )  # fmt: skip

    async def verify(self, backup_id: str | None = None, passphrase: str = PASSPHRASE) -> Verified:
        use = VerifyBackup(place=backups.place_of(self.store, passphrase), verify=verify_ed25519)
        return await use(backup_id)

    async def prune(self, keep: int) -> Sequence[str]:
        async with open_appliance(self.settings, found=False) as appliance:
            place = backups.place_of(self.store, PASSPHRASE, appliance.parts.keys.ring)
            return await prune_backups(place, keep=keep, since_us=None)

    async def restore(self, to: Servers, backup_id: str | None = None, *paths: Path, **parts: Any) -> Restored:
        """Restore into the database *to*, as on another machine: with the passphrase alone."""
        place = backups.place_of(parts.get("store", self.store), PASSPHRASE, later_passphrase=parts.get("later"))
        opened, lists = await open_backup(place, backup_id), parts.get("lists", ())
        newer = await newer_backups(place, opened.manifest.id)
        keys = await open_subject_keys(place, (newer.newest or opened.manifest).id)
        lists = [*lists, TombstoneFiles(store=place.store, name="the destination")]
        known = {**opened.manifest.tombstones, **newer.tombstones}
        await require_all(lists, known)
        target = parts.get("target") or PostgresRestoreTarget(address(to.owner))
        manifest = await Restore(target=target)(opened, keys)
        settings = self.settings_of(to, manifest)
        notes = notes_from(paths, newer.checkpoints)
        restored = await complete_restore(settings, manifest, notes, lambda *_: None, lists, known)
        await target.finish()
        return restored

    async def restore_again(self, to: Servers, manifest: Manifest) -> Restored:
        """Do the last steps of a restore a second time."""
        return await complete_restore(self.settings_of(to, manifest), manifest, lambda _: (), lambda *_: None)

    async def load(self, target: PostgresRestoreTarget, backup_id: str) -> Manifest:
        """Do the first steps of a restore."""
        place = backups.place_of(self.store, PASSPHRASE)
        return await Restore(target=target)(await open_backup(place, backup_id), await open_subject_keys(place))

    async def back_up_of(self, snapshot: Snapshot) -> Manifest:
        """Back up another database, as if it were one of this installation's older days."""
        clock, entropy = SystemClock(), SystemEntropy()
        use = BackUp(
            place=backups.place_of(self.store, PASSPHRASE, KeyRing("install", [bytes(range(32))])),
            clock=clock,
            entropy=entropy,
            tombstones=lambda: backups.tombstone_files(None),
        )
        secrets = RecoverySecrets(keys=(), files={}, policies="")
        return await use(snapshot, About(version="0", deployment="d", install_id="install", secrets=secrets))

    def settings_of(self, to: Servers, manifest: Manifest) -> Settings:
        """The settings of another machine that has the recovered secrets and nothing else of the first one."""
        secrets = self.directory.parent / f"secrets-{to.owner.database}"
        write_secrets(secrets, manifest, ())
        settings = settings_from(
            recovered_environment(
                {
                    "GOVERNLAYER_DATABASE_HOST": to.app.host,
                    "GOVERNLAYER_DATABASE_NAME": to.app.database,
                    "GOVERNLAYER_DATABASE_USER": to.app.user,
                    "GOVERNLAYER_DATABASE_PASSWORD": to.app.password,
                    "GOVERNLAYER_REDIS_SOCKET": str(to.redis.socket),
                    "GOVERNLAYER_REDIS_USER": to.redis.user,
                    "GOVERNLAYER_REDIS_PASSWORD": to.redis.password,
                    "GOVERNLAYER_TOMBSTONE_DIR": str(secrets / "tombstones"),
                },
                secrets,
                manifest.deployment,
            )
        )
        admin = replace(address(to.admin), database=to.app.database)
        return replace(settings, maintenance=admin)
