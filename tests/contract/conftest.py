"""Every suite here runs over the fake and over the real implementation of its port."""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from governlayer_server.adapters.postgres.account_store import PostgresAccountStore
from governlayer_server.adapters.postgres.data_keys import PostgresDataKeys
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.domain.ledger.record import Actor, ActorKind, Draft
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.ports.data_keys import DataKeyStore, StoredSubjectKey
from governlayer_server.ports.ledger import Append, LedgerStore, Remember, SealedPayload

from tests.fakes.account_store import MemoryAccountStore
from tests.fakes.clock import FakeClock
from tests.fakes.data_keys import MemoryDataKeys
from tests.fakes.ledger_store import MemoryLedgerStore

ACTOR = Actor(id="0198c5c0-7f00-7000-8000-00000000000a", kind=ActorKind.API_KEY)


@dataclass
class World:
    """One implementation of the stores, and a ledger that no other test has."""

    ledger: LedgerStore
    accounts: AccountStore
    clock: FakeClock
    data_keys: DataKeyStore = field(default_factory=MemoryDataKeys)
    forgotten: list[UUID] = field(default_factory=list)
    ledger_id: str = field(default_factory=lambda: f"test-{uuid4()}")

    @property
    def origin(self) -> str:
        return f"test/ledgers/{self.ledger_id}"

    async def make_ledger(self) -> str:
        await self.ledger.create(self.ledger_id, None, self.origin)
        return self.ledger_id

    async def subject_key(self, index: bytes) -> UUID:
        """Return the id of a new key of a data subject."""
        key = StoredSubjectKey(id=uuid4(), index=index, wrapped=b"wrapped")
        await self.data_keys.add_subject_keys(self.ledger_id, [key], 1)
        return key.id

    def draft(self, number: int = 0, **values: object) -> Draft:
        return Draft(type=str(values.pop("type", "decision")), actor=ACTOR, body={"number": number, **values})

    def append(
        self,
        number: int = 0,
        *,
        record_type: str = "decision",
        agent: str | None = None,
        decision: str | None = None,
        payloads: tuple[SealedPayload, ...] = (),
        subjects: tuple[UUID, ...] = (),
        remember: Remember | None = None,
        record_id: UUID | None = None,
    ) -> Append:
        return Append(
            ledger_id=self.ledger_id,
            record_id=record_id or uuid4(),
            draft=self.draft(number, type=record_type),
            payloads=payloads,
            agent=agent,
            decision=decision,
            subjects=subjects,
            remember=remember,
        )


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest, clock: FakeClock) -> World:
    if request.param == "fake":
        data_keys = MemoryDataKeys()
        ledger = MemoryLedgerStore(clock, data_keys)
        accounts = MemoryAccountStore(ledger)
        return World(ledger=ledger, accounts=accounts, clock=clock, data_keys=data_keys, forgotten=accounts.forgotten)
    database, forgotten = request.getfixturevalue("database"), list[UUID]()

    async def forget(organization_id: UUID) -> None:
        forgotten.append(organization_id)

    async def ready(_: UUID | None) -> None:
        pass

    store = PostgresAccountStore(database, clock, forget, ready)
    return World(
        ledger=PostgresLedgerStore(database, clock),
        accounts=store,
        clock=clock,
        data_keys=PostgresDataKeys(database),
        forgotten=forgotten,
    )
