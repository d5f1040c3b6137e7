"""The appliance recomputes its ledger: sound as a whole and in pieces, and each thing that is not sound is named."""

from hashlib import sha256
from typing import Any

import pytest
from governlayer_server.domain.errors import InvalidRequest
from governlayer_server.domain.ledger.tiles import Tile
from governlayer_server.domain.ledger.tree import root
from governlayer_server.domain.organization import Organization
from governlayer_server.ports.checkpoints import Checkpoint
from governlayer_server.usecases.tile_ledger import TileLedger
from governlayer_server.usecases.verify_ledger import Verified
from msgspec.structs import replace

from tests.fakes.appliance import FakeAppliance, action, principal_of

SIZE = 530


@pytest.fixture
async def filled(appliance: FakeAppliance, acme: Organization) -> Organization:
    for _ in range(4):
        await appliance.govern(principal_of(acme), action("hello"))
    while (await appliance.ledger.head(str(acme.id))).size < SIZE:
        await appliance.key_for(acme)
    await TileLedger(ledger=appliance.ledger).one(str(acme.id))
    return acme


async def verify(appliance: FakeAppliance, acme: Organization, **options: Any) -> Verified:
    return await appliance.verify_ledger(acme.id, **options)


def bad(found: Verified) -> tuple[str, int | None]:
    assert not found.verified
    assert found.next is None
    assert found.first_bad is not None
    return found.first_bad.step, found.first_bad.seq


async def test_a_sound_ledger_is_verified(appliance: FakeAppliance, filled: Organization) -> None:
    head = await appliance.ledger.head(str(filled.id))
    found = await verify(appliance, filled)
    assert (found.verified, found.first_bad, found.next) == (True, None, None)
    assert (found.size, found.head_hash) == (SIZE, head.hash.hex())
    assert (found.checked.records, found.checked.tiles, found.checked.checkpoints) == (SIZE, 4, 0)


async def test_a_large_ledger_is_verified_in_pieces(appliance: FakeAppliance, filled: Organization) -> None:
    hurried = replace(appliance.verify_ledger, budget_us=0)
    first, sizes = 0, []
    while True:
        found = await hurried(filled.id, first)
        assert found.verified
        sizes.append(found.size)
        if found.next is None:
            break
        first = found.next
    assert sizes == [256, 512, SIZE]


@pytest.mark.parametrize(("first", "last"), [(0, 0), (5, 5), (3, 300), (256, 511), (529, None), (530, None), (0, -1)])
async def test_any_range_is_verified(
    appliance: FakeAppliance, filled: Organization, first: int, last: int | None
) -> None:
    found = await verify(appliance, filled, first=first, last=last)
    end = SIZE if last is None else last + 1
    assert (found.verified, found.size, found.checked.records) == (True, end, end - first)


@pytest.mark.parametrize(("first", "last"), [(-1, None), (531, None), (0, 530), (0, -2), (7, 5)])
async def test_a_range_that_is_not_there_is_refused(
    appliance: FakeAppliance, filled: Organization, first: int, last: int | None
) -> None:
    with pytest.raises(InvalidRequest):
        await verify(appliance, filled, first=first, last=last)


async def _change(appliance: FakeAppliance, acme: Organization, seq: int, old: bytes, new: bytes) -> None:
    """Somebody changes a record, and its hash with it."""
    record = await appliance.ledger.record(str(acme.id), seq)
    canonical = record.canonical.replace(old, new)
    assert canonical != record.canonical
    changed = replace(record, canonical=canonical, hash=sha256(canonical).digest())
    appliance.ledger.replace(str(acme.id), changed)


async def test_a_changed_record_is_found_by_the_link_of_the_next(
    appliance: FakeAppliance, filled: Organization
) -> None:
    await _change(appliance, filled, 3, b'"enforced":true', b'"enforced":false')
    assert bad(await verify(appliance, filled)) == ("link", 4)
    assert bad(await verify(appliance, filled, last=3))[0] == "tree"
    assert (await verify(appliance, filled, first=5, last=200)).verified


async def test_a_change_of_the_newest_record_is_found_by_the_tree(
    appliance: FakeAppliance, filled: Organization
) -> None:
    await _change(appliance, filled, SIZE - 1, b'"v":1}', b'"v":1} ')
    assert bad(await verify(appliance, filled)) == ("canonical", SIZE - 1)
    await _change(appliance, filled, SIZE - 1, b'"v":1} ', b'"v":1}')
    await _change(appliance, filled, SIZE - 1, b'"allowed_ips":0', b'"allowed_ips":1')
    assert bad(await verify(appliance, filled))[0] == "tree"


@pytest.mark.parametrize(
    ("columns", "step"),
    [({"hash": bytes(32)}, "hash"), ({"prev_hash": bytes(32)}, "column"), ({"decision": "deny"}, "column"),
     ({"time_us": 1}, "column"), ({"agent": "other"}, "column"), ({"type": "scan"}, "column")],
)  # fmt: skip
async def test_changed_columns_are_found(
    appliance: FakeAppliance, filled: Organization, columns: dict[str, Any], step: str
) -> None:
    appliance.ledger_audit.columns[str(filled.id), 4] = columns
    assert bad(await verify(appliance, filled)) == (step, 4)
    assert (await verify(appliance, filled, first=5)).verified


@pytest.mark.parametrize(("tile", "at", "seq"), [(Tile(0, 0), 77, 0), (Tile(0, 1), 0, 256), (Tile(1, 0), 1, 256)])
async def test_changed_tiles_are_found(
    appliance: FakeAppliance, filled: Organization, tile: Tile, at: int, seq: int
) -> None:
    place = (str(filled.id), tile)
    row = bytearray(appliance.ledger.tile_rows[place])
    row[at * 32] ^= 1
    appliance.ledger.tile_rows[place] = bytes(row)
    assert bad(await verify(appliance, filled)) == ("tile", seq)


async def test_the_newest_checkpoint_is_compared(appliance: FakeAppliance, filled: Organization) -> None:
    head = await appliance.prove_ledger.head(str(filled.id), 400)
    good = Checkpoint(ledger_id=str(filled.id), size=400, root=root(head.edge), note="n", published_us=1)
    await appliance.checkpoints.add(good)
    assert (await verify(appliance, filled)).checked.checkpoints == 1
    await appliance.checkpoints.add(replace(good, size=401, extends=400))
    assert bad(await verify(appliance, filled)) == ("checkpoint", None)
    await appliance.checkpoints.add(replace(good, size=SIZE + 1, extends=401))
    assert bad(await verify(appliance, filled)) == ("checkpoint", None)


async def test_a_missing_record_is_found(appliance: FakeAppliance, filled: Organization) -> None:
    del appliance.ledger._ledgers[str(filled.id)].rows[100]
    assert bad(await verify(appliance, filled)) == ("sequence", 100)
