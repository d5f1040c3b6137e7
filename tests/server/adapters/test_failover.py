"""PostgreSQL with a standby: nothing is told that could be lost, and after a failover all goes on without a restart."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from governlayer_server.adapters.postgres import connecting
from governlayer_server.adapters.postgres.address import HostAndPort, PostgresAddress
from governlayer_server.adapters.postgres.connecting import connect_primary, connect_to
from governlayer_server.adapters.postgres.database import Database, connect
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.domain.errors import ConfigurationError, LedgerUnavailable
from governlayer_server.domain.ledger.record import Actor, ActorKind, Draft
from governlayer_server.ports.ledger import AnswerExists, Append, RecordFilter, Remember, SealedPayload
from governlayer_server.wiring.host_checks import host_checks

from tests.fakes.clock import FakeClock
from tests.fakes.standby import Couple, couple

ACTOR = Actor(id="0198c5c0-7f00-7000-8000-00000000000a", kind=ActorKind.API_KEY)
ALL = RecordFilter()
LEDGER = "test"


@pytest.fixture(scope="module")
def servers() -> Iterator[Couple]:
    """A primary and its standby; the last test of this file ends both."""
    with couple() as opened:
        yield opened


@asynccontextmanager
async def opened(servers: Couple, *, reads: bool = False) -> AsyncIterator[tuple[Database, PostgresLedgerStore]]:
    """Yield the database of *servers*, the standby named first, and the ledgers in it."""
    app = "governlayer_app"
    standbys = servers.address(app, servers.second) if reads else None
    database = await connect(servers.address(app, servers.second, servers.first), standbys=standbys)
    ledger = PostgresLedgerStore(database, FakeClock())
    try:
        await ledger.create(LEDGER, None, "test/ledgers/test")
        yield database, ledger
    finally:
        await database.close()


def append(key: bytes | None = None) -> Append:
    remember = None if key is None else Remember(key=key, body=b"b" * 32, sealed=b"sealed", expires_us=2**60)
    draft = Draft(type="decision", actor=ACTOR, body={"number": str(uuid4())})
    payload = SealedPayload(name="content", sealed=b"sealed")
    return Append(ledger_id=LEDGER, record_id=uuid4(), draft=draft, payloads=(payload,), remember=remember)


async def test_the_primary_is_connected_to_wherever_it_stands_in_the_list(servers: Couple) -> None:
    for hosts in ((servers.first, servers.second), (servers.second, servers.first)):
        database = await connect(servers.address("governlayer_app", *hosts))
        async with database.connection() as connection:
            assert not await connection.fetchval("SELECT pg_is_in_recovery()")
        await database.close()


async def test_a_standby_alone_is_no_database(servers: Couple) -> None:
    with pytest.raises(LedgerUnavailable) as refused:
        await connect(servers.address("governlayer_app", servers.second))
    assert "is a standby" in str(refused.value.__cause__)


async def test_each_host_must_show_a_certificate_for_its_own_name(servers: Couple) -> None:
    for host in (servers.first, servers.second):
        other = "127.0.0.1" if host[0] == "localhost" else "localhost"
        named = servers.address("governlayer_app", (other, host[1]))
        with pytest.raises(ConfigurationError, match=f"{other} port {host[1]} is not trusted, nothing was sent"):
            await connect(named)
    untrusted = ("localhost", servers.second[1])
    database = await connect(servers.address("governlayer_app", untrusted, servers.first))  # the primary is trusted
    await database.close()


async def test_behind_one_name_too_the_doctor_tells_that_no_commit_waits_for_the_standby(servers: Couple) -> None:
    await servers.until(servers.first, "SELECT count(*) = 1 FROM pg_stat_replication")
    one_name = servers.address("governlayer_app", servers.first)
    assert [(check.name, check.ok) for check in await host_checks(one_name, None)] == [("standby", False)]
    async with servers.held_back():
        assert [(check.name, check.ok) for check in await host_checks(one_name, None)] == [("standby", True)]


async def test_what_the_standby_does_not_have_is_told_nobody(servers: Couple) -> None:
    async with opened(servers) as (_, ledger):
        async with servers.held_back():
            key = b"k" * 32
            with pytest.raises(LedgerUnavailable):
                await ledger.append(append(key))
            assert await ledger.answer(LEDGER, key, 0) is None  # given up by closing: nobody sees it
            with pytest.raises(LedgerUnavailable):
                await ledger.append(append(key))
        with pytest.raises(AnswerExists) as found:
            await ledger.append(append(key))
        assert found.value.answer == await ledger.answer(LEDGER, key, 0)


async def test_a_wait_that_somebody_cancels_is_no_commit_and_its_answer_waits(servers: Couple) -> None:
    waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    async with opened(servers) as (_, ledger):
        async with servers.held_back():
            key = b"c" * 32
            asked = asyncio.create_task(ledger.append(append(key)))
            await servers.until(servers.first, f"SELECT count(*) = 1 {waits}")
            await servers.ask(servers.first, f"SELECT pg_cancel_backend(pid) {waits}")
            with pytest.raises(LedgerUnavailable):
                await asked
            kept = f"SELECT count(*) FROM idempotent_answer WHERE key = decode('{key.hex()}', 'hex')"
            assert await servers.ask(servers.first, kept) == [1]  # on the primary alone, where everybody sees it
            with pytest.raises(LedgerUnavailable):
                await ledger.answer(LEDGER, key, 0)
        assert await ledger.answer(LEDGER, key, 0) is not None


async def test_records_are_read_from_a_standby_that_has_them(servers: Couple) -> None:
    reads = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'governlayer reading'"
    async with opened(servers, reads=True) as (_, ledger):
        written = [(await ledger.append(append())).record.hash for _ in range(3)]
        assert [one.hash for one in await ledger.records(LEDGER, -1, 1000, ALL)][-3:] == written
        assert await servers.ask(servers.second, reads) == [True]
        assert [one.record.hash async for one in ledger.stream(LEDGER, 0, (await last(ledger)), ())][-3:] == written
        await servers.ask(servers.second, "SELECT pg_wal_replay_pause()")
        written.append((await ledger.append(append())).record.hash)
        assert [one.hash for one in await ledger.records(LEDGER, -1, 1000, ALL)][-4:] == written
        await servers.ask(servers.second, "SELECT pg_wal_replay_resume()")


async def test_payloads_are_never_read_from_a_standby(servers: Couple) -> None:
    async with opened(servers, reads=True) as (_, ledger):
        entry = await ledger.append(append())
        seq = entry.record.seq
        assert await ledger.records(LEDGER, seq - 1, 1, ALL)
        await servers.ask(servers.second, "SELECT pg_wal_replay_pause()")
        await servers.ask(servers.first, f"DELETE FROM ledger_payload WHERE ledger_id = '{LEDGER}' AND seq = {seq}")
        (read,) = [one async for one in ledger.stream(LEDGER, seq, seq, ["content"])]
        assert read.payloads == ()
        await servers.ask(servers.second, "SELECT pg_wal_replay_resume()")


async def last(ledger: PostgresLedgerStore) -> int:
    return (await ledger.head(LEDGER)).size - 1


async def hold(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("SELECT pg_sleep(0.3)")


async def where(database: Database) -> set[int]:
    """Return the ports that seven connections of the pool lead to."""
    async with AsyncExitStack() as stack:
        lent = [await stack.enter_async_context(database.connection()) for _ in range(7)]
        return {await connection.fetchval("SELECT inet_server_port()") for connection in lent}


async def require_newest(servers: Couple, idle: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both answer as the primary: who comes takes the newer, though it is slower, and who is there goes over to it."""

    async def slowly(address: PostgresAddress, host: HostAndPort, **options: Any) -> Any:
        await asyncio.sleep(0.05 * (host == servers.second))
        return await connect_to(address, host, **options)

    with monkeypatch.context() as patched:
        patched.setattr(connecting, "connect_to", slowly)
        connection = await connect_primary(servers.address("governlayer_app", servers.first, servers.second))
        assert await connection.fetchval("SELECT inet_server_port()") == servers.second[1]
        await connection.close()
    assert await where(idle) == {servers.first[1]}
    await idle.look_for_promotion()
    assert await where(idle) == {servers.second[1]}


async def test_after_a_failover_all_goes_on_and_never_goes_back(
    servers: Couple, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with servers.held_back():
        pass  # from now on commits wait
    idle = await connect(servers.address("governlayer_app", servers.first, servers.second))
    assert await where(idle) == {servers.first[1]}
    async with opened(servers, reads=True) as (database, ledger):
        before = await ledger.append(append())
        await asyncio.gather(*(hold(database) for _ in range(7)))
        await servers.freeze_first()
        await servers.ask(servers.second, "SELECT pg_promote()")
        await servers.ask(servers.second, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
        with pytest.raises(LedgerUnavailable):
            await ledger.append(append())
        after = await ledger.append(append())  # one loss tells of all connections
        assert after.record.seq == before.record.seq + 1
        assert after.record.prev_hash == before.record.hash
        servers.thaw_first()
        assert await servers.ask(servers.first, "SELECT NOT pg_is_in_recovery()") == [True]
        assert [one.hash for one in await ledger.records(LEDGER, -1, 1000, ALL)][-1] == after.record.hash
        await require_newest(servers, idle, monkeypatch)
        await idle.close()
        servers.kill_second()
        async with asyncio.timeout(10):
            while await database.answers():  # noqa: ASYNC110  # until its processes are gone
                await asyncio.sleep(0.05)
        for _ in range(3):
            assert not await database.answers()  # the former primary would, and knows nothing of what came after it
