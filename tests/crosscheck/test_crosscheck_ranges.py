"""Dumps of a range: the verifier roots them in the tree of the whole, and accepts no change of their proofs."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from governlayer_server.domain.organization import Organization

from tests.crosscheck.ledgers import Written, edits, spelled
from tests.fakes.appliance import FakeAppliance
from tests.fakes.cosigned import publish_cosigned

SIZE = 300
RANGES = [(1, 1), (1, SIZE - 1), (255, 256), (256, 256), (256, 299), (200, 270), (299, 299)]


async def _ledger(appliance: FakeAppliance) -> Organization:
    acme = await appliance.start()
    for _ in range(SIZE - 2):
        await appliance.key_for(acme)
    return acme


async def _write(cosigned: Sequence[int]) -> list[Written]:
    appliance = FakeAppliance()
    acme = await _ledger(appliance)
    await publish_cosigned(appliance, acme.id, *cosigned)
    checkpoint = await appliance.read_ledger.checkpoint(acme.id)
    state = await appliance.read_ledger.state(acme.id)
    return [
        Written(
            dump=await appliance.dump(acme.id, first=first, last=last),
            key=state.keys[0], origin=state.origin, checkpoint=checkpoint, receipts=(),
        )
        for first, last in RANGES
    ]  # fmt: skip


@pytest.fixture(scope="module", params=[(), (1, 150, 256)], ids=["nothing cosigned", "cosigned"])
def written(request: pytest.FixtureRequest) -> list[Written]:
    return asyncio.run(_write(request.param))


def test_the_verifier_accepts_every_range(written: list[Written]) -> None:
    for made, (first, last) in zip(written, RANGES, strict=True):
        report = made.verdict()
        assert report.verdict == "valid", report.as_text()
        assert (report.first, report.last, report.records) == (first, last, last + 1 - first)


def test_a_checkpoint_of_the_end_covers_a_range_that_reaches_it(written: list[Written]) -> None:
    for made, (_, last) in zip(written, RANGES, strict=True):
        if last == SIZE - 1:
            assert made.verdict(checkpoints=[made.checkpoint]).verdict == "valid"


def test_no_edit_of_a_proof_is_accepted(written: list[Written]) -> None:
    tried = 0
    for made in (written[2], written[5]):
        lines = made.dump.splitlines(keepends=True)
        places = [place for place, line in enumerate(lines) if line.startswith((b'{"inclusion"', b'{"consistency"'))]
        for place in places:
            original = json.loads(lines[place])
            for what, edited in edits(original):
                dump = b"".join([*lines[:place], spelled(edited), *lines[place + 1 :]])
                assert made.verdict(dump).verdict != "valid", what
                tried += 1
            without = b"".join([*lines[:place], *lines[place + 1 :]])
            assert made.verdict(without).verdict != "valid"
    assert tried > 50
