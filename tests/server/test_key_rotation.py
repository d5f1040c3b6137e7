"""Rotation over the real PostgreSQL: stopped after each record that it writes, and seen by another replica."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.domain.errors import LedgerUnavailable
from governlayer_server.domain.plan import Plan
from governlayer_server.ports.ledger import Append, Entry, RecordFilter
from governlayer_server.ports.ledger_keys import Algorithm, KeyState
from governlayer_server.settings import Settings
from governlayer_server.usecases.every_ledger import all_ledger_ids
from governlayer_server.usecases.sign_checkpoint import keys_of_then, sign_checkpoint
from governlayer_server.wiring import Appliance, open_appliance

Act = Callable[[Appliance], Awaitable[object]]


def nothing(*_: int) -> None:
    pass


async def rotate(appliance: Appliance) -> None:
    await appliance.rotate_keys.rotate(Algorithm.ED25519, nothing)


async def retire(appliance: Appliance) -> None:
    await appliance.rotate_keys.retire(Algorithm.ED25519, nothing, at_once=True)


async def ed25519_records(appliance: Appliance, ledger_id: str) -> list[tuple[str, str]]:
    records = await appliance.ledger.records(ledger_id, -1, 100, RecordFilter(type="ledger.key"))
    bodies = [json.loads(record.canonical)["body"] for record in records]
    return [(body["event"], body["vkey"]) for body in bodies if len(body["vkey"]) < 100]


async def interrupted(settings: Settings, monkeypatch: pytest.MonkeyPatch, act: Act) -> int:
    """Do *act* by processes that each end right behind the first record they write; return how many it took."""
    append = PostgresLedgerStore.append

    async def last_one(store: PostgresLedgerStore, one: Append) -> Entry:
        entry = await append(store, one)
        if one.draft.type == "ledger.key":
            raise LedgerUnavailable("killed")
        return entry

    for count in range(1, 20):
        async with open_appliance(settings) as appliance:
            with monkeypatch.context() as patch:
                patch.setattr(PostgresLedgerStore, "append", last_one)
                # One ledger at a time: the others are left to the next process, as if this one were gone.
                patch.setattr(type(appliance.rotate_keys), "_everywhere", first_failure_ends)
                try:
                    await act(appliance)
                except LedgerUnavailable:
                    continue
        return count
    raise AssertionError("it never ends")


async def first_failure_ends(use: object, work: Callable[[str], Awaitable[None]], _: object) -> None:
    for ledger_id in await all_ledger_ids(use.accounts):  # type: ignore[attr-defined]
        await work(ledger_id)


async def test_a_rotation_that_is_stopped_behind_each_record_is_completed(
    migrated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_appliance(migrated) as appliance:
        ids = [
            str((await appliance.create_organization(name, Plan.PRO, f"{name}@example.com", None)).id)
            for name in ("one", "other")
        ]
        old = appliance.read_ledger.key
    ledgers = ["system", *ids]
    assert await interrupted(migrated, monkeypatch, rotate) == len(ledgers) + 1
    assert await interrupted(migrated, monkeypatch, retire) == len(ledgers) + 1
    async with open_appliance(migrated) as appliance:
        new = appliance.read_ledger.key
        assert new != old
        for ledger_id in ledgers:
            begun = [("introduced", old)] if ledger_id == "system" else []
            assert await ed25519_records(appliance, ledger_id) == [*begun, ("introduced", new), ("retired", old)]
        states = [key.state for key in await appliance.rotate_keys.keys.all()]
        assert states == [KeyState.RETIRED, KeyState.ACTIVE, KeyState.ACTIVE]


async def test_another_replica_signs_with_both_keys_and_then_with_the_new_one_alone(migrated: Settings) -> None:
    async with open_appliance(migrated) as replica, open_appliance(migrated) as operator:
        old = replica.read_ledger.key

        async def until(count: int) -> None:
            async with asyncio.timeout(20):
                while len(replica.read_ledger.keys) != count:  # noqa: ASYNC110  # it polls, and so do we
                    await asyncio.sleep(0.05)

        async def signatures() -> int:
            note = sign_checkpoint(replica.parts.signer, await replica.ledger.head("system"))
            return len(note.split("\n\n")[1].splitlines())

        await rotate(operator)
        await until(3)
        assert await signatures() == 2
        await retire(operator)
        await until(2)
        assert await signatures() == 1
        assert old not in replica.read_ledger.keys
        size = (await replica.ledger.head("system")).size
        async with open_appliance(migrated) as restarted:
            for one in (replica, restarted):
                for records, expected in ((1, [old]), (size, [])):
                    assert await keys_of_then(one.parts.signer, one.ledger, "system", records) == expected
