"""What is done to the stored ledgers by who may do everything is found: at the start, and by fsck (security.md §1.1)."""

import json
import stat
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from governlayer_server.domain.access import Scope
from governlayer_server.domain.errors import Conflict, LedgerRefused, Unavailable
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.audit import after, facts_of
from governlayer_server.domain.ledger.chain import empty_head
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.ledger.tree import edge_bytes
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.ports.checkpoints import Checkpoint
from governlayer_server.settings import AnchorSettings, LedgerSettings, Settings
from governlayer_server.usecases.fsck_ledger import Fsck
from governlayer_server.usecases.record_event import record_event
from governlayer_server.usecases.sign_checkpoint import sign_checkpoint
from governlayer_server.web.links import Links
from governlayer_server.wiring import Appliance, open_appliance
from msgspec.structs import replace

from tests.fakes.servers import Servers

QUESTION = {
    "stage": "input",
    "agent": {"id": "a"},
    "action": {"name": "chat"},
    "content": [{"role": "user", "text": "x"}],
}


class Place:
    """A deployment that can be opened again and again, and its tables as their owner."""

    def __init__(self, settings: Settings, tables: "asyncpg.Connection[Any]") -> None:
        self.settings = settings
        self.tables = tables
        self.evidence = settings.ledgers.evidence
        assert settings.anchors.directory is not None
        self.outside = settings.anchors.directory

    async def found(self, *names: str) -> list[Organization]:
        async with open_appliance(self.settings) as appliance:
            return [await appliance.create_organization(n, Plan.ENTERPRISE, f"{n}@example.org", None) for n in names]

    async def grow(self, organization: Organization, count: int) -> None:
        async with open_appliance(self.settings) as appliance:
            for number in range(count):
                body = {"number": number}
                await record(appliance, str(organization.id), body)

    async def decide(self, organization: Organization, count: int = 1) -> list[httpx.Response]:
        """Ask over HTTP, after the check that a server does at its start."""
        async with open_appliance(self.settings) as appliance:
            await appliance.check_ledgers(lambda *_: None)
            terms = KeyTerms(name="key", scopes=[Scope.GOVERN, Scope.AUDIT])
            try:
                made = await appliance.manage_keys.create(SYSTEM, organization.id, terms)
            except LedgerRefused:
                pytest.fail("a key is needed before the ledger is closed")
            return [await ask(appliance, self.settings, made.key) for _ in range(count)]

    async def publish(self, ledger_id: str, *, outside: bool = False) -> str:
        """Sign and keep a checkpoint of the ledger as it stands."""
        async with open_appliance(self.settings) as appliance:
            head = await appliance.ledger.head(ledger_id)
            root = await appliance.checks.check.root_at(ledger_id, head.size)
            note = await sign(appliance, ledger_id)
            if outside:
                folder = self.outside / sha256(head.origin.encode()).hexdigest()
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{head.size}.note").write_text(note, encoding="utf-8")
            else:
                newest = await appliance.checks.checkpoints.newest(ledger_id)
                extends = newest.size if newest else 0
                one = Checkpoint(
                    ledger_id=ledger_id, size=head.size, root=root, note=note, published_us=1, extends=extends
                )
                assert await appliance.checks.checkpoints.add(one)
            return note

    async def closed(self) -> list[str]:
        async with open_appliance(self.settings) as appliance:
            return list(await appliance.check_ledgers(lambda *_: None))

    async def steps(self, organization: Organization) -> set[str]:
        """What the check at a start finds; nothing is closed."""
        async with open_appliance(self.settings) as appliance:
            return {one.step for one in (await appliance.checks.check.findings(str(organization.id))).findings}

    async def fsck(self, organization: Organization) -> Fsck:
        async with open_appliance(self.settings) as appliance:
            return await appliance.checks.fsck(str(organization.id), organization.id)

    async def tamper(self, *statements: str) -> None:
        """What nobody may do, and who owns the tables can."""
        for table in ("ledger", "ledger_record", "ledger_tile", "ledger_checkpoint"):
            await self.tables.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            await self.tables.execute(statement)


async def record(appliance: Appliance, ledger_id: str, body: dict[str, object]) -> None:
    parts = appliance.parts
    await record_event(appliance.ledger, parts.clock, parts.entropy, ledger_id, SYSTEM, "decision.outcome", body)


async def sign(appliance: Appliance, ledger_id: str) -> str:
    return sign_checkpoint(appliance.parts.signer, await appliance.ledger.head(ledger_id))


async def ask(appliance: Appliance, settings: Settings, key: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=await appliance.application(settings, Links("http://test")))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        given = {"Authorization": f"Bearer {key}", **headers}
        return await client.post("/v1/govern", json=QUESTION, headers=given)


@pytest.fixture
async def place(migrated: Settings, empty_database: Servers, tmp_path: Path) -> AsyncIterator[Place]:
    (tmp_path / "outside").mkdir()
    tables = await asyncpg.connect(**empty_database.owner.options())
    anchors, ledgers = AnchorSettings(directory=tmp_path / "outside"), LedgerSettings(evidence=tmp_path / "evidence")
    yield Place(replace(migrated, anchors=anchors, ledgers=ledgers), tables)
    await tables.close()


MINE = "ledger_id = '{id}'"
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
    await place.tamper(statement.format(id=acme.id, mine=MINE.format(id=acme.id)))
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


async def rewrite(place: Place, organization: Organization) -> None:
    """Make the last two records anew, chain, tree and head with them, as the appliance itself would."""
    mine = MINE.format(id=organization.id)
    size = int(await place.tables.fetchval(f"SELECT max(seq) + 1 FROM ledger_record WHERE {mine}"))
    async with open_appliance(place.settings) as appliance:
        rows = await appliance.checks.check.audit.rows(str(organization.id), 0, size - 3)
        origin = (await appliance.ledger.head(str(organization.id))).origin
    head = empty_head(origin)
    for row in rows:
        head = after(head, row, facts_of(row.canonical))
    await place.tamper(f"DELETE FROM ledger_record WHERE {mine} AND seq >= {size - 2}")
    await place.tables.execute(
        "UPDATE ledger SET size = $2, head_hash = $3, head_time_us = $4, edge = $5 WHERE id = $1",
        str(organization.id), head.size, head.hash, head.time_us, edge_bytes(head.edge),
    )  # fmt: skip
    await place.grow(organization, 2)


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


async def cut_off_after(place: Place, organization: Organization, lost: int) -> None:
    """Keep a checkpoint outside, then put the database back to where it was some records before."""
    mine, ledger_id = MINE.format(id=organization.id), str(organization.id)
    before = await place.tables.fetchrow("SELECT * FROM ledger WHERE id = $1", ledger_id)
    assert before is not None
    await place.grow(organization, lost)
    await place.publish(ledger_id, outside=True)
    await place.tamper(f"DELETE FROM ledger_record WHERE {mine} AND seq >= {before['size']}")
    await place.tamper(f"DELETE FROM ledger_tile WHERE {mine} AND (n + 1) * 256 > {before['size']}")
    await place.tables.execute(
        "UPDATE ledger SET size = $2, head_hash = $3, head_time_us = $4, edge = $5 WHERE id = $1",
        ledger_id, before["size"], before["head_hash"], before["head_time_us"], before["edge"],
    )  # fmt: skip


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
