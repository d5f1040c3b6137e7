"""
The connection to PostgreSQL: one pool, shared by Piccolo and asyncpg, and one place where its failures are named.

Durability is checked, not assumed: a server with fsync, full_page_writes or synchronous_commit off is refused.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import asyncpg
from msgspec import Struct
from piccolo.apps.migrations.tables import Migration
from piccolo.engine.postgres import PostgresEngine

from governlayer_server.adapters.postgres import piccolo_conf, tables
from governlayer_server.adapters.tls.contexts import client_context
from governlayer_server.domain.errors import ConfigurationError, GovernLayerError, LedgerUnavailable
from governlayer_server.domain.network import is_loopback

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

_ACQUIRE_TIMEOUT_S = 2.0
# Giving up a statement takes as long again: asyncpg asks the server to cancel it.
_COMMAND_TIMEOUT_S = 3.0
_POOL_SIZE = 8
_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
# Keeps others from changing a row, and not from adding one that refers to it: a new session refers to its organization,
# and would wait for who manages members there while they wait for its user.
LOCK: Literal["NO KEY UPDATE"] = "NO KEY UPDATE"
SET_TENANT = "SELECT set_config('governlayer.tenant', $1, true)"
_UNBOUND = """
SELECT rolsuper OR rolbypassrls OR EXISTS (
    SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    AND pg_has_role(current_user, relowner, 'MEMBER'))
FROM pg_roles WHERE rolname = current_user
"""
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


class PostgresTls(Struct, frozen=True, kw_only=True):
    """
    How the server's certificate is verified: chain, dates and host name (libpq's *verify-full*).

    Attributes:
        ca: the authorities (PEM) that alone are trusted; None: the system's roots.
        certificate: our own certificate (PEM), where the server wants one.
        key: its private key.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class PostgresAddress(Struct, frozen=True, kw_only=True):
    """
    How to reach the database. Without *tls* nothing but a Unix socket or loopback can be named.

    Attributes:
        host: a name, an address or the directory of a Unix socket.
        tls: how TLS is done; None: not at all.
    """

    host: str
    port: int
    database: str
    user: str
    password: str
    tls: PostgresTls | None = None

    def __post_init__(self) -> None:
        """Refuse what would cross a network in the clear."""
        if self.tls is None and not (self.host.startswith("/") or is_loopback(self.host)):
            raise ConfigurationError(f"PostgreSQL on {self.host} is reached over TLS or not at all")

    def encryption(self) -> ssl.SSLContext | bool:
        """
        Return what asyncpg takes as ``ssl``, and never None: it would then do without TLS where there is none.

        Raises:
            ConfigurationError: a file cannot be used.
        """
        return client_context(self.tls.ca, self.tls.certificate, self.tls.key) if self.tls else False

    def __repr__(self) -> str:
        """No password."""
        return f"PostgresAddress({self.user}@{self.host}:{self.port}/{self.database})"


class Database:
    """An open pool. Piccolo's engine is process-wide, so there is one of these in a process at a time."""

    def __init__(self, engine: PostgresEngine) -> None:
        self._engine = engine
        # However many read, one connection is left for who writes the records of all.
        self._places = asyncio.Semaphore(_POOL_SIZE - 1)

    @asynccontextmanager
    async def connection(self, *, for_writer: bool = False) -> AsyncIterator["PoolConnectionProxy"]:
        """
        Lend a connection.

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
                except (*_LOST, asyncio.CancelledError):
                    connection.terminate()
                    raise
        except _LOST as error:
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

    async def require_bound_role(self) -> None:
        """
        Return if row level security binds the connected role.

        Raises:
            ConfigurationError: it is a superuser, has BYPASSRLS, or owns the tables.
        """
        async with self.connection() as connection:
            if await connection.fetchval(_UNBOUND):
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

    async def close(self) -> None:
        """Close the pool; waits for running statements for a moment only."""
        if self._engine.pool is not None:
            try:
                await asyncio.wait_for(self._engine.pool.close(), _COMMAND_TIMEOUT_S)
            except (TimeoutError, *_LOST):
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
    except _LOST as error:
        raise LedgerUnavailable("the database did not answer as it should") from error


@contextmanager
def _tls_failures_named(address: PostgresAddress) -> Iterator[None]:
    where = f"PostgreSQL on {address.host} port {address.port}"
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise ConfigurationError(f"{where} is not trusted, nothing was sent: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise ConfigurationError(f"{where} and we do not agree on TLS: {error.reason}") from None
    except ConnectionError as error:
        # What asyncpg raises itself; the system's are subclasses.
        if type(error) is ConnectionError and address.tls:
            raise ConfigurationError(f"{where} does not offer TLS, nothing was sent") from None
        raise


async def connect(address: PostgresAddress, *, patient: bool = False) -> Database:
    """
    Return the open database.

    Args:
        address: of the database.
        patient: whether a statement may take as long as it takes: for who migrates, and nobody waits for.

    Raises:
        LedgerUnavailable: it cannot be reached.
        ConfigurationError: TLS is asked for, and it has none or its certificate does not hold; no password was sent.
            Or it is not durable (fsync, full_page_writes or synchronous_commit is off).
    """
    engine = _QuietEngine(
        config={
            "host": address.host,
            "port": address.port,
            "database": address.database,
            "user": address.user,
            "password": address.password,
            "ssl": address.encryption(),
            "direct_tls": False,
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
    database = Database(engine)
    try:
        with failures_named(), _tls_failures_named(address):
            await engine.start_connection_pool(min_size=1, max_size=_POOL_SIZE)
        await _check_durable(database)
    except GovernLayerError:
        await database.close()
        raise
    return database


async def _check_durable(database: Database) -> None:
    async with database.connection() as connection:
        for setting, wanted in _DURABLE.items():
            if await connection.fetchval(f"SHOW {setting}") != wanted:
                raise ConfigurationError(f"PostgreSQL's {setting} must be {wanted}: a decision must survive a crash")
