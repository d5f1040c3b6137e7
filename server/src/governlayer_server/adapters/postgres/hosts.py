"""What each host of PostgreSQL is at the moment: for operators."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.connecting import LOST, connect_to
from governlayer_server.domain.network import HostAndPort

_ASK = """
SELECT pg_is_in_recovery() AS is_standby, current_setting('synchronous_standby_names') <> '' AS waits,
    EXISTS (SELECT FROM pg_stat_replication) AS has_standbys
"""


class HostState(Struct, frozen=True, kw_only=True):
    """
    One host.

    Attributes:
        name: ``host:port``.
        is_standby: None where it could not be asked.
        waits: whether commits there wait for a standby.
        has_standbys: whether others receive its log. That they do is shown to every role, how far they are is not.
        fault: why it could not be asked.
    """

    name: str
    is_standby: bool | None = None
    waits: bool = False
    has_standbys: bool = False
    fault: str | None = None

    def __str__(self) -> str:
        """One phrase."""
        if self.is_standby is None:
            return f"{self.name} {self.fault}"
        return f"{self.name} is {'a standby' if self.is_standby else 'the primary'}"


async def look_at_hosts(address: PostgresAddress) -> Sequence[HostState]:
    """Return what each host says, all asked at once."""
    return await asyncio.gather(*(_look(address, host) for host in address.hosts))


async def _look(address: PostgresAddress, host: HostAndPort) -> HostState:
    name = f"{host[0]}:{host[1]}"
    try:
        connection = await connect_to(address, host)
        try:
            row = await connection.fetchrow(_ASK)
        finally:
            connection.terminate()
    except LOST as error:
        return HostState(name=name, fault=f"does not answer as it should ({error or type(error).__name__})")
    return HostState(name=name, **row)
