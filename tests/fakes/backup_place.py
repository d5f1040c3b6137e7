"""A deployment with a few ledgers that a test backs up, and a directory for its backups."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from governlayer_server.adapters.backup.store_directory import DirectoryStore
from governlayer_server.adapters.crypto import file_keys
from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.domain.backup import Manifest
from governlayer_server.domain.organization import Organization
from governlayer_server.ports.backups import BackupStore, Writer
from governlayer_server.settings import Settings
from governlayer_server.usecases.verify_backup import Verified, VerifyBackup
from governlayer_server.wiring import backups, open_appliance

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
        self.tombstones = directory.parent / "tombstones"
        self.organizations: list[Organization] = []

    @property
    def settings(self) -> Settings:
        return self.place.settings

    async def fill(self) -> None:
        self.organizations = await self.place.found("Acme", "Umbrella")
        assert [one.status_code for one in await self.place.decide(self.organizations[0])] == [200]
        for organization in self.organizations:
            await self.place.grow(organization, 20)

    async def back_up(self, store: BackupStore | None = None, **arguments: Any) -> Manifest:
        async with open_appliance(self.settings, found=False) as appliance:
            return await backups.back_up(
                appliance, self.settings, address(self.servers.owner), store or self.store, PASSPHRASE,
                self.tombstones, **arguments,
            )  # fmt: skip

    async def verify(self, backup_id: str | None = None, passphrase: str = PASSPHRASE) -> Verified:
        use = VerifyBackup(place=backups.place_of(self.store, passphrase), verify=verify_ed25519)
        return await use(backup_id)

    async def owner(self) -> "asyncpg.Connection[Any]":
        return await asyncpg.connect(**self.servers.owner.options())
