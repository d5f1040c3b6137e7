"""Two PostgreSQL over TLS, one of them the standby of the other; the primary can hang and the standby be promoted."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
from governlayer_server.adapters.postgres.address import HostAndPort, PostgresAddress, PostgresTls
from governlayer_server.adapters.postgres.connecting import connect_to
from governlayer_server.adapters.postgres.database import connect
from governlayer_server.adapters.postgres.migrate import apply_migrations
from governlayer_server.adapters.tls.authority import Authority

from tests.fakes.debian import PASSWORD, USER, DebianPostgres
from tests.fakes.tls import Pair

_RULES = "all all all scram-sha-256\nhostssl replication all all scram-sha-256"
_ROLES = (
    f"CREATE ROLE governlayer_owner LOGIN PASSWORD '{PASSWORD}'",
    f"CREATE ROLE governlayer_app LOGIN PASSWORD '{PASSWORD}'",
    "CREATE DATABASE governlayer OWNER governlayer_owner",
)
# Each has a certificate for its own name alone.
_NAMES = ("localhost", "127.0.0.1")


class Couple:
    """A primary and its standby."""

    first: HostAndPort
    """Where the primary listens."""
    second: HostAndPort
    """Where the standby does."""

    def __init__(self, place: Path) -> None:
        authority = Authority.create(place / "tls")
        self._ca = authority.certificate_file
        self._pairs = [Pair(*authority.issue_server(name, [name], 10), self._ca) for name in _NAMES]
        self._place = place
        self._servers = [DebianPostgres(place / "primary")]
        self._running = ExitStack()
        self._frozen: list[int] = []

    def start(self) -> None:
        """Start both, with all tables of the appliance in them."""
        with self._servers[0].serving(self._pairs[0], _RULES) as port:
            self.first = _NAMES[0], port
            asyncio.run(self._fill())
        copy = DebianPostgres(self._place / "standby", self._servers[0])
        self._servers.append(copy)
        (copy.data / "standby.signal").touch()
        self.first = self._serve(0)
        primary = f"host={self.first[0]} port={self.first[1]} user={USER} password={PASSWORD}"
        verified = f"sslmode=verify-full sslrootcert={copy.data / 'ca.crt'} application_name=second"
        self.second = self._serve(1, f"primary_conninfo={primary} {verified}")

    def _serve(self, number: int, *options: str) -> HostAndPort:
        port = self._running.enter_context(self._servers[number].serving(self._pairs[number], _RULES, *options))
        return _NAMES[number], port

    async def _fill(self) -> None:
        await self.ask(self.first, *_ROLES, database="postgres")
        await self.ask(self.first, "ALTER SCHEMA public OWNER TO governlayer_owner")
        await self.ask(self.first, "GRANT USAGE ON SCHEMA public TO governlayer_app")
        database = await connect(self.address("governlayer_owner", self.first), patient=True)
        try:
            await apply_migrations(database)
        finally:
            await database.close()

    def address(self, user: str, *hosts: HostAndPort) -> PostgresAddress:
        (host, port), *others = hosts
        return PostgresAddress(
            host=host, port=port, others=tuple(others), database="governlayer", user=user, password=PASSWORD,
            tls=PostgresTls(ca=self._ca),
        )  # fmt: skip

    async def ask(self, host: HostAndPort, *statements: str, database: str = "governlayer") -> list[Any]:
        """Return the first column of what the last statement gives; a superuser asks."""
        address = PostgresAddress(
            host=host[0], port=host[1], database=database, user=USER, password=PASSWORD, tls=PostgresTls(ca=self._ca)
        )
        connection: asyncpg.Connection[Any] = await connect_to(address, host)
        try:
            return [row[0] for row in [await connection.fetch(one) for one in statements][-1]]
        finally:
            await connection.close()

    @asynccontextmanager
    async def held_back(self) -> AsyncIterator[None]:
        """Let no commit reach the standby meanwhile; each waits for it."""
        await self.ask(self.first, "ALTER SYSTEM SET synchronous_standby_names = 'second'", "SELECT pg_reload_conf()")
        await self.until(self.first, "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
        (sender,) = await self.ask(self.first, "SELECT pid FROM pg_stat_replication")
        os.kill(sender, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(sender, signal.SIGCONT)

    async def until(self, host: HostAndPort, condition: str) -> None:
        """Return when *condition* holds on *host*."""
        async with asyncio.timeout(20):
            while await self.ask(host, condition) != [True]:  # noqa: ASYNC110  # another process says when
                await asyncio.sleep(0.05)

    async def freeze_first(self) -> None:
        """Stop the primary where it is, as a machine does that hangs: connections stay open, and nothing answers."""
        query = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        self._frozen = [self._postmaster(0), *await self.ask(self.first, query)]
        for pid in self._frozen:
            os.kill(pid, signal.SIGSTOP)

    def thaw_first(self) -> None:
        """Let the former primary go on: it does not know that the other was promoted."""
        while self._frozen:
            with suppress(ProcessLookupError):
                os.kill(self._frozen.pop(), signal.SIGCONT)

    def kill_second(self) -> None:
        """kill -9."""
        os.kill(self._postmaster(1), signal.SIGKILL)

    def _postmaster(self, number: int) -> int:
        return int((self._servers[number].data / "postmaster.pid").read_text().split()[0])

    def close(self) -> None:
        self.thaw_first()
        self._running.close()


@contextmanager
def couple() -> Iterator[Couple]:
    """Yield a primary and its standby, running."""
    place = Path(tempfile.mkdtemp(prefix="gl-couple-"))
    place.chmod(0o755)
    for name in ("primary", "standby"):
        (place / name).mkdir()
    opened = Couple(place)
    try:
        opened.start()
        yield opened
    finally:
        opened.close()
        shutil.rmtree(place)
