"""
Connections to whichever host of a cluster is its primary now, and to none that would lose what it was given.

All hosts are asked at once: one that is switched off costs no time when another has become the primary.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import asyncpg

from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.domain.network import HostAndPort

_CONNECT_S = 5.0
# How long the other hosts have, once one says that it is the primary, to show that they were promoted after it.
_OTHERS_S = 0.1
# The first eight digits of a segment's name are its timeline: each promotion begins a new one.
_ROLE = """
SELECT pg_is_in_recovery() AS is_standby,
    CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline,
    current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit
"""
# remote_apply waits for more than on.
_DURABLE = {"fsync": {"on"}, "full_page_writes": {"on"}, "synchronous_commit": {"on", "remote_apply"}}

LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What is raised where a server is away, or does not do what it was asked."""


class Unfit(OSError):
    """The host answers and must not be used, whatever else happens: no trust, no TLS, or not durable."""


class NoPrimary(OSError):
    """The host is a standby, or was the primary before another one was promoted."""


class Careful(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """
    A connection on which nothing passes for durable that stands on the primary alone.

    A commit that waits for its standby is not undone when somebody cancels it: it succeeds, with a warning.
    """

    _warning: str | None = None

    def require_no_warning(self) -> None:
        """
        Return unless PostgreSQL has warned on this connection.

        Raises:
            asyncpg.InterfaceError: it has.
        """
        if self._warning is not None:
            raise asyncpg.InterfaceError(f"PostgreSQL warned: {self._warning}")

    def _process_log_message(self, fields: Mapping[str, str], last_query: str) -> None:
        if fields.get("V") == "WARNING":
            self._warning = fields["M"]
        super()._process_log_message(fields, last_query)


async def _nothing() -> None:
    """There are no other connections."""


class Primary:
    """
    Connects to the primary among the hosts of *address*.

    It never goes back to a former one: a host whose timeline is older than the newest seen is none any more.

    Args:
        address: of all hosts.
        on_promotion: called when a newer timeline is seen: what was connected before leads to a former primary.
    """

    def __init__(self, address: PostgresAddress, on_promotion: Callable[[], Awaitable[None]] = _nothing) -> None:
        self._address = address
        self._on_promotion = on_promotion
        self._newest_timeline = ""

    async def __call__(self, **options: Any) -> "asyncpg.Connection[Any]":
        """
        Return a connection.

        Args:
            options: of ``asyncpg.connect``, without those that the address gives.

        Raises:
            NoPrimary: no host is the primary now.
            Unfit, OSError, asyncpg.PostgresError, asyncpg.InterfaceError: as ``first_of``.
        """
        return await first_of(self._address.hosts, lambda host: self._of(host, options))

    async def look(self) -> None:
        """
        Ask every host, so that a promotion is noticed by who would otherwise stay with a former primary that answers.

        One name may lead elsewhere than before, and is asked too; one socket of this machine does not.
        """
        if self._address.tls is None and not self._address.others:
            return
        options = {"command_timeout": _CONNECT_S}
        asked = [asyncio.ensure_future(self._of(host, options)) for host in self._address.hosts]
        try:
            await asyncio.wait(asked)
        finally:
            for task in asked:
                task.cancel()
                task.add_done_callback(lambda done: _close_unless(None, done))

    async def _of(self, host: HostAndPort, options: Mapping[str, Any]) -> "asyncpg.Connection[Any]":
        """Return a connection to *host* if it is the primary."""
        connection = await connect_to(self._address, host, **options)
        try:
            row = await connection.fetchrow(_ROLE)
            _require_durable(host, row)
            await self._require_newest(host, row["timeline"])
            if self._address.others:
                await asyncio.sleep(_OTHERS_S)
                await self._require_newest(host, row["timeline"])
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _require_newest(self, host: HostAndPort, timeline: str | None) -> None:
        if timeline is None:
            raise NoPrimary(f"{_named(host)} is a standby")
        if timeline < self._newest_timeline:
            raise NoPrimary(f"{_named(host)} is no primary any more: another host was promoted after it")
        was_promoted = "" < self._newest_timeline < timeline
        self._newest_timeline = timeline
        if was_promoted:
            await self._on_promotion()


async def first_of(
    hosts: Sequence[HostAndPort], connect: Callable[[HostAndPort], Awaitable["asyncpg.Connection[Any]"]]
) -> "asyncpg.Connection[Any]":
    """
    Return the connection that *connect* makes first, of all *hosts* at once; what comes later is closed.

    Raises:
        Unfit, OSError, asyncpg.PostgresError, asyncpg.InterfaceError: no host gave one; what is told is why the first
            did not, or better, why one must not be used.
    """
    asked = [asyncio.ensure_future(connect(host)) for host in hosts]
    found = None
    try:
        for answer in asyncio.as_completed(asked):
            with suppress(*LOST):
                found = await answer
                return found
    finally:
        for task in asked:
            task.cancel()
            task.add_done_callback(lambda done: _close_unless(found, done))
    raise _most_telling(asked)


async def connect_to(address: PostgresAddress, host: HostAndPort, **options: Any) -> "asyncpg.Connection[Any]":
    """
    Return a connection to one *host* of *address*, whatever its role.

    Raises:
        Unfit: TLS is asked for, and it has none or its certificate does not hold; no password was sent.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: it cannot be reached.
    """
    given = {"timeout": _CONNECT_S, **options}
    with _tls_failures_named(address, host):
        return await asyncpg.connect(
            host=host[0], port=host[1], database=address.database, user=address.user, password=address.password,
            ssl=address.encryption(), direct_tls=False, **given,
        )  # fmt: skip


async def connect_primary(address: PostgresAddress, **options: Any) -> "asyncpg.Connection[Any]":
    """Return one connection to the primary; it raises as ``Primary`` does."""
    return await Primary(address)(**options)


def _require_durable(host: HostAndPort, row: Mapping[str, Any]) -> None:
    for setting, wanted in _DURABLE.items():
        if row[setting] not in wanted:
            needed = f"{setting} must be {' or '.join(sorted(wanted))}"
            raise Unfit(f"{_named(host)}: PostgreSQL's {needed}: a decision must survive a crash")


@contextmanager
def _tls_failures_named(address: PostgresAddress, host: HostAndPort) -> Iterator[None]:
    where = f"PostgreSQL on {_named(host)}"
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise Unfit(f"{where} is not trusted, nothing was sent: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise Unfit(f"{where} and we do not agree on TLS: {error.reason}") from None
    except ConnectionError as error:
        # What asyncpg raises itself; the system's are subclasses.
        if type(error) is ConnectionError and address.tls:
            raise Unfit(f"{where} does not offer TLS, nothing was sent") from None
        raise


def _named(host: HostAndPort) -> str:
    return f"{host[0]} port {host[1]}"


def _close_unless(found: object, done: "asyncio.Future[asyncpg.Connection[Any]]") -> None:
    """Close what came too late."""
    if not done.cancelled() and done.exception() is None and done.result() is not found:
        done.result().terminate()


def _most_telling(asked: Sequence["asyncio.Future[asyncpg.Connection[Any]]"]) -> BaseException:
    errors = [error for task in asked if (error := task.exception()) is not None]
    return next((error for error in errors if isinstance(error, Unfit)), errors[0])
