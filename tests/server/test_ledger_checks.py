"""What is done to the stored ledgers by who may do everything is found at the start, and closes the ledger (claim 1)."""

import json
import stat

import pytest
from governlayer_server.adapters.anchors.directory import NotesDirectory
from governlayer_server.adapters.postgres.anchors import PostgresAnchorStore
from governlayer_server.adapters.postgres.checkpoints import PostgresCheckpointStore
from governlayer_server.domain.access import Scope
from governlayer_server.domain.errors import Conflict, LedgerRefused, Unavailable
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.canonical import canonical_bytes
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.usecases.anchor_health import AnchorHealth, AnchorKind
from governlayer_server.usecases.keep_checkpoints import KeepCheckpoints
from governlayer_server.usecases.record_event import record_event
from governlayer_server.wiring import open_appliance

from tests.fakes.ledger_place import Place, ask, backed_up, cut_off_after, mine, put_back, rewrite

# What is done, and which step of the check at the start names it; the ledger has over 20 records.
ATTACKS = {
    "bytes": ("UPDATE ledger_record SET canonical = canonical || ' ' WHERE {mine} AND seq = 15", "hash"),
    "hash": ("UPDATE ledger_record SET hash = sha256('x') WHERE {mine} AND seq = 15", "hash"),
    "tail": ("DELETE FROM ledger_record WHERE {mine} AND seq > 18", "head"),
    "middle": ("DELETE FROM ledger_record WHERE {mine} AND seq = 12", "sequence"),
    "size": ("UPDATE ledger SET size = size - 1 WHERE id = '{id}'", "head"),
    "head hash": ("UPDATE ledger SET head_hash = sha256('x') WHERE id = '{id}'", "head"),
    "head time": ("UPDATE ledger SET head_time_us = head_time_us + 1 WHERE id = '{id}'", "head"),
    "edge": ("UPDATE ledger SET edge = decode(repeat('00', length(edge)), 'hex') WHERE id = '{id}'", "edge"),
    "edge length": ("UPDATE ledger SET edge = '' WHERE id = '{id}'", "edge"),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_the_start_finds_what_was_done_to_the_end_of_a_ledger(place: Place, attack: str) -> None:
    acme, other = await place.found("acme", "other")
    await place.grow(acme, 20)
    assert await place.closed() == []
    statement, step = ATTACKS[attack]
    await place.tamper(statement.format(id=acme.id, mine=mine(acme)))
    assert step in await place.steps(acme)
    assert not (await place.fsck(acme)).is_sound
    assert await place.closed() == [str(acme.id)]
    assert [one.status_code for one in await place.decide(other)] == [200], "others go on"
    assert place.evidence is not None
    (file,) = place.evidence.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert step in {one["step"] for one in json.loads(file.read_text())["findings"]}
    assert await place.closed() == [str(acme.id)], "a restart remembers"
    assert len(list(place.evidence.iterdir())) == 1


async def test_a_closed_ledger_gives_no_decision_no_checkpoint_and_no_management(place: Place) -> None:
    acme, _ = await place.found("acme", "other")
    async with open_appliance(place.settings) as appliance:
        made = await appliance.manage_keys.create(
            SYSTEM, acme.id, KeyTerms(name="k", scopes=[Scope.GOVERN, Scope.AUDIT])
        )
        first = await ask(appliance, place.settings, made.key, **{"Idempotency-Key": "one"})
        assert first.status_code == 200
    await place.tamper(f"UPDATE ledger SET head_hash = sha256('x') WHERE id = '{acme.id}'")
    async with open_appliance(place.settings) as appliance:
        assert await appliance.check_ledgers(lambda *_: None) == [str(acme.id)]
        for headers in ({}, {"Idempotency-Key": "one"}, {"Idempotency-Key": "two"}):
            answer = await ask(appliance, place.settings, made.key, **headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "ledger_refused")
            assert "decision" not in answer.json()
        with pytest.raises(LedgerRefused):
            await appliance.read_ledger.checkpoint(acme.id)
        with pytest.raises(LedgerRefused):
            await appliance.manage_keys.create(SYSTEM, acme.id, KeyTerms(name="n", scopes=[Scope.GOVERN]))
        with pytest.raises(LedgerRefused):
            await appliance.export_ledger(SYSTEM, acme.id)
    async with open_appliance(place.settings) as appliance:
        answer = await ask(appliance, place.settings, made.key)
        assert answer.status_code == 503, "the next process knows it from the table, before any check"


async def test_the_deployments_own_ledger_can_be_closed_and_organizations_go_on(place: Place) -> None:
    (acme,) = await place.found("acme")
    assert [one.status_code for one in await place.decide(acme)] == [200]
    await place.tamper("UPDATE ledger SET head_time_us = head_time_us + 1 WHERE id = 'system'")
    assert await place.closed() == ["system"]
    assert [one.status_code for one in await place.decide(acme)] == [200]
    with pytest.raises(LedgerRefused):
        await place.found("late")


async def test_a_ledger_whose_row_is_gone_is_closed(place: Place) -> None:
    (acme,) = await place.found("acme")
    for table in ("ledger_payload", "idempotent_answer", "ledger_record"):
        await place.tamper(f"DELETE FROM {table} WHERE ledger_id = '{acme.id}'")
    await place.tamper(f"DELETE FROM ledger WHERE id = '{acme.id}'")
    assert await place.closed() == [str(acme.id)]
    assert (await place.fsck(acme)).counts == {"head": 1}


async def test_a_whole_rewrite_is_found_by_what_was_published(place: Place) -> None:
    """Everything agrees with everything, and the signed checkpoint says otherwise."""
    (acme,) = await place.found("acme")
    await place.grow(acme, 5)
    await place.publish(str(acme.id))
    assert await place.closed() == []
    await rewrite(place, acme)
    assert await place.steps(acme) == {"checkpoint"}
    assert (await place.fsck(acme)).counts.keys() == {"checkpoint"}
    assert await place.closed() == [str(acme.id)]


@pytest.mark.parametrize("size", [5, 700])
async def test_an_older_copy_is_found_by_the_checkpoint_outside_and_goes_on_once_that_is_owned_up_to(
    place: Place, size: int
) -> None:
    (acme,) = await place.found("acme")
    await place.grow(acme, size)
    await cut_off_after(place, acme, lost=3)
    assert await place.steps(acme) == {"checkpoint_outside"}
    assert await place.closed() == [str(acme.id)]
    async with open_appliance(place.settings) as appliance:
        entry = await appliance.checks.accept_restore(str(acme.id))
        body = json.loads(entry.record.canonical)["body"]
        assert entry.record.type == "restore"
        (note,) = [file.read_text() for file in place.outside.glob("*/*.note")]
        assert body == {"lost": note}
    assert await place.closed() == [], "what was lost binds no more"
    assert [one.status_code for one in await place.decide(acme)] == [200]
    assert (await place.fsck(acme)).is_sound


LOST_FOR_EVER = 2**63 - 1


async def claim_restore(place: Place, ledger_id: str, kept: int, lost: int) -> None:
    """Write a row of a restore, as whoever speaks for the runtime role can."""
    await place.tables.execute("INSERT INTO ledger_restore VALUES ($1, $2, $3, 1)", ledger_id, kept, lost)


async def test_a_row_alone_is_no_restore(place: Place) -> None:
    (acme,) = await place.found("acme")
    await place.grow(acme, 5)
    await cut_off_after(place, acme, lost=3)
    for kept in (0, 5, 99):
        await claim_restore(place, str(acme.id), kept, LOST_FOR_EVER)
    assert await place.steps(acme) == {"checkpoint_outside"}
    assert await place.closed() == [str(acme.id)]


@pytest.mark.parametrize("body", ["none", "text", "unsigned", "other size"])
async def test_a_restore_record_counts_for_the_lost_checkpoint_that_was_signed_and_for_no_other(
    place: Place, body: str
) -> None:
    (acme,) = await place.found("acme")
    note = await place.publish(str(acme.id), outside=True)
    await cut_off_after(place, acme, lost=4)
    lost = int(max(place.outside.glob("*/*.note"), key=lambda one: int(one.stem)).stem)
    forged = note.replace(f"\n{note.splitlines()[1]}\n", f"\n{lost}\n", 1)
    bodies = {"none": None, "text": "nothing", "unsigned": forged, "other size": note}
    async with open_appliance(place.settings) as appliance:
        parts = appliance.parts
        claimed = await record_event(
            appliance.ledger, parts.clock, parts.entropy, str(acme.id), SYSTEM, "restore", {"lost": bodies[body]}
        )
    await claim_restore(place, str(acme.id), claimed.record.seq, lost)
    assert await place.steps(acme) == {"checkpoint_outside"}


async def test_a_restore_record_that_is_not_in_the_tree_does_not_count(place: Place) -> None:
    """Far from the end no check at a start looks at the bytes of a record; what it says is believed by proof only."""
    (acme,) = await place.found("acme")
    await place.grow(acme, 700)
    await cut_off_after(place, acme, lost=3)
    (file,) = place.outside.glob("*/*.note")
    canonical = await place.tables.fetchval(f"SELECT canonical FROM ledger_record WHERE {mine(acme)} AND seq = 2")
    claimed = {**json.loads(canonical), "type": "restore", "body": {"lost": file.read_text()}}
    await place.tamper()
    await place.tables.execute(
        f"UPDATE ledger_record SET type = 'restore', canonical = $1, hash = sha256($1) WHERE {mine(acme)} AND seq = 2",
        canonical_bytes(claimed),
    )
    await claim_restore(place, str(acme.id), 2, int(file.stem))
    assert await place.steps(acme) == {"checkpoint_outside"}


async def test_checkpoints_after_a_restore_bind_again(place: Place) -> None:
    (acme,) = await place.found("acme")
    await place.grow(acme, 3)
    await cut_off_after(place, acme, lost=2)
    await place.closed()
    async with open_appliance(place.settings) as appliance:
        await appliance.checks.accept_restore(str(acme.id))
    await place.grow(acme, 9)
    await place.publish(str(acme.id), outside=True)
    assert await place.closed() == []
    await rewrite(place, acme)
    assert await place.steps(acme) == {"checkpoint_outside"}


async def keep_outside(place: Place, organization: Organization) -> None:
    """Publish a checkpoint, and keep it as a running appliance does; then its copy in the database is removed."""
    await place.publish(str(organization.id))
    async with open_appliance(place.settings) as appliance:
        parts, alarms = appliance.parts, list[str]()
        health = AnchorHealth(AnchorKind.DIRECTORY, "checkpoints", parts.clock, alarms.append)
        anchors, checkpoints = PostgresAnchorStore(parts.database), PostgresCheckpointStore(parts.database)
        notes, restores = NotesDirectory(place.outside), appliance.checks.restores
        await KeepCheckpoints(notes, anchors, checkpoints, parts.clock, health, restores)()
        assert (health.fault, alarms) == (None, [])
    await place.tamper(f"DELETE FROM ledger_checkpoint WHERE {mine(organization)}")


async def test_the_new_history_is_bound_from_its_restore_on_by_sizes_of_the_lost_one_too(place: Place) -> None:
    (acme,) = await place.found("acme")
    await place.grow(acme, 3)
    await cut_off_after(place, acme, lost=20)
    await place.closed()
    async with open_appliance(place.settings) as appliance:
        restore = (await appliance.checks.accept_restore(str(acme.id))).record
    await place.grow(acme, 4)
    await keep_outside(place, acme)
    assert await place.closed() == []
    await rewrite(place, acme)
    assert await place.steps(acme) == {"checkpoint_outside"}
    assert len(list(place.outside.glob(f"*/{restore.hash.hex()}/*.note"))) == 1


async def test_a_second_restore_owns_up_to_both_lost_histories(place: Place) -> None:
    """The database is put back to before the first restore, of which it then knows nothing."""
    (acme,) = await place.found("acme")
    await place.grow(acme, 3)
    backup = await backed_up(place, acme)
    for lost in (9, 4):
        await place.grow(acme, lost)
        await keep_outside(place, acme)
        await put_back(place, acme, backup)
        assert await place.steps(acme) == {"checkpoint_outside"}
        async with open_appliance(place.settings) as appliance:
            await appliance.checks.accept_restore(str(acme.id))
        assert await place.steps(acme) == set()


@pytest.mark.parametrize("name", ["5.note", "9223372036854775807.note"])
async def test_a_file_that_no_key_of_ours_signed_binds_nothing(place: Place, name: str) -> None:
    (acme,) = await place.found("acme")
    await place.publish(str(acme.id), outside=True)
    (file,) = place.outside.glob("*/*.note")
    text = file.read_text()
    file.with_name(name).write_text(text.replace(f"\n{file.stem}\n", f"\n{name.removesuffix('.note')}\n", 1))
    file.with_name("99.note").write_text("nothing")
    assert await place.closed() == []


async def test_a_directory_of_checkpoints_that_is_away_stops_the_start(place: Place) -> None:
    await place.found("acme")
    place.outside.rmdir()
    with pytest.raises(Unavailable, match="no directory"):
        await place.closed()


async def test_a_folder_of_checkpoints_that_cannot_be_read_stops_the_start(place: Place) -> None:
    (acme,) = await place.found("acme")
    await place.publish(str(acme.id), outside=True)
    (file,) = place.outside.glob("*/*.note")
    file.rename(place.outside / "elsewhere")
    file.parent.rmdir()
    file.parent.write_text("")
    with pytest.raises(Unavailable, match="cannot be read"):
        await place.closed()


async def test_damage_is_not_accepted_as_a_restore_and_neither_is_nothing(place: Place) -> None:
    (acme,) = await place.found("acme")
    async with open_appliance(place.settings) as appliance:
        with pytest.raises(Conflict, match="nothing to accept"):
            await appliance.checks.accept_restore(str(acme.id))
    await place.tamper(f"UPDATE ledger SET head_time_us = head_time_us + 1 WHERE id = '{acme.id}'")
    await place.closed()
    async with open_appliance(place.settings) as appliance:
        with pytest.raises(Conflict, match="damaged"):
            await appliance.checks.accept_restore(str(acme.id))
    await place.tamper(f"UPDATE ledger SET head_time_us = head_time_us - 1 WHERE id = '{acme.id}'")
    assert await place.closed() == [str(acme.id)], "it stays closed until its operator has said so"
    async with open_appliance(place.settings) as appliance:
        entry = await appliance.checks.accept_restore(str(acme.id))
        assert json.loads(entry.record.canonical)["body"] == {"lost": None}
    assert await place.closed() == []
