"""
Hot standbys, for what may be read there: records, which never change once they stand.

A standby is behind, so it is asked only whether it has the newest record that the answer may need. With that it has all
before it: nobody can tell by an answer where it came from. Whatever fails here is read from the primary.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg import Record as Row

from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.connecting import LOST, Unfit, connect_to, first_of
from governlayer_server.adapters.postgres.tenancy import SET_TENANT, UNBOUND
from governlayer_server.domain.network import HostAndPort

if TYPE_CHECKING:
    from asyncpg.pool import Pool, PoolConnectionProxy

_TIMEOUT_S = 2.0
_POOL_SIZE = 8
# How long a standby that was away is left alone.
_REST_S = 5.0
# A standby that works is behind by milliseconds.
_LOOKS, _LOOK_S = 10, 0.02
_HAS = "SELECT EXISTS (SELECT FROM ledger_record WHERE ledger_id = $1 AND seq = $2)"


class Replica:
    """The standbys behind *pool*; ``open_replica`` makes one."""

    def __init__(self, pool: "Pool[Row]") -> None:
        self._pool = pool
        self._rests_until_s = 0.0

    @property
    def is_away(self) -> bool:
        """Whether it failed a moment ago, so that the primary is read."""
        return asyncio.get_running_loop().time() < self._rests_until_s

    async def rows(self, ledger_id: str, last: int, query: str, *arguments: object) -> Sequence[Row] | None:
        """
        Return what *query* gives, seen as *ledger_id*; None where a standby cannot say, and the primary is to be asked.

        Args:
            ledger_id: the tenant, and the first argument of *query*.
            last: the newest record that the answer may need.
            query: about records and nothing else: what can be erased is read from the primary alone.
            arguments: its others.
        """
        if self.is_away:
            return None
        try:
            async with self._pool.acquire(timeout=_TIMEOUT_S) as connection, connection.transaction(readonly=True):
                await connection.execute(SET_TENANT, ledger_id)
                if await _has(connection, ledger_id, last):
                    return list(await connection.fetch(query, ledger_id, *arguments))
        except LOST:
            self._rests_until_s = asyncio.get_running_loop().time() + _REST_S
            await self._pool.expire_connections()
        return None

    def close(self) -> None:
        """Close all connections; waits for nobody."""
        self._pool.terminate()


async def open_replica(address: PostgresAddress) -> Replica:
    """
    Return the standbys of *address*. It connects when it is used.

    Args:
        address: of the runtime role; any of its hosts is as good as another, and one that was promoted too.
    """

    async def connect(_dsn: None, **options: Any) -> "asyncpg.Connection[Any]":
        return await first_of(address.hosts, lambda host: _connect(address, host, options))

    pool: Pool[Row] = await asyncpg.create_pool(
        min_size=0,
        max_size=_POOL_SIZE,
        connect=connect,
        timeout=_TIMEOUT_S,
        command_timeout=_TIMEOUT_S,
        reset=_nothing_to_reset,
        server_settings={
            "application_name": "governlayer reading",
            "default_transaction_read_only": "on",
            "statement_timeout": "2000",
            "idle_in_transaction_session_timeout": "5000",
        },
    )
    return Replica(pool)


async def _connect(address: PostgresAddress, host: HostAndPort, options: Any) -> "asyncpg.Connection[Any]":
    """Return a connection to a host on which row level security binds the role."""
    connection = await connect_to(address, host, **options)
    if await connection.fetchval(UNBOUND):
        connection.terminate()
        raise Unfit(f"{host[0]}: row level security does not bind the role")
    return connection


async def _nothing_to_reset(_connection: object) -> None:
    """Whatever is set, is set for a transaction."""


async def _has(connection: "PoolConnectionProxy[Row]", ledger_id: str, seq: int) -> bool:
    """Return whether the standby has the record, within a fifth of a second."""
    for _ in range(_LOOKS):
        if await connection.fetchval(_HAS, ledger_id, seq):
            return True
        await asyncio.sleep(_LOOK_S)
    return False
