"""What a migration is said to do before it is done, and who waits for whom."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from governlayer_server.adapters.postgres.database import Database, connect
from governlayer_server.adapters.postgres.migrate import apply_migrations, migration_modules, pending_migrations
from governlayer_server.adapters.postgres.migration_plan import (
    LONG_ROWS,
    PlannedMigration,
    PlannedRows,
    planned_migrations,
)
from governlayer_server.domain.errors import ConfigurationError

from tests.data_sets.load import ALL, LEVELS, fill
from tests.fakes.servers import Servers, address

MODULES: dict[str, Any] = dict(migration_modules())
# Tables with rows that were changed or written anew, and those that have a new index.
TOUCHED = """
SELECT relname FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0
UNION SELECT relname FROM pg_class JOIN before USING (relname) WHERE pg_class.relfilenode <> before.relfilenode
UNION SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE indexrelid <> ALL (SELECT index_id FROM before_indexes)
"""

# The key that the second migration renames is made when it is first needed, which in the data set it was not.
NOT_THERE = {ALL[1]: {"data_key"}}
SLEEP_S = 3.2
SLEEPS = "SELECT pid FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()"


@pytest.fixture
async def owner(empty_database: Servers) -> AsyncIterator[Database]:
    database = await connect(address(empty_database.owner), patient=True)
    yield database
    await database.close()


async def touched(servers: Servers, module: Any) -> set[str]:
    """Return the tables with rows that *module* goes through; it is rolled back."""
    tables = await asyncpg.connect(**servers.owner.options())
    names = [row[0] for row in await tables.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    with_rows = {name for name in names if await tables.fetchval(f"SELECT EXISTS (SELECT FROM {name})")}
    await tables.execute("CREATE TEMP TABLE before AS SELECT relname, relfilenode FROM pg_class WHERE relkind = 'r'")
    await tables.execute("CREATE TEMP TABLE before_indexes AS SELECT indexrelid AS index_id FROM pg_index")
    transaction = tables.transaction()
    await transaction.start()
    for statement in module.STATEMENTS:
        await tables.execute(statement)
    found = {row[0] for row in await tables.fetch(TOUCHED)}
    await transaction.rollback()
    await tables.close()
    return (found & with_rows) - {"migration"}


@pytest.mark.parametrize("level", LEVELS)
async def test_a_migration_goes_through_the_rows_that_it_says_and_no_others(
    empty_database: Servers, level: str
) -> None:
    await fill(empty_database, level)
    module = MODULES[ALL[ALL.index(level) + 1]]
    said = set(getattr(module, "ROWS", {})) - NOT_THERE.get(module.ID, set())
    assert await touched(empty_database, module) == said


@pytest.mark.parametrize("name", ALL)
def test_every_migration_says_what_it_does_and_what_it_means_for_going_back(name: str) -> None:
    assert MODULES[name].DESCRIPTION
    assert MODULES[name].DOWNGRADE.endswith(".")
    assert not any(what.endswith(".") for what in getattr(MODULES[name], "ROWS", {}).values())


async def test_the_plan_counts_the_rows_and_changes_nothing(empty_database: Servers) -> None:
    level = ALL[2]
    stored = await fill(empty_database, level)
    database = await connect(address(empty_database.owner), patient=True)
    plan = await planned_migrations(database)
    assert [one.id for one in plan] == ALL[3:] == await pending_migrations()
    assert [one.description for one in plan] == [MODULES[name].DESCRIPTION for name in ALL[3:]]
    (answers,) = plan[0].rows
    assert (answers.table, answers.rows) == ("idempotent_answer", len(stored.rows["idempotent_answer"]))
    assert not any(one.locks_long for one in plan)
    await database.close()


async def test_a_table_that_is_not_there_yet_has_no_rows(owner: Database) -> None:
    plan = await planned_migrations(owner)
    assert [one.id for one in plan] == ALL
    assert {each.rows for one in plan for each in one.rows} == {0}


def test_going_through_many_rows_locks_for_long() -> None:
    for rows, is_long in ((LONG_ROWS, False), (LONG_ROWS + 1, True)):
        one = PlannedMigration(id="x", description="x", rows=(PlannedRows("t", rows, "written anew"),))
        assert one.locks_long is is_long


async def test_whoever_migrates_takes_the_time_it_takes_and_the_next_one_says_whom_it_waits_for(
    owner: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than anything else may take, or wait for: a statement 2.5 s, a lock 2 s."""
    first = MODULES[ALL[0]]
    sleep = f"SELECT pg_sleep({SLEEP_S})"
    monkeypatch.setattr(first, "STATEMENTS", (*first.STATEMENTS, sleep))
    said: list[str] = []
    begun = asyncio.create_task(apply_migrations(owner))
    holder = None
    async with owner.connection() as look:
        while (holder := await look.fetchval(SLEEPS, sleep)) is None:
            assert not begun.done()
    assert await apply_migrations(owner, say=said.append) == []
    assert await begun == ALL
    assert len(said) == 1
    assert f"PostgreSQL process {holder} " in said[0]


async def test_a_table_that_is_in_use_is_not_waited_for_while_others_wait(
    owner: Database, empty_database: Servers
) -> None:
    await apply_migrations(owner, up_to="2026-11-26T08:00:00:000000")
    busy = await asyncpg.connect(**empty_database.owner.options())
    async with busy.transaction():
        await busy.execute("LOCK TABLE data_key IN ACCESS SHARE MODE")
        with pytest.raises(ConfigurationError, match=r"in use; nothing was changed: stop the servers"):
            await apply_migrations(owner)
        assert await pending_migrations() == [one for one in ALL if one > "2026-11-26T08:00:00:000000"]
    await busy.close()
    assert await apply_migrations(owner) == [one for one in ALL if one > "2026-11-26T08:00:00:000000"]
