"""A tile that somebody alters in the database is found, and no proof is made of it."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from governlayer_server.adapters.postgres.checkpoints import PostgresCheckpointStore
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.ledger_audit import PostgresLedgerAudit
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.domain.errors import LedgerDamaged
from governlayer_server.domain.ledger.tiles import Tile
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.tile_ledger import TileLedger
from governlayer_server.usecases.verify_ledger import VerifyLedger

from tests.contract.conftest import World
from tests.fakes.clock import FakeClock
from tests.fakes.servers import Servers

SIZE = 300


class Stored:
    def __init__(self, database: Database, clock: FakeClock, owner: asyncpg.Connection) -> None:
        self.organization_id = uuid4()
        self.ledger = PostgresLedgerStore(database, clock)
        self.prove = ProveLedger(ledger=self.ledger)
        self.verify = VerifyLedger(
            audit=PostgresLedgerAudit(database),
            prove=self.prove,
            checkpoints=PostgresCheckpointStore(database),
            clock=clock,
        )
        self._owner = owner

    @property
    def ledger_id(self) -> str:
        return str(self.organization_id)

    async def alter(self, statement: str) -> None:
        """What the owner of the tables can do, who takes the triggers off before."""
        async with self._owner.transaction():
            for table in ("ledger_tile", "ledger_record"):
                await self._owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            assert await self._owner.execute(f"{statement} AND ledger_id = '{self.ledger_id}'") != "UPDATE 0"
            for table in ("ledger_tile", "ledger_record"):
                await self._owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")


@pytest.fixture
async def stored(database: Database, clock: FakeClock, servers: Servers) -> AsyncIterator[Stored]:
    owner = await asyncpg.connect(**{**servers.admin.options(), "database": servers.app.database})
    made = Stored(database, clock, owner)
    world = World(ledger=made.ledger, accounts=None, clock=clock, ledger_id=made.ledger_id)  # type: ignore[arg-type]
    await world.make_ledger()
    for number in range(SIZE):
        await made.ledger.append(world.append(number, record_type="scan"))
    await TileLedger(ledger=made.ledger).one(made.ledger_id)
    yield made
    await owner.close()


async def test_a_sound_ledger_is_proven_and_verified(stored: Stored) -> None:
    assert await stored.prove.inclusion(stored.ledger_id, 3, SIZE)
    found = await stored.verify(stored.organization_id)
    assert (found.verified, found.checked.records, found.checked.tiles) == (True, SIZE, 2)


@pytest.mark.parametrize("level", [0, 1])
async def test_nothing_is_proven_with_a_tile_that_was_altered(stored: Stored, level: int) -> None:
    await stored.alter(
        f"UPDATE ledger_tile SET hashes = set_byte(hashes, 5, 255 - get_byte(hashes, 5)) WHERE level = {level}"
    )
    if level == 0:  # what level 1 has so far, the head has too
        with pytest.raises(LedgerDamaged):
            await stored.prove.consistency(stored.ledger_id, 1, SIZE)
    with pytest.raises(LedgerDamaged):
        await stored.prove.tile(stored.ledger_id, Tile(level, 0), 256 if level == 0 else 1)
    found = await stored.verify(stored.organization_id)
    assert (found.verified, found.first_bad and found.first_bad.step) == (False, "tile")


async def test_a_record_that_was_altered_is_found_though_its_hash_was_too(stored: Stored) -> None:
    await stored.alter(
        "UPDATE ledger_record SET canonical = convert_to(replace(convert_from(canonical, 'UTF8'), '\"number\":7}', "
        "'\"number\":8}'), 'UTF8') WHERE seq = 7"
    )
    await stored.alter("UPDATE ledger_record SET hash = sha256(canonical) WHERE seq = 7")
    found = await stored.verify(stored.organization_id)
    assert found.first_bad is not None
    assert (found.verified, found.first_bad.step, found.first_bad.seq) == (False, "link", 8)
