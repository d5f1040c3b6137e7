"""Backups of a real database: whole, encrypted, resumable; what was changed in one is refused."""

import random
import shutil
from pathlib import Path

import pytest
from governlayer_server.adapters.postgres.snapshot import open_snapshot
from governlayer_server.domain.backup import RECORDS, Manifest
from governlayer_server.domain.errors import BackupError, ConfigurationError, Conflict, NotFound
from governlayer_server.usecases.open_backup import find_backups
from governlayer_server.wiring.backups import place_of

from tests.fakes.backup_place import PASSPHRASE, BackedUpPlace, CutOff, FailingStore, make_cheap
from tests.fakes.ledger_place import Place, rewrite
from tests.fakes.servers import Servers, address

SECRETS = {"deployment", "pepper", "jwt-secret"}


@pytest.fixture
async def world(
    place: Place, migrated_database: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> BackedUpPlace:
    make_cheap(monkeypatch)
    one = BackedUpPlace(place, migrated_database, tmp_path / "backups")
    await one.fill()
    return one


def files_of(world: BackedUpPlace, manifest: Manifest) -> dict[str, Path]:
    """One file of each kind."""
    folder = world.directory / "backups" / manifest.id
    records = next(part for table in manifest.tables if table.name == RECORDS for part in table.parts)
    others = next(part for table in manifest.tables if table.name == "app_user" for part in table.parts)
    return {
        "envelope": folder / "envelope",
        "manifest": folder / "manifest",
        "records": folder / records.name,
        "rows": folder / others.name,
        "keys": world.directory / "keys" / f"{manifest.id}.glkeys",
    }


async def test_a_backup_holds_every_row_and_every_ledger(world: BackedUpPlace) -> None:
    manifest = await world.back_up()
    verified = await world.verify()
    assert verified.manifest == manifest
    assert verified.is_noted
    for table in manifest.tables:
        assert table.rows == await world.place.tables.fetchval(f'SELECT count(*) FROM "{table.name}"'), table.name
    names = await world.place.tables.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {one.name for one in manifest.tables} == {row[0] for row in names} - {"subject_key"}
    assert {one.id for one in manifest.ledgers} == {"system", *(str(one.id) for one in world.organizations)}
    assert all(one.checkpoint and one.size for one in manifest.ledgers)
    assert set(manifest.secrets.files) == SECRETS
    assert len(manifest.secrets.keys) == 1


async def test_a_table_that_the_code_does_not_know_is_backed_up(world: BackedUpPlace) -> None:
    await world.place.tables.execute('CREATE TABLE "of the ""operator" (note text, at timestamptz)')
    await world.place.tables.execute('INSERT INTO "of the ""operator" SELECT n, now() FROM generate_series(1, 7) n')
    manifest = await world.back_up()
    found = next(one for one in manifest.tables if one.name == 'of the "operator')
    assert (found.rows, [one.name for one in found.columns]) == (7, ["note", "at"])
    await world.verify()


async def test_what_was_changed_is_refused(world: BackedUpPlace) -> None:
    manifest = await world.back_up()
    chance, tried = random.Random(5), 0
    for kind, file in files_of(world, manifest).items():
        good = file.read_bytes()
        for number in range(20):
            at = chance.randrange(len(good))
            bad = (
                good[:at]
                if number % 4 == 0
                else good[:at] + bytes([good[at] ^ 1 << chance.randrange(8)]) + good[at + 1 :]
            )
            file.write_bytes(bad)
            with pytest.raises(BackupError):
                pytest.fail(f"{kind} at {at}: {await world.verify()}")
            tried += 1
        file.write_bytes(good)
    assert tried == 100
    for wrong in (PASSPHRASE + " ", PASSPHRASE.upper(), "x" * 20):
        with pytest.raises(BackupError, match="passphrase"):
            await world.verify(passphrase=wrong)
    with pytest.raises(ConfigurationError):
        await world.verify(passphrase="short")
    with pytest.raises(NotFound):
        await world.verify("20200101T000000Z-00000000")
    await world.verify()


async def test_what_was_swapped_or_left_out_is_refused(world: BackedUpPlace) -> None:
    first = await world.back_up(part_bytes=8_192)
    second = await world.back_up(part_bytes=8_192)
    ours, theirs = (world.directory / "backups" / one.id for one in (second, first))
    parts = sorted((ours / "parts").iterdir())
    shutil.copytree(ours, keep := world.directory.parent / "keep")
    for change in (
        lambda: parts[0].rename(parts[1]),
        parts[-1].unlink,
        lambda: shutil.copy(theirs / "parts" / parts[0].name, parts[0]),
        lambda: shutil.copy(theirs / "manifest", ours / "manifest"),
        lambda: shutil.copy(theirs / "envelope", ours / "envelope"),
        lambda: shutil.rmtree(world.directory / "keys"),
    ):
        change()
        with pytest.raises(BackupError):
            await world.verify()
        shutil.rmtree(ours)
        shutil.copytree(keep, ours)


async def test_one_that_was_cut_off_is_gone_on_with(world: BackedUpPlace) -> None:
    """Wherever it is cut off: parts of records that were whole are not written again."""
    whole = FailingStore(world.directory.parent / "whole", 10_000)
    manifest = await world.back_up(whole, part_bytes=8_192)
    assert all(len(table.parts) > 1 for table in manifest.tables if table.name in {RECORDS, "ledger_checkpoint"})
    total = len(whole.begun)
    for files in (1, total // 4, total // 2, total * 3 // 4, total - 2):
        store = FailingStore(world.directory.parent / f"cut-{files}", files)
        with pytest.raises(CutOff):
            await world.back_up(store, part_bytes=8_192)
        before = {name for name in store.begun[:-1] if "/journal/" in name}
        await world.place.grow(world.organizations[0], 2)
        store.left, store.begun = 10_000, []
        manifest = await world.back_up(store, part_bytes=8_192)
        again = {name for name in store.begun if "/journal/" in name}
        assert not before & again, files
        assert len(await find_backups(store)) == 1
        world.store = store
        assert (await world.verify()).manifest == manifest
        assert not list(store._path.rglob("journal/*"))


async def test_parts_of_another_history_are_not_kept(world: BackedUpPlace) -> None:
    store = FailingStore(world.directory, 10_000)
    await world.back_up(store, part_bytes=8_192)
    written = [one for one in store.begun if "/journal/" in one]
    cut = FailingStore(world.directory.parent / "cut", len(written) + 20)
    with pytest.raises(CutOff):
        await world.back_up(cut, part_bytes=8_192)
    await rewrite(world.place, world.organizations[0])
    cut.left = 10_000
    await world.back_up(cut, part_bytes=8_192)
    world.store = cut
    # Of one piece, and against what was signed; records of two histories would not even follow each other.
    with pytest.raises(BackupError, match="not that of its checkpoint"):
        await world.verify()


async def test_old_backups_go_and_the_last_verified_one_stays(world: BackedUpPlace) -> None:
    made = [(await world.back_up()).id for _ in range(4)]
    assert [one.name for one in (world.directory / "keys").iterdir()] == [f"{made[-1]}.glkeys"]
    await world.verify(made[1])
    assert await world.prune(keep=1) == [made[0], made[2]]
    assert [one.id for one in await find_backups(world.store)] == [made[1], made[3]]
    await world.verify()


async def test_two_at_once_are_one_too_many(world: BackedUpPlace) -> None:
    async with open_snapshot(address(world.servers.owner)):
        with pytest.raises(Conflict):
            await world.back_up()
    with pytest.raises(ConfigurationError):
        place_of(world.store, None)


async def test_row_security_hides_nothing_from_a_backup(world: BackedUpPlace) -> None:
    """The runtime role is refused: it would have got some of the rows, and no error."""
    with pytest.raises(BackupError, match="owner of the tables"):
        await world.back_up(owner=address(world.servers.app))
