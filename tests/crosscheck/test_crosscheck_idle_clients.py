"""Over a rotation: who trusts the old key alone, and was away meanwhile, follows by what the server gives out later."""

from __future__ import annotations

import asyncio

import pytest
from governlayer._keys import PinnedKey, succession
from governlayer._receipt import Receipt, parse_receipt
from governlayer_server.ports.ledger import RecordFilter

from tests.crosscheck.test_crosscheck_rotation import Rotated, begun


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
