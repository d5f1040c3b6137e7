"""kill -9 of who migrates, behind any statement of any migration, over stored rows: nothing is half done."""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import asyncpg
import pytest
from governlayer_server.adapters.postgres.database import connect
from governlayer_server.adapters.postgres.migrate import apply_migrations, migration_modules, pending_migrations

from tests.data_sets.load import ALL, LEVELS, fill
from tests.fakes.servers import Servers, address

STRUCTURE = """
SELECT md5(string_agg(line, E'\\n' ORDER BY line)) FROM (
    SELECT table_name || column_name || data_type || is_nullable || coalesce(column_default, '')
        FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT policies::text FROM pg_policies AS policies
    UNION ALL SELECT relname || relrowsecurity || coalesce(relacl::text, '') FROM pg_class
        WHERE relnamespace = 'public'::regnamespace
) AS lines (line)
"""


class Deadly(Sequence[str]):
    """Statements behind the nth of which the process is killed."""

    def __init__(self, statements: Sequence[str], nth: int) -> None:
        self._statements = statements[:nth]

    def __iter__(self) -> Iterator[str]:
        yield from self._statements
        os.kill(os.getpid(), signal.SIGKILL)

    def __getitem__(self, index: Any) -> Any:
        return self._statements[index]

    def __len__(self) -> int:
        return len(self._statements)


async def migrated(servers: Servers) -> list[str]:
    owner = await connect(address(servers.owner), patient=True)
    try:
        return await apply_migrations(owner)
    finally:
        await owner.close()


async def state(servers: Servers) -> dict[str, str]:
    """Return what there is: structure, rights, and all rows."""
    look = await asyncpg.connect(**servers.owner.options())
    names = [row[0] for row in await look.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    found = {"": await look.fetchval(STRUCTURE)}
    for name in names:
        found[name] = await look.fetchval(f"SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {name} t")
    await look.close()
    return found


async def missing(servers: Servers) -> list[str]:
    app = await connect(address(servers.app))
    try:
        return await pending_migrations()
    finally:
        await app.close()


def killed_behind(servers: Servers, module: ModuleType, nth: int) -> bool:
    """Migrate in a process of its own; return whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            module.STATEMENTS = Deadly(module.STATEMENTS, nth)
            asyncio.run(migrated(servers))
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("level", [None, *LEVELS])
def test_killed_behind_any_statement_nothing_has_changed_and_the_next_one_does_all(
    empty_database: Servers, level: str | None
) -> None:
    if level is not None:
        asyncio.run(fill(empty_database, level))
    pending = [one for one in ALL if level is None or one > level]
    modules: dict[str, Any] = dict(migration_modules())
    module, last = modules[pending[0]], modules[pending[-1]]
    before = asyncio.run(state(empty_database))
    for nth in range(len(module.STATEMENTS) + 1):
        assert killed_behind(empty_database, module, nth), f"statement {nth} of {pending[0]}"
    assert killed_behind(empty_database, last, len(last.STATEMENTS)), "everything done, nothing committed"
    assert asyncio.run(state(empty_database)) == before
    assert asyncio.run(missing(empty_database)) == pending
    assert asyncio.run(migrated(empty_database)) == pending
    assert asyncio.run(missing(empty_database)) == []
