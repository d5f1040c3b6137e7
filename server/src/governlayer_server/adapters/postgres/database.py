"""
The connection to PostgreSQL: one pool, shared by Piccolo and asyncpg, and one place where its failures are named.

Durability is checked, not assumed: a server with fsync, full_page_writes or synchronous_commit off is refused, and a
commit that stopped waiting for its standby is not taken for one. After a failover all connections lead to the new
primary, without a restart.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

import asyncpg
from asyncpg import Record as Row
from piccolo.apps.migrations.tables import Migration
from piccolo.engine.postgres import PostgresEngine

from governlayer_server.adapters.postgres import piccolo_conf, tables
from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.connecting import LOST, Careful, Primary, Unfit
from governlayer_server.adapters.postgres.replica import Replica, open_replica
from governlayer_server.adapters.postgres.tenancy import SET_TENANT, UNBOUND
from governlayer_server.domain.errors import ConfigurationError, GovernLayerError, LedgerUnavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

_ACQUIRE_TIMEOUT_S = 2.0
_COMMAND_TIMEOUT_S = 3.0
_POOL_SIZE = 8
# What tells that the server is not what it was: others of its connections are worth nothing either.
_GONE = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresConnectionError,
    asyncpg.ReadOnlySQLTransactionError,
)
# Keeps others from changing a row, and not from adding one that refers to it: a new session refers to its organization,
# and would wait for who manages members there while they wait for its user.
LOCK: Literal["NO KEY UPDATE"] = "NO KEY UPDATE"


class Database:
    """An open pool. Piccolo's engine is process-wide, so there is one of these in a process at a time."""

    def __init__(self, engine: PostgresEngine, primary: Primary, replica: Replica | None = None) -> None:
        self._engine = engine
        self._primary = primary
        self._replica = replica
        # However many read, one connection is left for who writes the records of all.
        self._places = asyncio.Semaphore(_POOL_SIZE - 1)

    @asynccontextmanager
    async def connection(self, *, for_writer: bool = False) -> AsyncIterator["PoolConnectionProxy"]:
        """
        Lend a connection. What is done on it counts once the context has ended without an error.

        Args:
            for_writer: one is always left for the ledgers' one writer in this process.

        Raises:
            LedgerUnavailable: no connection could be had, or it was lost in use. A connection that failed inside
                asyncpg is closed, because its state is unknown.
        """
        if self._engine.pool is None:
            raise LedgerUnavailable("the database is closed")
        try:
            async with (
                nullcontext() if for_writer else self._place(),
                self._engine.pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection,
            ):
                try:
                    yield connection
                    connection.require_no_warning()
                except _GONE:
                    connection.terminate()
                    await self._engine.pool.expire_connections()
                    raise
                except (*LOST, asyncio.CancelledError):
                    # At once, before asyncpg asks the server to cancel: a commit that waits for its standby would
                    # stop waiting, and stand on the primary alone, where everybody sees it.
                    connection.terminate()
                    raise
        except LOST as error:
            raise LedgerUnavailable("the database did not answer as it should") from error

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        async with asyncio.timeout(_ACQUIRE_TIMEOUT_S):
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    @asynccontextmanager
    async def transaction(self, tenant: str | None = None) -> AsyncIterator["PoolConnectionProxy"]:
        """
        Make one transaction of all that Piccolo does inside, and what is done on the connection that is lent.

        Piccolo's own way keeps the connection from the pool for good when the server goes away in between.

        Args:
            tenant: whose rows can be seen and changed (``domain.tenants``), by row level
                security; None: no tenant's.

        Raises:
            LedgerUnavailable: as ``connection``.
            asyncpg.IntegrityConstraintViolationError: a row breaks a constraint. Nothing was changed.
        """
        transaction = self._engine.transaction()
        try:
            async with self.connection() as connection, connection.transaction():
                if tenant is not None:
                    await connection.execute(SET_TENANT, tenant)
                transaction.connection = connection
                token = self._engine.current_transaction.set(transaction)
                try:
                    yield connection
                finally:
                    self._engine.current_transaction.reset(token)
        except LedgerUnavailable as error:
            if isinstance(error.__cause__, asyncpg.IntegrityConstraintViolationError):
                raise error.__cause__ from None
            raise

    async def read(self, ledger_id: str, last: int, query: str, *arguments: object) -> Sequence[Row]:
        """
        Return what *query* gives, seen as *ledger_id*: by a standby that has record *last*, or else by the primary.

        Args:
            ledger_id: the tenant, and the first argument of *query*.
            last: the newest record that the answer may need.
            query: about records and nothing else.
            arguments: its others.

        Raises:
            LedgerUnavailable: as ``connection``.
        """
        rows = None
        if self._replica is not None and last >= 0:
            rows = await self._replica.rows(ledger_id, last, query, *arguments)
        if rows is None:
            async with self.transaction(ledger_id) as connection:
                rows = list(await connection.fetch(query, ledger_id, *arguments))
        return rows

    @property
    def has_replica(self) -> bool:
        """Whether standbys are read at all."""
        return self._replica is not None

    @property
    def replica_is_away(self) -> bool:
        """Whether standbys are to be read and did not answer a moment ago."""
        return self._replica is not None and self._replica.is_away

    async def require_bound_role(self) -> None:
        """
        Return if row level security binds the connected role.

        Raises:
            ConfigurationError: it is a superuser, has BYPASSRLS, or owns the tables.
        """
        async with self.connection() as connection:
            if await connection.fetchval(UNBOUND):
                raise ConfigurationError(
                    "the database role must not be a superuser, have BYPASSRLS or own the tables: row level security "
                    "would not bind it. Connect as governlayer_app; the owner is for `governlayer migrate` only"
                )

    async def answers(self) -> bool:
        """Return whether the database answers."""
        try:
            async with self.connection() as connection:
                await connection.execute("SELECT 1")
        except LedgerUnavailable:
            return False
        return True

    async def look_for_promotion(self) -> None:
        """Ask all hosts; if another was promoted, no connection to the former primary is lent any more."""
        await self._primary.look()

    async def close(self) -> None:
        """Close the pool; waits for running statements for a moment only."""
        if self._replica is not None:
            self._replica.close()
        if self._engine.pool is not None:
            try:
                await asyncio.wait_for(self._engine.pool.close(), _COMMAND_TIMEOUT_S)
            except LOST:
                self._engine.pool.terminate()
            self._engine.pool = None


async def _nothing_to_reset(connection: "PoolConnectionProxy") -> None:
    """Spare a round trip: whatever is set, is set for a transaction; and what failed inside one has been closed."""


class _QuietEngine(PostgresEngine):
    async def check_version(self) -> None:
        """Do nothing: Piccolo would connect once more, and print a warning where ``connect`` raises."""


@contextmanager
def failures_named() -> Iterator[None]:
    """Turn what Piccolo and asyncpg raise when the database is away into ``LedgerUnavailable``."""
    try:
        yield
    except GovernLayerError:
        raise
    except asyncpg.IntegrityConstraintViolationError:
        raise
    except LOST as error:
        raise LedgerUnavailable("the database did not answer as it should") from error


async def connect(
    address: PostgresAddress, *, patient: bool = False, standbys: PostgresAddress | None = None
) -> Database:
    """
    Return the open database.

    Args:
        address: of the database.
        patient: whether a statement may take as long as it takes: for who migrates, and nobody waits for.
        standbys: where records may be read too; they need not be there.

    Raises:
        LedgerUnavailable: no host can be reached, or none is the primary.
        ConfigurationError: TLS is asked for, and it has none or its certificate does not hold; no password was sent.
            Or it is not durable (fsync, full_page_writes or synchronous_commit is off).
    """

    async def expire() -> None:
        if engine.pool is not None:
            await engine.pool.expire_connections()

    primary = Primary(address, expire)
    engine = _QuietEngine(
        config={
            "connect": lambda _dsn, **options: primary(**options),
            "connection_class": Careful,
            "timeout": _ACQUIRE_TIMEOUT_S,
            "command_timeout": None if patient else _COMMAND_TIMEOUT_S,
            "reset": _nothing_to_reset,
            "server_settings": {
                "application_name": "governlayer",
                "statement_timeout": "0" if patient else "2500",
                "lock_timeout": "2000",
                "idle_in_transaction_session_timeout": "5000",
            },
        }
    )
    os.environ["PICCOLO_CONF"] = "governlayer_server.adapters.postgres.piccolo_conf"
    piccolo_conf.DB = engine
    for table in (*tables.TABLES, Migration):
        table._meta.db = engine  # Piccolo's documented way; a table left out would keep the engine of its first use
    database = Database(engine, primary, None if standbys is None else await open_replica(standbys))
    try:
        with failures_named():
            await engine.start_connection_pool(min_size=1, max_size=_POOL_SIZE)
    except GovernLayerError as error:
        await database.close()
        if isinstance(error.__cause__, Unfit):
            raise ConfigurationError(str(error.__cause__)) from None
        raise
    return database
