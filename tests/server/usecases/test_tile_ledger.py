"""Tiling many ledgers: what is wrong with one costs the others nothing, and a closed one is left as it is."""

import pytest
from governlayer_server.domain.errors import LedgerRefused
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.usecases.record_event import record_event
from governlayer_server.usecases.tile_ledger import TileLedger

from tests.fakes.appliance import FakeAppliance


class Closed:
    """A guard that closes one ledger."""

    def __init__(self, ledger_id: str) -> None:
        self._closed = ledger_id

    def require_open(self, ledger_id: str) -> None:
        if ledger_id == self._closed:
            raise LedgerRefused


@pytest.fixture
async def ledgers(appliance: FakeAppliance, acme: Organization) -> list[str]:
    """Two ledgers to tile, in the order in which they are."""
    other = await appliance.create_organization("Other", acme.plan, "other@example.com", None)
    for one in (acme, other):
        while (await appliance.ledger.head(str(one.id))).size < 256:
            await record_event(appliance.ledger, appliance.clock, appliance.entropy, str(one.id), SYSTEM, "test", {})
    return list(await appliance.ledger.untiled())


async def tiled(appliance: FakeAppliance, ledgers: list[str]) -> list[int]:
    return [await appliance.ledger.tiled(one) for one in ledgers]


async def test_an_unexpected_error_of_one_ledger_costs_the_others_nothing(
    appliance: FakeAppliance, ledgers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    head = appliance.ledger.head

    async def broken(ledger_id: str) -> Head:
        if ledger_id == ledgers[0]:
            raise ValueError("edge")
        return await head(ledger_id)

    monkeypatch.setattr(appliance.ledger, "head", broken)
    with pytest.raises(ValueError, match="edge"):
        await TileLedger(ledger=appliance.ledger)()
    assert await tiled(appliance, ledgers) == [0, 1]


async def test_a_closed_ledger_is_not_tiled(appliance: FakeAppliance, ledgers: list[str]) -> None:
    tile = TileLedger(ledger=appliance.ledger, guard=Closed(ledgers[0]))
    await tile()
    assert await tiled(appliance, ledgers) == [0, 1]
    with pytest.raises(LedgerRefused):
        await tile.one(ledgers[0])
