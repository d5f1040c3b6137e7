"""Receipts, earlier heads and tiles of a ledger of real records."""

import base64
from typing import Any

import pytest
from governlayer_server.domain.errors import InvalidRequest, LedgerDamaged, LedgerRefused, NotFound
from governlayer_server.domain.ledger.chain import Head, empty_head
from governlayer_server.domain.ledger.proofs import verify_inclusion
from governlayer_server.domain.ledger.tiles import TilePath
from governlayer_server.domain.ledger.tree import leaf_hash, root
from governlayer_server.domain.organization import Organization
from governlayer_server.ports.checkpoints import Checkpoint
from governlayer_server.usecases.tile_ledger import TileLedger
from msgspec.structs import replace

from tests.fakes.appliance import FakeAppliance


@pytest.fixture
async def heads(appliance: FakeAppliance, acme: Organization) -> list[Head]:
    """Where the ledger stood at each size from 2 up to 300 records, and at 0."""
    ledger_id = str(acme.id)
    first = await appliance.ledger.head(ledger_id)
    found = [*[empty_head(first.origin)] * first.size, first]
    while found[-1].size < 300:
        await appliance.key_for(acme)
        found.append(await appliance.ledger.head(ledger_id))
    return found


def read(receipt: str) -> dict[str, Any]:
    head, checkpoint = receipt.split("\n\n", 1)
    first, extra, index, *proof = head.split("\n")
    assert first == "c2sp.org/tlog-proof@v1"
    origin, size, root_text, _ = checkpoint.split("\n", 3)
    return {
        "record": base64.b64decode(extra.removeprefix("extra ")),
        "seq": int(index.removeprefix("index ")),
        "proof": [base64.b64decode(one) for one in proof],
        "size": int(size),
        "root": base64.b64decode(root_text),
        "origin": origin,
        "note": checkpoint,
    }


async def altered(appliance: FakeAppliance, acme: Organization, seq: int) -> None:
    """Somebody changes a record behind the appliance's back."""
    record = await appliance.ledger.record(str(acme.id), seq)
    appliance.ledger.replace(str(acme.id), replace(record, canonical=record.canonical + b" "))


async def published(appliance: FakeAppliance, acme: Organization, head: Head) -> Checkpoint:
    made = Checkpoint(
        ledger_id=str(acme.id), size=head.size, root=root(head.edge), note="a cosigned note\n", published_us=1
    )
    assert await appliance.checkpoints.add(made)
    return made


@pytest.mark.parametrize(("seq", "size"), [(0, 2), (0, 300), (1, 299), (255, 256), (255, 300), (256, 257), (299, 300)])
async def test_a_receipt_proves_the_record_at_any_later_size(
    appliance: FakeAppliance, acme: Organization, heads: list[Head], seq: int, size: int
) -> None:
    told = read(await appliance.make_receipt(acme.id, seq, size))
    assert (told["seq"], told["size"], told["root"]) == (seq, size, root(heads[size].edge))
    assert told["record"] == (await appliance.ledger.record(str(acme.id), seq)).canonical
    verify_inclusion(leaf_hash(told["record"]), seq, size, told["proof"], told["root"])


async def test_a_published_checkpoint_comes_before_one_of_our_own(
    appliance: FakeAppliance, acme: Organization, heads: list[Head]
) -> None:
    assert read(await appliance.make_receipt(acme.id, 3))["size"] == 300
    made = await published(appliance, acme, heads[280])
    for seq, size in ((3, None), (279, None), (3, 280)):
        assert (await appliance.make_receipt(acme.id, seq, size)).endswith("\n\n" + made.note)
    assert read(await appliance.make_receipt(acme.id, 280))["size"] == 300


async def test_nothing_is_signed_that_contradicts_what_was_published(
    appliance: FakeAppliance, acme: Organization, heads: list[Head]
) -> None:
    await published(appliance, acme, replace(heads[280], edge=replace(heads[280].edge, hashes=heads[281].edge.hashes)))
    for size in (None, 280):
        with pytest.raises(LedgerDamaged, match="published"):
            await appliance.make_receipt(acme.id, 3, size)


async def test_no_receipt_is_made_where_the_published_ledger_was_longer(
    appliance: FakeAppliance, acme: Organization, heads: list[Head]
) -> None:
    longer = replace(heads[300], edge=replace(heads[300].edge, size=301))
    await published(appliance, acme, longer)
    with pytest.raises(LedgerDamaged, match="shorter"):
        await appliance.make_receipt(acme.id, 3)


@pytest.mark.parametrize(
    ("seq", "size", "error"), [(300, None, NotFound), (5, 5, InvalidRequest), (5, 301, InvalidRequest)]
)
async def test_what_is_not_there_has_no_receipt(
    appliance: FakeAppliance, acme: Organization, heads: list[Head], seq: int, size: int | None, error: type[Exception]
) -> None:
    assert heads
    with pytest.raises(error):
        await appliance.make_receipt(acme.id, seq, size)


@pytest.mark.parametrize("seq", [3, 260])
async def test_an_altered_record_has_no_receipt(
    appliance: FakeAppliance, acme: Organization, heads: list[Head], seq: int
) -> None:
    assert await appliance.make_receipt(acme.id, seq)
    await altered(appliance, acme, seq)
    for size in (None, seq + 1, 299):
        with pytest.raises(LedgerDamaged):
            await appliance.make_receipt(acme.id, seq, size)
    assert heads


async def test_earlier_heads_are_told_as_they_were(
    appliance: FakeAppliance, acme: Organization, heads: list[Head]
) -> None:
    for size in (0, *range(2, 12), *range(250, 262), 299, 300):
        assert await appliance.prove_ledger.head(str(acme.id), size) == heads[size]
    with pytest.raises(InvalidRequest):
        await appliance.prove_ledger.head(str(acme.id), 301)


async def test_an_earlier_head_with_an_altered_record_is_not_told(
    appliance: FakeAppliance, acme: Organization, heads: list[Head]
) -> None:
    assert heads
    await TileLedger(ledger=appliance.ledger).one(str(acme.id))
    for size in (100, 200, 290):
        await altered(appliance, acme, size - 1)
        with pytest.raises(LedgerDamaged):
            await appliance.prove_ledger.head(str(acme.id), size)


async def test_entry_bundles_hold_the_records(appliance: FakeAppliance, acme: Organization, heads: list[Head]) -> None:
    assert heads
    records = appliance.ledger.canonical(str(acme.id))
    for path, expected in (
        (TilePath(None, 0), records[:256]),
        (TilePath(None, 1, 44), records[256:]),
        (TilePath(None, 1, 2), records[256:258]),
    ):
        content = await appliance.read_tiles(acme.id, path)
        assert content == b"".join(len(one).to_bytes(2, "big") + one for one in expected)
    for path in (TilePath(None, 1, 45), TilePath(None, 1), TilePath(None, 2, 1)):
        with pytest.raises(NotFound):
            await appliance.read_tiles(acme.id, path)
    await altered(appliance, acme, 7)
    with pytest.raises(LedgerDamaged):
        await appliance.read_tiles(acme.id, TilePath(None, 0))


async def test_nothing_is_signed_for_a_ledger_that_is_closed(
    appliance: FakeAppliance, acme: Organization, heads: list[Head]
) -> None:
    class Closed:
        def require_open(self, _: str) -> None:
            raise LedgerRefused

    closed = replace(appliance.make_receipt, guard=Closed())
    with pytest.raises(LedgerRefused):
        await closed(acme.id, 3)
    made = await published(appliance, acme, heads[280])
    assert (await closed(acme.id, 3)).endswith(made.note), "what was signed before is told"
