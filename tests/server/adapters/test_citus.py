"""
`deploy/citus/distribute.sql` against Citus' rules, by the catalog of a real PostgreSQL. Citus itself is not run.

The rules are those of its documentation: each unique constraint of a distributed table contains its distribution column; a
foreign key leads to a reference table, or with the distribution column to that of a co-located table.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from governlayer_server.adapters.postgres.database import connect
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.domain.ledger.record import Actor, ActorKind, Draft
from governlayer_server.ports.ledger import AnswerExists, Append, Remember, SealedPayload

from tests.fakes.clock import FakeClock
from tests.fakes.servers import Databases, Servers, address

SCRIPT = Path(__file__).parents[3] / "deploy" / "citus" / "distribute.sql"
RECORDED = """
CREATE TABLE distribution (relation text, distributed_by text, colocated_with text);
CREATE FUNCTION create_reference_table(relation text) RETURNS void LANGUAGE sql
    AS $$ INSERT INTO distribution VALUES (relation, NULL, NULL) $$;
CREATE FUNCTION create_distributed_table(relation text, distributed_by text, colocate_with text) RETURNS void LANGUAGE sql
    AS $$ INSERT INTO distribution VALUES (relation, distributed_by, nullif(colocate_with, 'none')) $$
"""
TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'distribution'
"""
UNIQUE = """
SELECT d.relation, i.indexrelid::regclass::text AS index FROM distribution d
JOIN pg_index i ON i.indrelid = d.relation::regclass AND (i.indisunique OR i.indisexclusion)
WHERE d.distributed_by IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) AND a.attname = d.distributed_by)
"""
FOREIGN = """
SELECT here.relation, here.distributed_by, coalesce(here.colocated_with, here.relation) AS group,
    there.relation AS target, there.distributed_by AS target_by, coalesce(there.colocated_with, there.relation) AS target_group,
    ARRAY(SELECT (h.attname::text, t.attname::text) FROM unnest(k.conkey, k.confkey) AS pair (h, t)
        JOIN pg_attribute h ON h.attrelid = k.conrelid AND h.attnum = pair.h
        JOIN pg_attribute t ON t.attrelid = k.confrelid AND t.attnum = pair.t) AS pairs
FROM pg_constraint k JOIN distribution here ON here.relation::regclass = k.conrelid
JOIN distribution there ON there.relation::regclass = k.confrelid WHERE k.contype = 'f'
"""
TYPES = """
SELECT coalesce(colocated_with, relation) AS group, format_type(atttypid, atttypmod) AS type, attcollation FROM distribution
JOIN pg_attribute ON attrelid = relation::regclass AND attname = distributed_by
"""


@pytest.fixture(scope="module")
def distributed(databases: Databases) -> Iterator[Servers]:
    """A migrated database after the script."""
    servers = asyncio.run(databases.migrated())
    asyncio.run(_run(servers))
    yield servers
    asyncio.run(databases.drop(servers))


async def _run(servers: Servers) -> None:
    owner: asyncpg.Connection[Any] = await asyncpg.connect(**servers.owner.options())
    await owner.execute(RECORDED)
    await owner.execute(SCRIPT.read_text(encoding="utf-8"))
    await owner.close()


async def rows(servers: Servers, query: str) -> list[asyncpg.Record]:
    owner: asyncpg.Connection[Any] = await asyncpg.connect(**servers.owner.options())
    try:
        return list(await owner.fetch(query))
    finally:
        await owner.close()


async def test_each_table_is_in_one_class(distributed: Servers) -> None:
    named = sorted(row[0] for row in await rows(distributed, "SELECT relation FROM distribution"))
    assert named == sorted(row[0] for row in await rows(distributed, TABLES))


async def test_each_unique_constraint_has_the_distribution_column(distributed: Servers) -> None:
    assert await rows(distributed, UNIQUE) == []


async def test_each_foreign_key_stays_on_its_node(distributed: Servers) -> None:
    found = await rows(distributed, FOREIGN)
    assert found
    for key in found:
        if key["target_by"] is not None:
            assert key["group"] == key["target_group"], key
            assert (key["distributed_by"], key["target_by"]) in {tuple(pair) for pair in key["pairs"]}, key


async def test_what_is_colocated_has_one_type(distributed: Servers) -> None:
    types: dict[str, set[tuple[str, int]]] = {}
    for row in await rows(distributed, TYPES):
        types.setdefault(row["group"], set()).add((row["type"], row["attcollation"]))
    assert types.keys() == {"ledger", "usage_count"}
    assert all(len(one) == 1 for one in types.values())


async def test_decisions_are_recorded_with_the_constraints_that_are_left(distributed: Servers) -> None:
    database = await connect(address(distributed.app))
    ledger = PostgresLedgerStore(database, FakeClock())
    await ledger.create("test", None, "test/ledgers/test")
    await ledger.create("test", None, "test/ledgers/test")
    remember = Remember(key=b"k" * 32, body=b"b" * 32, sealed=b"sealed", expires_us=2**60)
    draft = Draft(
        type="decision", actor=Actor(id="0198c5c0-7f00-7000-8000-00000000000a", kind=ActorKind.API_KEY), body={}
    )
    payloads = (SealedPayload(name="content", sealed=b"sealed"),)
    append = Append(ledger_id="test", record_id=uuid4(), draft=draft, payloads=payloads, remember=remember)
    assert (await ledger.append(append)).record.seq == 0
    with pytest.raises(AnswerExists):
        await ledger.append(append)
    await database.close()
