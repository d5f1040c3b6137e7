"""What became of appends is counted where they are made, and what failed by its code."""

import asyncio

import pytest
from governlayer_server.adapters.postgres.append_tally import AppendTally
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.domain.errors import NotFound, Overloaded
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.record_event import event
from msgspec.structs import replace

from tests.fakes.clock import FakeClock, FakeEntropy


def append(clock: FakeClock, entropy: FakeEntropy, ledger_id: str, decision: str | None, code: str = "x") -> Append:
    made = event(clock, entropy, ledger_id, SYSTEM, "decision", {"reason_code": code})
    return replace(made, decision=decision)


async def test_records_decisions_and_failed_evaluations_are_counted_once_they_are_durable(
    database: Database, clock: FakeClock, entropy: FakeEntropy
) -> None:
    tally = AppendTally(clock)
    store = PostgresLedgerStore(database, clock, None, tally)
    ledger_id = str(entropy.bytes(8).hex())
    await store.create(ledger_id, None, f"test/ledgers/{ledger_id}")
    for decision, code in (("allow", "x"), ("deny", "evaluation_failed"), ("deny", "x"), (None, "evaluation_failed")):
        await store.append(append(clock, entropy, ledger_id, decision, code))
    with pytest.raises(NotFound):
        await store.append(append(clock, entropy, "nowhere", "allow"))
    assert (tally.done, tally.evaluations_failed, tally.waiting) == (4, 1, 0)
    assert tally.decisions == {"allow": 1, "deny": 2}
    assert tally.failed == {"not_found": 1}


async def test_what_waits_and_what_it_took_are_told(clock: FakeClock, entropy: FakeEntropy) -> None:
    tally = AppendTally(clock)
    one = append(clock, entropy, "a", "redact")
    with tally.count(one), tally.count(one):
        assert (tally.waiting, tally.done) == (2, 0)
    # The fake clock's monotonic time goes on by one with each look.
    assert (tally.waiting, tally.done, tally.took_us) == (0, 2, 1 + 3)


@pytest.mark.parametrize("error", [Overloaded("full"), asyncio.CancelledError()])
async def test_what_was_not_made_is_no_decision(clock: FakeClock, entropy: FakeEntropy, error: BaseException) -> None:
    tally = AppendTally(clock)
    with pytest.raises(type(error)), tally.count(append(clock, entropy, "a", "allow")):
        raise error
    assert (tally.waiting, tally.done, tally.decisions) == (0, 0, {})
    assert tally.failed == ({"overloaded": 1} if isinstance(error, Overloaded) else {})
