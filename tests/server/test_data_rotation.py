"""A data key is exchanged over the real PostgreSQL: under load, stopped behind every step, by the catalog."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from governlayer_server.domain.errors import CipherError, ConfigurationError, LedgerUnavailable
from governlayer_server.domain.inventory import shipped_inventory
from governlayer_server.domain.ledger.record import Draft
from governlayer_server.domain.plan import Plan
from governlayer_server.ports import Place
from governlayer_server.ports.data_keys import DataKeyState
from governlayer_server.ports.ledger import Append, RecordFilter, SealedPayload
from governlayer_server.settings import Settings
from governlayer_server.usecases.answer_once import open_answer, question_of, seal_answer
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.password_hashes import open_hash
from governlayer_server.usecases.seal_payloads import open_payload, seal_payloads
from governlayer_server.wiring import Appliance, open_appliance

from tests.contract.conftest import ACTOR
from tests.fakes.rotation_steps import KilledError, Steps
from tests.fakes.servers import Servers
from tests.fakes.under_keys import values_of

PASSWORD = "correct horse battery"
SEALED = {"encrypted", "subject", "password"}


class World:
    def __init__(
        self, appliance: Appliance, owner: "asyncpg.Connection[asyncpg.Record]", organization_id: UUID
    ) -> None:
        self.appliance, self.owner, self.organization_id = appliance, owner, organization_id
        self.written: dict[UUID, str] = {}

    async def write(self, number: int) -> None:
        """Append a record with a payload that names two data subjects, and a kept answer."""
        parts, text = self.appliance.parts, f"text {number}"
        subjects = await parts.vault.subjects(self.organization_id, [f"subject {number % 3}", "everybody"])
        record_id = new_id(parts.clock, parts.entropy)
        sealed, commitments = await seal_payloads(
            parts.vault, parts.entropy, self.organization_id, record_id, {"content": text}, subjects
        )
        question = question_of(parts.vault, f"question {number}", b"body")
        kept = await seal_answer(
            parts.vault, self.organization_id, record_id, question, text.encode(), parts.clock.now_us(), subjects
        )
        draft = Draft(type="decision", actor=ACTOR, body={"number": number}, commitments=commitments)
        await self.appliance.ledger.append(
            Append(
                ledger_id=str(self.organization_id), record_id=record_id, draft=draft, payloads=sealed,
                subjects=subjects, remember=kept,
            )
        )  # fmt: skip
        self.written[record_id] = text

    async def read(self) -> dict[UUID, str]:
        """Return all payloads, opened, and open all kept answers."""
        ledger_id, found, parts = str(self.organization_id), {}, self.appliance.parts
        size = (await self.appliance.ledger.head(ledger_id)).size
        async for one in self.appliance.ledger.stream(ledger_id, 0, size - 1, ["content"]):
            for payload in one.payloads:
                found[one.record_id] = (
                    await open_payload(parts.vault, self.organization_id, one.record_id, payload)
                ).text
        for text in self.written.values():
            question = question_of(parts.vault, f"question {text.split()[1]}", b"body")
            stored = await self.appliance.ledger.answer(ledger_id, question.key, parts.clock.now_us())
            assert stored is not None
            assert await open_answer(parts.vault, self.organization_id, stored, question) == text.encode()
        return found

    async def numbers(self) -> set[int]:
        """Return the data keys that anything of this organization is under: all columns of bytes there are."""
        values = await values_of(self.owner, shipped_inventory())
        return {number(value) for stored, column in values.values() if stored in SEALED for value in column if value}

    async def rotate(self, steps: Steps) -> int | None:
        return await self.appliance.rotations.data(self.organization_id, steps)


def number(sealed: bytes) -> int:
    assert sealed[:1] == b"\x02"
    return int.from_bytes(sealed[1:5], "big")


@pytest.fixture
async def world(migrated: Settings, migrated_database: Servers) -> AsyncIterator[World]:
    owner = await asyncpg.connect(**migrated_database.owner.options())
    async with open_appliance(migrated) as appliance:
        made = await appliance.create_organization("Acme", Plan.PRO, "ann@example.org", PASSWORD)
        yield World(appliance, owner, made.id)
    await owner.close()


async def owner_hash(world: World) -> str | None:
    async with world.appliance.accounts.tenant(world.organization_id) as tenant:
        (user,) = await tenant.users.all()
    return await open_hash(world.appliance.parts.vault, user)


async def test_everything_is_under_the_new_key_and_the_old_one_is_gone(world: World) -> None:
    for number_ in range(20):
        await world.write(number_)
    before = await owner_hash(world)
    old = (await world.appliance.parts.keys.stores.data_keys.data_keys(str(world.organization_id)))[-1]
    place = Place(organization_id=world.organization_id, table="t", column="c", row="r")
    under_the_old = await world.appliance.parts.vault.seal(place, b"text")
    assert await world.numbers() == {1}
    assert await world.rotate(Steps()) == 2
    assert await world.numbers() == {2}
    assert await world.read() == world.written
    assert (await owner_hash(world), (before or "").startswith("$2b$")) == (before, True)
    keys = await world.appliance.parts.keys.stores.data_keys.data_keys(str(world.organization_id))
    assert [(one.number, one.state) for one in keys] == [(0, DataKeyState.INDEX), (2, DataKeyState.ACTIVE)]
    with pytest.raises(CipherError, match="no such data key"):
        await world.appliance.parts.vault.open(place, under_the_old)
    # Nobody writes under it any more, whatever they keep in memory.
    assert old.number == 1
    stale = Append(
        ledger_id=str(world.organization_id), record_id=UUID(int=7),
        draft=Draft(type="decision", actor=ACTOR, body={}),
        payloads=(SealedPayload(name="content", sealed=under_the_old),),
    )  # fmt: skip
    with pytest.raises(LedgerUnavailable):
        await world.appliance.ledger.append(stale)
    records = await world.appliance.ledger.records("system", -1, 100, RecordFilter(type="secret.rotated"))
    assert [json.loads(one.canonical)["body"]["event"] for one in records] == ["activated", "retired"]


async def test_a_rotation_under_load_that_is_killed_behind_each_step_is_completed(world: World) -> None:
    for number_ in range(250):
        await world.write(number_)
    ended, kills = asyncio.Event(), 0

    async def load(first: int) -> int:
        count = 0
        while not ended.is_set():
            await world.write(first + count)
            assert await world.appliance.operate_users.reset_token(world.organization_id, "ann@example.org")
            count += 1
        return count

    working = [asyncio.create_task(load(first)) for first in (10_000, 20_000)]
    active = None
    while active is None:
        try:
            active = await world.rotate(Steps(dies_at=1))
        except KilledError:
            kills += 1
    ended.set()
    counts = await asyncio.gather(*working)
    assert kills >= 8
    assert min(counts) > 0
    assert await world.numbers() == {active} == {2}
    assert await world.read() == world.written
    assert await world.appliance.rotations.begun.all() == []
    print(f"rotation of a data key: killed {kills} times, completed; {sum(counts)} writes beside it, 0 failed")


async def test_who_is_writing_under_the_old_key_is_waited_for(world: World) -> None:
    """Seen to lose what is written where the key is destroyed without holding it."""
    await world.write(1)
    store, ledger_id = world.appliance.parts.keys.stores.data_keys, str(world.organization_id)
    (sealed,) = [row.sealed for row in await world.appliance.rotations.data.tables[0].page(ledger_id, 9, "", 9)]
    await world.appliance.parts.vault.new_data_key(world.organization_id)
    await world.owner.execute("DELETE FROM ledger_payload; DELETE FROM idempotent_answer")
    await world.owner.execute("UPDATE app_user SET email_sealed = '', password_hash = NULL")
    async with world.appliance.parts.database.transaction(ledger_id) as writer:
        await writer.execute(
            "INSERT INTO ledger_payload (ledger_id, seq, name, sealed) VALUES ($1, 0, 'late', $2)", ledger_id, sealed
        )
        destroying = asyncio.create_task(store.destroy_data_key(ledger_id, 1))
        await asyncio.sleep(0.3)
        assert not destroying.done()
    assert not await destroying
    await world.owner.execute("DELETE FROM ledger_payload")
    assert await store.destroy_data_key(ledger_id, 1)


async def test_what_does_not_open_keeps_the_old_key(world: World) -> None:
    await world.write(1)
    await world.owner.execute("UPDATE ledger_payload SET sealed = set_byte(sealed, 70, get_byte(sealed, 70) # 1)")
    with pytest.raises(ConfigurationError, match="fsck"):
        await world.rotate(Steps())
    assert await world.numbers() == {1, 2}


async def test_an_erasure_beside_a_rotation_takes_what_it_erases(world: World) -> None:
    """What is deleted while it is encrypted anew does not come back."""
    for number_ in range(3):
        await world.write(number_)
    table = world.appliance.rotations.data.tables[0]
    rows = await table.page(str(world.organization_id), 9, "", 9)
    await world.owner.execute("DELETE FROM ledger_payload WHERE seq = 2")
    await table.replace(str(world.organization_id), [(row, row.sealed) for row in rows])
    assert len(await table.page(str(world.organization_id), 9, "", 9)) == len(rows) - 1
