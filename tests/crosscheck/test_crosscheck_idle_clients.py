"""Over a rotation: who trusts the old key alone, and was away meanwhile, follows by what the server gives out later."""

from __future__ import annotations

import asyncio

import pytest
from governlayer._keys import PinnedKey, succession, trusted_signers
from governlayer._receipt import Receipt, parse_receipt
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.usecases.answer_once import Once
from governlayer_server.usecases.record_key_event import KeyEvent, key_record

from tests.crosscheck.test_crosscheck_rotation import Rotated, begun, verdict
from tests.fakes.appliance import action, principal_of


async def key_receipts(made: Rotated) -> list[Receipt]:
    """What an SDK asks for when an unknown key signs: receipts of the ``ledger.key`` records, without a size."""
    ledger_id = str(made.organization_id)
    records = await made.appliance.ledger.records(ledger_id, -1, 200, RecordFilter(type="ledger.key"))
    return [parse_receipt(await made.appliance.make_receipt(made.organization_id, one.seq)) for one in records]


async def rotated(rotations: int) -> Rotated:
    made = await begun()
    for _ in range(rotations):
        await made.rotate()
        await made.grow()
        await made.retire()
        await made.grow()
        await made.appliance.publish_checkpoints.one(str(made.organization_id))
    return made


@pytest.mark.parametrize("rotations", [1, 2, 3])
def test_a_client_that_was_idle_during_the_overlap_follows_to_the_newest_key(rotations: int) -> None:
    async def over() -> tuple[Rotated, list[Receipt], int]:
        made = await rotated(rotations)
        return made, await key_receipts(made), (await made.appliance.ledger.head(str(made.organization_id))).size

    made, receipts, size = asyncio.run(over())
    origin = receipts[0].checkpoint.origin
    for trusted in made.keys:
        known = succession((PinnedKey(trusted),), origin, receipts)
        serving = [key.vkey for key in known if key.serves(size)]
        assert serving == [made.keys[-1]]


async def sizes_before(made: Rotated) -> list[int]:
    """Sizes of the ledger that were never published: before the rotation, and in the overlap."""
    ledger_id, sizes = str(made.organization_id), []
    sizes.append((await made.appliance.ledger.head(ledger_id)).size)
    await made.rotate()
    await made.grow()
    sizes.append((await made.appliance.ledger.head(ledger_id)).size)
    await made.grow()
    await made.retire()
    await made.grow()
    assert not [size for size in sizes if await made.appliance.checkpoints.at(ledger_id, size)]
    return sizes


def accepted(receipt: str, vkey: str) -> bool:
    checkpoint = parse_receipt(receipt).checkpoint
    return bool(trusted_signers((PinnedKey(vkey),), checkpoint))


def test_what_ends_before_the_old_key_was_retired_is_good_for_each_key_alone() -> None:
    async def made_later() -> tuple[Rotated, list[str], list[bytes]]:
        made = await begun()
        sizes = await sizes_before(made)
        receipts = [await made.appliance.make_receipt(made.organization_id, 1, size) for size in sizes]
        return made, receipts, [await made.dump(last=size - 1) for size in sizes]

    made, receipts, dumps = asyncio.run(made_later())
    for key in made.keys:
        assert [accepted(receipt, key) for receipt in receipts] == [True, True]
        assert [verdict(dump, key) for dump in dumps] == ["valid", "valid"]


def test_what_ends_beyond_the_retirement_of_the_old_key_is_not_signed_by_it() -> None:
    async def beyond() -> tuple[Rotated, list[str]]:
        made = await rotated(1)
        receipts = [await made.appliance.make_receipt(made.organization_id, 1, size) for size in await last_by(made)]
        return made, receipts

    made, receipts = asyncio.run(beyond())
    assert [accepted(receipt, made.keys[0]) for receipt in receipts] == [True, False]
    assert [accepted(receipt, made.keys[1]) for receipt in receipts] == [True, True]


async def last_by(made: Rotated) -> tuple[int, int]:
    """The largest size that counts by the old key, and the next: that which holds the record of its retirement."""
    retired = await key_record(made.appliance.ledger, str(made.organization_id), made.keys[0], KeyEvent.RETIRED)
    assert retired is not None
    return retired.seq, retired.seq + 1


async def answer(made: Rotated) -> str:
    """The receipt of the answer to one question, which is always asked with the same key."""
    organization, *_ = await made.appliance.accounts.organizations()
    once = Once(key="request-1", body=b"{}")
    given = await made.appliance.govern(principal_of(organization), action("x", options={"receipt": True}), once)
    return str(given.decision.receipt)


@pytest.mark.parametrize("overlap", [False, True])
def test_an_answer_that_is_given_again_after_the_retirement_is_good_for_each_key_alone(overlap: bool) -> None:
    async def again() -> tuple[Rotated, str, str]:
        made = await begun()
        if overlap:
            await made.rotate()
        first = await answer(made)
        if not overlap:
            await made.rotate()
        await made.retire()
        return made, first, await answer(made)

    made, first, second = asyncio.run(again())
    assert parse_receipt(first).record == parse_receipt(second).record
    assert [accepted(second, key) for key in made.keys] == [True, True]
