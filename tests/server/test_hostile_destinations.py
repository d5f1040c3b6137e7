"""Who controls the destination of backups, or loses the machine between two of them, brings back nobody's data."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from governlayer_server.adapters.backup.store_directory import DirectoryStore
from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.cli.backup_place import needed_passphrase
from governlayer_server.domain.access import Scope
from governlayer_server.domain.errors import BackupError, ConfigurationError
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.ports.backups import Writer
from governlayer_server.settings.backups import BackupSettings
from governlayer_server.usecases.open_backup import find_backups
from governlayer_server.usecases.tombstone_files import TombstoneFiles
from governlayer_server.usecases.verify_backup import VerifyBackup
from governlayer_server.wiring import open_appliance
from governlayer_server.wiring.backups import place_of
from governlayer_server.wiring.scheduled_backups import ScheduledBackups
from msgspec.structs import replace

from tests.fakes.backup_place import PASSPHRASE, BackedUpPlace
from tests.fakes.ledger_place import QUESTION, ask
from tests.fakes.servers import Servers
from tests.server.test_restore import BASIS, elsewhere, rows_of, world

__all__ = ["elsewhere", "world"]
LATER = "another passphrase of length"


async def decide(world: BackedUpPlace, *names: str) -> None:
    acme = world.organizations[0]
    async with open_appliance(world.settings) as appliance:
        terms = KeyTerms(name="key", scopes=[Scope.GOVERN])
        key = (await appliance.manage_keys.create(SYSTEM, acme.id, terms)).key
        for name in names:
            answer = await ask(appliance, world.settings, key, {**QUESTION, "data_subjects": [name]})
            assert answer.status_code == 200


async def erase(world: BackedUpPlace, name: str) -> None:
    async with open_appliance(world.settings) as appliance:
        await appliance.erasures.erase.subject(SYSTEM, world.organizations[0].id, name, BASIS)


class ActingStore(DirectoryStore):
    """Does something just before the file of keys is written."""

    act: Callable[[], Awaitable[None]]

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator[Writer]:
        if name.startswith("keys/"):
            await self.act()
        async with super().writer(name) as to:
            yield to


async def test_what_is_erased_during_a_backup_is_not_in_its_keys(world: BackedUpPlace) -> None:
    await decide(world, "ann")
    store = ActingStore(world.directory)
    store.act = lambda: erase(world, "ann")
    manifest = await world.back_up(store)
    verified = await world.verify()
    assert (verified.subject_keys, verified.tombstones, len(manifest.tombstones)) == (0, 1, 1)


async def test_what_is_erased_after_the_last_backup_does_not_come_back(
    world: BackedUpPlace, elsewhere: Servers, tmp_path: Path
) -> None:
    """The server copies the list to the destination; of a machine that could not, its own directory is named."""
    await decide(world, "ann", "bob")
    await world.back_up()
    await erase(world, "ann")
    settings = replace(world.settings, backups=BackupSettings(to=world.directory))
    async with open_appliance(settings, found=False) as appliance:
        scheduled = ScheduledBackups(appliance, settings)
        await scheduled.copy_tombstones()
        await scheduled.copy_tombstones()
    assert len(list((world.directory / "tombstones").iterdir())) == 1
    await erase(world, "bob")
    own = TombstoneFiles(store=DirectoryStore(tmp_path / "tombstones"), name="own", prefix="")
    restored = await world.restore(elsewhere, lists=[own])
    assert len(restored.erased.done) == 2
    assert (await rows_of(elsewhere))["subject_key"] == []


async def test_older_keys_and_a_shorter_list_are_refused(world: BackedUpPlace, elsewhere: Servers) -> None:
    await decide(world, "ann", "bob")
    old = await world.back_up()
    keys, tombstones = world.directory / "keys", world.directory / "tombstones"
    kept = {one.name: one.read_bytes() for one in keys.iterdir()}
    await erase(world, "ann")
    await world.back_up()
    for one in keys.iterdir():
        one.rename(one.with_name("aside"))
    for name, content in kept.items():
        (keys / name).write_bytes(content)
    for backup_id in (None, old.id):
        with pytest.raises(BackupError, match="keys is older"):
            await world.verify(backup_id)
        with pytest.raises(BackupError, match="keys is older"):
            await world.restore(elsewhere, backup_id)
    newest = (await find_backups(world.store))[-1].id
    (keys / "aside").rename(keys / f"{newest}.glkeys")
    (tombstone,) = tombstones.iterdir()
    content = tombstone.read_bytes()
    for wrong, error in ((content.replace(b"GDPR", b"gdpr"), "changed"), (None, "missing")):
        tombstone.unlink() if wrong is None else tombstone.write_bytes(wrong)
        with pytest.raises(BackupError, match=error):
            await world.verify()
        if wrong is None:
            with pytest.raises(BackupError, match=error):
                await world.restore(elsewhere, old.id)
    tombstone.write_bytes(content)
    await world.verify()


async def test_a_planted_tombstone_is_named_and_not_kept(world: BackedUpPlace, elsewhere: Servers) -> None:
    await world.back_up()
    planted = world.directory / "tombstones" / "00000000-0000-0000-0000-000000000000.json"
    planted.parent.mkdir(exist_ok=True)
    planted.write_text("{}")
    for _ in range(2):
        with pytest.raises(BackupError, match=rf"{planted.name} in the destination"):
            await world.restore(elsewhere)
    planted.unlink()
    assert (await world.restore(elsewhere)).closed == []


async def test_planted_names_remove_no_backup_and_delay_none(world: BackedUpPlace) -> None:
    made = []
    for _ in range(2):
        made.append((await world.back_up()).id)
        await world.verify(made[-1])
    for name in ("20991231T000000Z-00000000", "99991231T235959Z-00000000", "20261399T000000Z-00000000"):
        fake = world.directory / "backups" / name
        fake.mkdir()
        for file in ("envelope", "manifest", "verified"):
            (fake / file).write_bytes((world.directory / "backups" / made[0] / file).read_bytes())
    (world.directory / "keys" / "20991231T000000Z-00000000.glkeys").write_bytes(b".")
    (world.directory / "backups" / made[0] / "verified of mine").write_bytes(b".")
    assert await world.prune(keep=1) == made[:1]
    settings = replace(world.settings, backups=BackupSettings(to=world.directory))
    async with open_appliance(settings, found=False) as appliance:
        scheduled = ScheduledBackups(appliance, settings)
        await scheduled()
        assert 0 <= scheduled.age_s < 3600
    newest = await world.back_up()
    assert made[-1] < newest.id < "2099"
    assert [one.name for one in (world.directory / "keys").iterdir()] == [f"{newest.id}.glkeys"]
    await world.verify(newest.id)


@pytest.mark.parametrize("later", [LATER, None])
async def test_newer_backups_under_another_passphrase(
    world: BackedUpPlace, elsewhere: Servers, later: str | None
) -> None:
    """With it they tell what is lost; without it the restore goes on as far as the keys let it."""
    old = await world.back_up()
    await world.place.grow(world.organizations[0], 3)
    await world.back_up(passphrase=LATER)
    if later is None:
        with pytest.raises(BackupError, match="passphrase"):
            await world.restore(elsewhere, old.id)
        (keys,) = (world.directory / "keys").iterdir()
        with pytest.raises(BackupError, match="--keys-passphrase-file"):
            await world.verify(old.id)
        place = place_of(world.store, PASSPHRASE, later_passphrase=LATER)
        assert (await VerifyBackup(place=place, verify=verify_ed25519)(old.id)).manifest == old
        assert keys.exists()
        return
    restored = await world.restore(elsewhere, old.id, later=later)
    lost = {one.ledger_id: one.lost for one in restored.ledgers}
    assert lost[str(world.organizations[0].id)] is not None


def test_a_passphrase_that_others_could_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE)
    for mode in (0o644, 0o640, 0o604):
        file.chmod(mode)
        with pytest.raises(ConfigurationError, match="chmod 600"):
            needed_passphrase(file)
    file.chmod(0o600)
    assert needed_passphrase(file) == PASSPHRASE
