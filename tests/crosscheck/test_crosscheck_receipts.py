"""Receipts that are made later, against any checkpoint since: the verifier accepts each, and none that was changed."""

import asyncio

import pytest

from tests.crosscheck.ledgers import Written
from tests.fakes.appliance import FakeAppliance

RECORDS = 270
PLACES = [(0, 2), (256, 257), (0, RECORDS), (255, 256), (256, RECORDS), (255, 257), (RECORDS - 1, None), (1, 200)]


async def _write() -> tuple[Written, list[str]]:
    appliance = FakeAppliance()
    acme = await appliance.start()
    for _ in range(RECORDS - 2):
        await appliance.key_for(acme)
    receipts = [await appliance.make_receipt(acme.id, seq, size) for seq, size in PLACES]
    state = await appliance.read_ledger.state(acme.id)
    dump = await appliance.dump(acme.id)
    return Written(dump=dump, key=state.keys[0], origin=state.origin, checkpoint="", receipts=()), receipts


@pytest.fixture(scope="module")
def made() -> tuple[Written, list[str]]:
    return asyncio.run(_write())


def test_the_verifier_accepts_receipts_made_later(made: tuple[Written, list[str]]) -> None:
    written, receipts = made
    report = written.verdict(receipts=receipts)
    assert report.verdict == "valid", report.as_text()


def test_a_receipt_of_another_record_or_size_is_refused(made: tuple[Written, list[str]]) -> None:
    written, receipts = made
    for receipt, (seq, _) in zip(receipts, PLACES, strict=True):
        other = receipt.replace(f"\nindex {seq}\n", f"\nindex {seq + 1}\n")
        assert written.verdict(receipts=[other]).verdict != "valid"
    proofs = [one.split("\n\n", 1) for one in receipts]
    for (head, _), (_, note) in zip(proofs, proofs[1:] + proofs[:1], strict=True):
        assert written.verdict(receipts=[f"{head}\n\n{note}"]).verdict != "valid"
