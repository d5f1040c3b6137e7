"""Rotation: every ledger learns of the new key, both sign until the old one is retired, and any step can be repeated."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.domain.errors import CipherError, Conflict, LedgerDamaged, LedgerUnavailable
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports.ledger import Append, Entry, RecordFilter
from governlayer_server.ports.ledger_keys import Algorithm, KeyState, LedgerKey
from governlayer_server.usecases.record_key_event import KeyEvent, record_key_event
from governlayer_server.usecases.rotate_keys import MIN_OVERLAP_US
from governlayer_server.usecases.sign_checkpoint import sign_checkpoint
from msgspec.structs import replace

from tests.fakes.appliance import DEPLOYMENT, SEED, FakeAppliance

OLD = Ed25519Signer(DEPLOYMENT, SEED)
FIRST = OLD.vkey
# The steps that can be interrupted: what they write to.
STEPS = [
    ("ledger", "append"), ("ledger_keys", "add"), ("ledger_keys", "move"), ("checkpoints", "add"),
    ("ledger", "place_of"), ("accounts", "organizations"),
]  # fmt: skip


def quiet(*_: int) -> None:
    pass


async def rotate(appliance: FakeAppliance) -> LedgerKey:
    return await appliance.rotate_keys.rotate(Algorithm.ED25519, quiet)


async def retire(appliance: FakeAppliance, *, at_once: bool = False) -> LedgerKey:
    return await appliance.rotate_keys.retire(Algorithm.ED25519, quiet, at_once=at_once)


async def key_records(appliance: FakeAppliance, ledger_id: str) -> list[tuple[str, str]]:
    records = await appliance.ledger.records(ledger_id, -1, 1_000, RecordFilter(type="ledger.key"))
    bodies = [json.loads(record.canonical)["body"] for record in records]
    return [(body["event"], body["vkey"]) for body in bodies]


async def states(appliance: FakeAppliance) -> list[KeyState]:
    return [key.state for key in await appliance.ledger_keys.all()]


@pytest.fixture
async def both(appliance: FakeAppliance, acme: Organization) -> list[str]:
    """Three ledgers: of the deployment, and of two organizations."""
    other = await appliance.create_organization("Other", acme.plan, "other@example.com", None)
    return [SYSTEM_LEDGER, str(acme.id), str(other.id)]


async def test_a_new_key_is_introduced_in_every_ledger_and_both_sign(appliance: FakeAppliance, both: list[str]) -> None:
    told: list[tuple[int, int]] = []
    new = await appliance.rotate_keys.rotate(Algorithm.ED25519, lambda *one: told.append(one))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert (new.state, new.vkey != FIRST) == (KeyState.ACTIVE, True)
    for ledger_id in both:
        assert await key_records(appliance, ledger_id) == [("introduced", new.vkey)]
    assert appliance.read_ledger.keys == [FIRST, new.vkey]
    assert appliance.read_ledger.key == new.vkey, "the one to give to auditors"
    head = await appliance.ledger.head(both[1])
    lines = sign_checkpoint(appliance.signer, head).split("\n\n")[1].splitlines()
    assert len(lines) == 2
    assert lines[0] + "\n" == OLD.line(sign_checkpoint(appliance.signer, head).split("\n\n")[0] + "\n")


async def test_the_old_key_is_retired_in_every_ledger_behind_a_checkpoint_of_both(
    appliance: FakeAppliance, both: list[str]
) -> None:
    new = await rotate(appliance)
    appliance.clock.advance(MIN_OVERLAP_US)
    old = await retire(appliance)
    assert (old.vkey, old.state, old.retired_us) == (FIRST, KeyState.RETIRED, appliance.clock.now_us())
    for ledger_id in both:
        assert await key_records(appliance, ledger_id) == [("introduced", new.vkey), ("retired", FIRST)]
        size = (await appliance.ledger.head(ledger_id)).size
        checkpoint = await appliance.checkpoints.newest(ledger_id)
        assert checkpoint is not None
        assert checkpoint.size == size - 1, "it covers the introduction, not the retirement"
        assert len(checkpoint.note.split("\n\n")[1].splitlines()) >= 2
    assert appliance.read_ledger.keys == [new.vkey]
    note = sign_checkpoint(appliance.signer, await appliance.ledger.head(both[1]))
    assert len(note.split("\n\n")[1].splitlines()) == 1


async def test_an_organization_founded_during_the_overlap_learns_of_both(
    appliance: FakeAppliance, acme: Organization
) -> None:
    new = await rotate(appliance)
    late = await appliance.create_organization("Late", acme.plan, "late@example.com", None)
    assert await key_records(appliance, str(late.id)) == []
    appliance.clock.advance(MIN_OVERLAP_US)
    await retire(appliance)
    assert await key_records(appliance, str(late.id)) == [("introduced", new.vkey), ("retired", FIRST)]


async def test_an_organization_founded_in_the_middle_of_a_rotation_is_not_left_out(
    appliance: FakeAppliance, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[Organization] = []

    async def founding(append: Append) -> Entry:
        if not late and append.draft.type == "ledger.key":
            late.append(await appliance.create_organization("Late", acme.plan, "late@example.com", None))
        return await append_(append)

    append_ = appliance.ledger.append
    monkeypatch.setattr(appliance.ledger, "append", founding)
    new = await rotate(appliance)
    assert await key_records(appliance, str(late[0].id)) == [("introduced", new.vkey)]


async def test_what_cannot_be_done_yet_is_refused_and_changes_nothing(
    appliance: FakeAppliance, both: list[str]
) -> None:
    with pytest.raises(Conflict, match="rotate-key"):
        await retire(appliance)
    await rotate(appliance)
    with pytest.raises(Conflict, match="120 s"):
        await retire(appliance)
    appliance.clock.advance(MIN_OVERLAP_US - 1)
    with pytest.raises(Conflict, match="1 s"):
        await retire(appliance)
    with pytest.raises(Conflict, match="retire-key"):
        await rotate(appliance)
    assert await states(appliance) == [KeyState.ACTIVE, KeyState.ACTIVE]
    assert [event for event, _ in await key_records(appliance, both[0])] == ["introduced"]
    await retire(appliance, at_once=True)
    assert sorted(await states(appliance)) == [KeyState.ACTIVE, KeyState.RETIRED]


async def test_two_operators_at_once_make_one_key(appliance: FakeAppliance, both: list[str]) -> None:
    one, other = await asyncio.gather(rotate(appliance), rotate(appliance))
    assert one.vkey == other.vkey
    for ledger_id in both:
        assert await key_records(appliance, ledger_id) == [("introduced", one.vkey)]


def failing_at(monkeypatch: pytest.MonkeyPatch, appliance: FakeAppliance, count: int, *, after: bool) -> list[int]:
    """Make the *count*-th step fail: before it is done, or after it, as if the process had been killed there."""
    left = [count]

    def guarded(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def step(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and not after:
                raise LedgerUnavailable("killed")
            result = await method(*arguments, **named)
            if left[0] == 0:
                raise LedgerUnavailable("killed")
            return result

        return step

    for store, name in STEPS:
        part = getattr(appliance, store)
        monkeypatch.setattr(part, name, guarded(getattr(part, name)))
    return left


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("act", [rotate, retire], ids=["rotate", "retire"])
async def test_what_was_interrupted_at_any_step_is_completed_by_repeating_it(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[FakeAppliance], Awaitable[LedgerKey]], after: bool
) -> None:
    interrupted = 0
    for count in range(1, 200):
        appliance = FakeAppliance()
        acme = await appliance.start()
        if act is retire:
            await rotate(appliance)
            appliance.clock.advance(MIN_OVERLAP_US)
        with monkeypatch.context() as patch:
            left = failing_at(patch, appliance, count, after=after)
            try:
                await act(appliance)
            except LedgerUnavailable:
                interrupted += 1
                assert len(appliance.read_ledger.keys) >= 1
        key = await act(appliance) if await unfinished(appliance, act) else (await appliance.ledger_keys.all())[-1]
        assert key is not None
        events = [("introduced", appliance.read_ledger.key), ("retired", FIRST)][: 2 if act is retire else 1]
        for ledger_id in (SYSTEM_LEDGER, str(acme.id)):
            assert await key_records(appliance, ledger_id) == events, count
        wanted = [KeyState.ACTIVE, KeyState.RETIRED] if act is retire else [KeyState.ACTIVE, KeyState.ACTIVE]
        assert sorted(await states(appliance)) == wanted
        if left[0] > 0:
            break
    assert interrupted >= 6


async def unfinished(appliance: FakeAppliance, act: Callable[[FakeAppliance], Awaitable[LedgerKey]]) -> bool:
    found = await states(appliance)
    return found.count(KeyState.ACTIVE) != 2 if act is rotate else KeyState.RETIRED not in found


async def test_a_ledger_that_takes_no_records_stops_the_end_and_no_other_ledger(
    appliance: FakeAppliance, both: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refusing(append: Append) -> Entry:
        if append.ledger_id == both[1]:
            raise LedgerDamaged("refused")
        return await append_(append)

    append_ = appliance.ledger.append
    with monkeypatch.context() as patch:
        patch.setattr(appliance.ledger, "append", refusing)
        with pytest.raises(LedgerDamaged):
            await rotate(appliance)
    assert [len(await key_records(appliance, one)) for one in both] == [1, 0, 1]
    with pytest.raises(Conflict, match="rotate-key"):
        await retire(appliance)
    new = await rotate(appliance)
    assert new.state is KeyState.ACTIVE
    assert [await key_records(appliance, one) for one in both] == [[("introduced", new.vkey)]] * 3


async def test_a_checkpoint_by_a_process_that_knew_the_old_key_alone_does_not_do_for_handing_over(
    appliance: FakeAppliance, acme: Organization
) -> None:
    new = await rotate(appliance)
    appliance.signer.renew([OLD])
    await appliance.publish_checkpoints.one(str(acme.id))
    appliance.clock.advance(MIN_OVERLAP_US)
    await retire(appliance)
    assert await key_records(appliance, str(acme.id)) == [
        ("introduced", new.vkey),
        ("introduced", new.vkey),
        ("retired", FIRST),
    ]
    newest = await appliance.checkpoints.newest(str(acme.id))
    assert newest is not None
    assert len(newest.note.split("\n\n")[1].splitlines()) >= 2


async def test_a_seed_put_in_the_place_of_another_signs_nothing(appliance: FakeAppliance, acme: Organization) -> None:
    assert acme
    new = await rotate(appliance)
    first, second = await appliance.ledger_keys.all()
    swapped = replace(second, wrapped_seed=first.wrapped_seed)
    appliance.sealed_keys._opened.clear()
    with pytest.raises(CipherError, match=new.key_id):
        appliance.sealed_keys.renew([first, swapped])
    assert appliance.read_ledger.keys == [FIRST, new.vkey], "nothing was changed"


async def test_a_retired_seed_that_does_not_open_is_left_out_and_stops_nothing(
    appliance: FakeAppliance, acme: Organization
) -> None:
    assert acme
    new = await rotate(appliance)
    await retire(appliance, at_once=True)
    first, second = await appliance.ledger_keys.all()
    assert appliance.signer.retired == [FIRST]
    appliance.sealed_keys._opened.clear()
    appliance.sealed_keys.renew([replace(first, wrapped_seed=second.wrapped_seed), second])
    assert (appliance.signer.retired, appliance.read_ledger.keys) == ([], [new.vkey])


async def test_an_event_is_recorded_once_however_many_record_it_at_once(
    appliance: FakeAppliance, acme: Organization
) -> None:
    records = await asyncio.gather(
        *(record_key_event(appliance.ledger, appliance.clock, str(acme.id), "vkey", KeyEvent.RETIRED) for _ in range(9))
    )
    assert len({record.seq for record in records}) == 1
    assert await key_records(appliance, str(acme.id)) == [("retired", "vkey")]
