"""Closed ledgers over two replicas: who lifts a refusal lifts it for all, however soon."""

from uuid import uuid4

import pytest
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.adapters.postgres.refusals import PostgresRefusals
from governlayer_server.domain.errors import LedgerRefused
from governlayer_server.domain.ledger.record import SYSTEM, Draft
from governlayer_server.ports.ledger import Append
from governlayer_server.ports.refusals import Refusal

from tests.fakes.clock import FakeClock


async def test_a_ledger_that_another_replica_opens_at_once_is_open_here_after_the_next_look(
    database: Database, clock: FakeClock
) -> None:
    here, there = PostgresRefusals(database, clock), PostgresRefusals(database, clock)
    ledger_id = f"test-{uuid4()}"
    await PostgresLedgerStore(database, clock).create(ledger_id, None, f"test/ledgers/{ledger_id}")
    await here.refuse(Refusal(ledger_id=ledger_id, found_us=1, evidence="{}"))
    with pytest.raises(LedgerRefused):
        here.require_open(ledger_id)
    await there.reload()
    with pytest.raises(LedgerRefused):
        there.require_open(ledger_id)
    draft = Draft(type="restore", actor=SYSTEM, body={"lost": None})
    await there.reopen(Append(ledger_id=ledger_id, record_id=uuid4(), draft=draft), 0)
    with pytest.raises(LedgerRefused):
        here.require_open(ledger_id)
    await here.reload()
    here.require_open(ledger_id)
