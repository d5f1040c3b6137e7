"""Restores into an empty database: whole, or not served; erased again; every ledger says what was lost."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from governlayer_server.adapters.postgres.database import connect
from governlayer_server.adapters.postgres.migrate import apply_migrations, known_migrations, pending_migrations
from governlayer_server.adapters.postgres.restore_target import PostgresRestoreTarget
from governlayer_server.adapters.postgres.snapshot import open_snapshot
from governlayer_server.domain.access import Scope
from governlayer_server.domain.backup import Manifest
from governlayer_server.domain.errors import BackupError, ConfigurationError
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.audit import facts_of
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.settings import LedgerSettings
from governlayer_server.usecases.sign_checkpoint import sign_checkpoint
from governlayer_server.wiring import open_appliance
from governlayer_server.wiring.restores import genuine_notes
from msgspec.structs import replace

from tests.fakes.backup_place import BackedUpPlace, make_cheap
from tests.fakes.ledger_place import QUESTION, Place, ask
from tests.fakes.servers import Databases, Servers, address

BASIS = "GDPR Art. 17(1)(a)"


@pytest.fixture
async def world(
    place: Place, migrated_database: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> BackedUpPlace:
    make_cheap(monkeypatch)
    place.settings = replace(
        place.settings,
        ledgers=LedgerSettings(tombstones=tmp_path / "tombstones"),
        maintenance=replace(address(migrated_database.admin), database=migrated_database.app.database),
    )
    one = BackedUpPlace(place, migrated_database, tmp_path / "backups")
    await one.fill()
    return one


@pytest.fixture
async def elsewhere(databases: Databases) -> AsyncIterator[Servers]:
    """An empty database on another machine, as it were."""
    made = await databases.empty()
    yield made
    await databases.drop(made)


class Interrupted(Exception):
    """The process ended here."""


class InterruptedTarget(PostgresRestoreTarget):
    """Ends the process, as it were, before or after one of its steps."""

    step = ""
    after = False

    async def _at(self, step: str, work: Callable[[], Awaitable[None]]) -> None:
        if step == self.step and not self.after:
            raise Interrupted
        await work()
        if step == self.step:
            raise Interrupted

    async def make_schema(self, migrations: Any) -> None:
        await self._at("make_schema", lambda: super(InterruptedTarget, self).make_schema(migrations))

    async def load(self, manifest: Manifest, read: Any) -> None:
        await self._at("load", lambda: super(InterruptedTarget, self).load(manifest, read))

    async def upgrade(self) -> None:
        await self._at("upgrade", super().upgrade)

    async def finish(self) -> None:
        await self._at("finish", super().finish)


async def rows_of(servers: Servers) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    connection = await asyncpg.connect(**servers.owner.options())
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return {
            name: sorted(row[0] for row in await connection.fetch(f'SELECT t::text FROM "{name}" t'))
            for (name,) in tables
        }
    finally:
        await connection.close()


async def record_bodies(servers: Servers, kind: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(**servers.owner.options())
    query = "SELECT canonical FROM ledger_record WHERE type = $1 ORDER BY ledger_id, seq"
    found = [dict(facts_of(row[0]).body) for row in await connection.fetch(query, kind)]
    await connection.close()
    return found


async def test_all_is_as_it_was_and_the_passphrase_is_enough(world: BackedUpPlace, elsewhere: Servers) -> None:
    tables = world.place.tables
    await tables.execute('CREATE TABLE "of the operator" (note text, at timestamptz)')
    await tables.execute('INSERT INTO "of the operator" SELECT n, now() FROM generate_series(1, 7) n')
    async with open_appliance(world.settings) as appliance:
        terms = KeyTerms(name="key", scopes=[Scope.GOVERN])
        key = (await appliance.manage_keys.create(SYSTEM, world.organizations[0].id, terms)).key
    manifest = await world.back_up(part_bytes=8_192)
    before, sizes = await rows_of(world.servers), {one.id: one.size for one in manifest.ledgers}
    restored = await world.restore(elsewhere)
    after = await rows_of(elsewhere)
    assert after.keys() == before.keys()
    grown = {"ledger", "ledger_record", "ledger_restore"}
    assert {name for name in before if before[name] != after[name]} == grown
    assert set(before["ledger_record"]) < set(after["ledger_record"])
    assert restored.closed == []
    assert {one.ledger_id: one.seq for one in restored.ledgers} == sizes
    assert await record_bodies(elsewhere, "restore") == [{"lost": None}] * 3
    async with open_appliance(world.settings_of(elsewhere, manifest), found=False) as appliance:
        fsck = [await appliance.checks.fsck(str(one.id), one.id) for one in world.organizations]
        assert all(one.is_sound for one in fsck)
        assert sum(one.checked["payloads"] for one in fsck) > 0
        # Sequences go on where they were, and a key of before opens.
        assert (await ask(appliance, world.settings_of(elsewhere, manifest), key)).status_code == 200


async def test_a_place_that_is_not_empty_is_refused(world: BackedUpPlace, elsewhere: Servers) -> None:
    await world.back_up()
    before = await rows_of(world.servers)
    with pytest.raises(BackupError, match="not empty"):
        await world.restore(world.servers)
    assert await rows_of(world.servers) == before
    connection = await asyncpg.connect(**elsewhere.owner.options())
    await connection.execute("CREATE TABLE mine (note text)")
    await connection.close()
    with pytest.raises(BackupError, match="mine"):
        await world.restore(elsewhere)


async def test_whatever_interrupts_it_nothing_is_served_and_it_goes_on(
    world: BackedUpPlace, databases: Databases
) -> None:
    manifest = await world.back_up()
    for step, after in (("make_schema", True), ("load", True), ("upgrade", True), ("finish", False)):
        to = await databases.empty()
        target = InterruptedTarget(address(to.owner))
        target.step, target.after = step, after
        with pytest.raises(Interrupted):
            await world.restore(to, target=target)
        with pytest.raises(ConfigurationError, match=r"migrations|did not come to its end"):
            await opened(world, to, manifest)
        assert (await world.restore(to)).closed == []
        assert len(await record_bodies(to, "restore")) == 3, step
        await opened(world, to, manifest)
        await databases.drop(to)


async def opened(world: BackedUpPlace, to: Servers, manifest: Manifest) -> None:
    async with open_appliance(world.settings_of(to, manifest), found=False):
        pass


async def test_of_a_damaged_backup_no_row_is_copied(world: BackedUpPlace, elsewhere: Servers) -> None:
    manifest = await world.back_up()
    last = max(part.number for table in manifest.tables for part in table.parts)
    file = world.directory / "backups" / manifest.id / f"parts/{last:06d}"
    good = file.read_bytes()
    file.write_bytes(good[:-1])
    with pytest.raises(BackupError, match="damaged"):
        await world.restore(elsewhere)
    found = await rows_of(elsewhere)
    assert {name for name, rows in found.items() if rows} <= {"migration", "key_change", "unfinished_restore"}
    file.write_bytes(good)
    assert (await world.restore(elsewhere)).closed == []


async def test_another_backup_is_not_mixed_into_one_that_has_begun(world: BackedUpPlace, elsewhere: Servers) -> None:
    first = await world.back_up()
    await world.back_up()
    target = InterruptedTarget(address(elsewhere.owner))
    target.step = "load"
    with pytest.raises(Interrupted):
        await world.restore(elsewhere, first.id, target=target)
    with pytest.raises(BackupError, match=first.id):
        await world.restore(elsewhere)
    await world.restore(elsewhere, first.id)


async def test_an_old_backup_says_what_is_lost(world: BackedUpPlace, databases: Databases, tmp_path: Path) -> None:
    acme, umbrella = (str(one.id) for one in world.organizations)
    old = await world.back_up()
    await world.place.grow(world.organizations[0], 3)
    await world.back_up()
    await world.place.grow(world.organizations[0], 4)
    note = await world.place.publish(acme)
    (tmp_path / "newest.note").write_text(note, "utf-8")
    async with open_appliance(world.settings) as appliance:
        # By a key of somebody else: the same words, and nobody here said them.
        head = await appliance.ledger.head(umbrella)
        forged = sign_checkpoint(appliance.parts.signer, head).replace(f"\n{head.size}\n", f"\n{head.size + 9}\n")
    (tmp_path / "forged.note").write_text(forged, "utf-8")
    (tmp_path / "none.note").write_text("no checkpoint", "utf-8")
    assert genuine_notes([tmp_path / "newest.note", tmp_path], old) == {tmp_path: 1}
    for name in ("forged", "none"):
        with pytest.raises(ConfigurationError, match=f"{name}.note"):
            genuine_notes([tmp_path / "newest.note", tmp_path / f"{name}.note"], old)
    with pytest.raises(ConfigurationError, match="has no ledger"):
        genuine_notes([tmp_path / "newest.note"], replace(old, ledgers=()))
    size = next(one.size for one in old.ledgers if one.id == acme)
    for paths, lost in (((), size + 3), ((tmp_path / "newest.note", tmp_path / "forged.note"), size + 7)):
        to = await databases.empty()
        restored = await world.restore(to, old.id, *paths)
        found = {one.ledger_id: one.lost for one in restored.ledgers}
        assert found[acme] == lost
        assert found[umbrella] is None
        bodies = [body["lost"] for body in await record_bodies(to, "restore") if body["lost"]]
        assert any(f"\n{lost}\n" in body for body in bodies)
        async with open_appliance(world.settings_of(to, old), found=False) as appliance:
            assert list(await appliance.check_ledgers(lambda *_: None)) == []
        await databases.drop(to)


async def test_what_was_erased_since_is_erased_again(world: BackedUpPlace, elsewhere: Servers) -> None:
    acme = world.organizations[0]
    async with open_appliance(world.settings) as appliance:
        terms = KeyTerms(name="key", scopes=[Scope.GOVERN])
        key = (await appliance.manage_keys.create(SYSTEM, acme.id, terms)).key
        for name in ("ann", "bob"):
            answer = await ask(appliance, world.settings, key, {**QUESTION, "data_subjects": [name]})
            assert answer.status_code == 200
    old = await world.back_up()
    async with open_appliance(world.settings) as appliance:
        erased = await appliance.erasures.erase.subject(SYSTEM, acme.id, "ann", BASIS)
    newest = await world.back_up()
    assert (await world.verify(newest.id)).tombstones == 1
    restored = await world.restore(elsewhere, old.id)
    assert restored.erased.done == (erased.erasure.tombstone.id,)
    assert restored.closed == []
    found = await rows_of(elsewhere)
    assert len(found["subject_key"]) == 1
    assert not any(str(erased.erasure.tombstone.subjects[0]) in row for row in found["subject_key"])
    (first, _), *_ = erased.erasure.tombstone.ranges
    assert not any(row.startswith(f"({acme.id},{first},") for row in found["ledger_payload"])
    assert len(await record_bodies(elsewhere, "erasure")) == 1
    assert (await world.restore_again(elsewhere, old)).erased.known == restored.erased.done


async def test_a_backup_of_an_older_schema_is_brought_up_to_date(
    world: BackedUpPlace, databases: Databases, elsewhere: Servers
) -> None:
    level = known_migrations()[7]
    older = await databases.empty()
    database = await connect(address(older.owner))
    await apply_migrations(database, level)
    await database.close()
    connection = await asyncpg.connect(**older.owner.options())
    await connection.execute(
        "INSERT INTO organization (id, name, plan, created_us) VALUES (gen_random_uuid(), 'Old', 'pro', 1)"
    )
    await connection.close()
    async with open_snapshot(address(older.owner)) as snapshot:
        manifest = await world.back_up_of(snapshot)
    await databases.drop(older)
    assert manifest.migrations[-1] == level
    target = PostgresRestoreTarget(address(elsewhere.owner))
    await world.load(target, manifest.id)
    assert (await rows_of(elsewhere))["organization"][0].split(",")[1] == "Old"
    database = await connect(address(elsewhere.owner))
    assert await pending_migrations() == []
    await database.close()


async def test_a_backup_of_a_newer_version_is_refused(world: BackedUpPlace, elsewhere: Servers) -> None:
    target = PostgresRestoreTarget(address(elsewhere.owner))
    with pytest.raises(BackupError, match="2030"):
        await target.make_schema([*known_migrations(), "2030-01-01T00:00:00:000000"])
