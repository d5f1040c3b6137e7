"""A clock that jumps, forward or back, spoils no ledger: times never decrease, and all of it stays sound."""

from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.adapters.system import SystemEntropy
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.times import HOUR_US
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.usecases.record_event import record_event
from governlayer_server.wiring import open_appliance

from tests.fakes.clock import FakeClock
from tests.fakes.ledger_place import Place


async def test_records_of_replicas_whose_clocks_jumped_keep_their_order(place: Place) -> None:
    (acme,) = await place.found("acme")
    ledger_id = str(acme.id)
    async with open_appliance(place.settings) as appliance:
        now_us, parts = appliance.parts.clock.now_us(), appliance.parts
        for hours in (0, 3, 0, -3, 0, 4):
            clock = FakeClock(now_us + hours * HOUR_US)
            replica = PostgresLedgerStore(parts.database, clock, parts.refusals)
            await record_event(replica, clock, SystemEntropy(), ledger_id, SYSTEM, "decision.outcome", {"n": hours})
        await appliance.publish_checkpoints.one(ledger_id)
        records = await appliance.ledger.records(ledger_id, -1, 100, RecordFilter(type="decision.outcome"))
        found = await appliance.checks.fsck(ledger_id, acme.id)
    hours_ahead = [round((one.time_us - now_us) / HOUR_US) for one in records]
    assert hours_ahead == [0, 3, 3, 3, 3, 4]
    assert found.is_sound, found
