"""The embedded PostgreSQL 18: socket only, passwords only, recovers by itself (security.md §2)."""

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from os import urandom
from pathlib import Path
from secrets import token_urlsafe

import asyncpg

from governlayer_server.adapters.embedded import roles
from governlayer_server.adapters.embedded.account import Account, choose_account
from governlayer_server.adapters.embedded.binaries import postgres_program
from governlayer_server.adapters.embedded.child import Child, Command, spawn
from governlayer_server.adapters.embedded.cluster import configure, initialise
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.errors import StartError
from governlayer_server.adapters.embedded.leftovers import Trace, end
from governlayer_server.adapters.embedded.log import LogFile
from governlayer_server.adapters.embedded.roles import Login
from governlayer_server.adapters.embedded.scram import verifier

Progress = Callable[[str], None]

_PORT = 5432
_FAST_STOP_S = 30.0
_STOP = ((signal.SIGINT, _FAST_STOP_S), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
_POLL_S = 0.05
_CONNECT_S = 5.0
# What a new postmaster says while the last processes of a killed one still hold its memory or lock files.
_STILL_ENDING = ("pre-existing shared memory block", "lock file")
_STILL_ENDING_S = 20.0
_NOT_YET = (
    OSError,
    asyncpg.OperatorInterventionError,  # starting up, shutting down, crashed
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,  # what asyncpg makes of a server that dies at the wrong moment
)


def silent(message: str) -> None:
    """Take a progress message and do nothing with it."""
    del message


class EmbeddedPostgres:
    """
    PostgreSQL on the data directory *directory*, which the caller holds locked.

    The logins can be read whether or not it runs: a second program that may read the secrets can connect too.

    Args:
        directory: where everything is kept.
        progress: told in a few words, without secrets, about each step that takes time.
        start_s: seconds that a start may take, recovery after a crash included.
    """

    name = "postgres"

    def __init__(self, directory: DataDirectory, *, progress: Progress = silent, start_s: float = 300.0) -> None:
        self._directory = directory
        self._progress = progress
        self._start_s = start_s
        self._log = LogFile(directory.logs / "postgres.log")
        self._child: Child | None = None

    @property
    def socket_directory(self) -> Path:
        """The private directory (0700) of the socket ``.s.PGSQL.5432``."""
        return self._directory.sockets / "pg"

    @property
    def owner(self) -> Login:
        """The login for migrations: owns the database, is no superuser."""
        return self._login(roles.OWNER)

    @property
    def app(self) -> Login:
        """The login for the running server: no DDL, no BYPASSRLS, and the rights that migrations grant."""
        return self._login(roles.APP)

    @property
    def admin(self) -> Login:
        """The superuser's login, on the database ``postgres``: for backups and repair only."""
        return self._login(roles.ADMIN, "postgres")

    @property
    def maintenance(self) -> Login:
        """The superuser's login on the appliance's own database: for what no other role may do to its files."""
        return self._login(roles.ADMIN)

    @property
    def is_running(self) -> bool:
        """Whether the server that this object started has not ended."""
        return self._child is not None and self._child.is_running

    async def start(self) -> None:
        """
        Start the server and return when it serves; does nothing if it runs.

        A first start initialises the data directory. What a killed predecessor left (processes, lock files,
        an interrupted initialisation) is cleared away, and PostgreSQL replays its log.

        Raises:
            StartError: it does not run within the limit; the text ends with the last lines of the log.
            UnsafeDirectoryError: files of the data directory are open to others. Nothing was started.
        """
        if self.is_running:
            return
        program = postgres_program("postgres")
        try:
            account = choose_account(program, self._directory.postgres, self._directory.path.parent)
            self._directory.admit(account)
            self._directory.give(self.socket_directory, account)
            if not self._directory.postgres.exists():
                self._progress("initialising PostgreSQL")
                admin = verifier(self.admin.password, urandom(16))
                await initialise(self._directory, account, roles.ADMIN, admin, self._log)
            configure(self._directory, account, self.socket_directory, _PORT)
            await self._launch(program, account)
            await roles.ensure_roles(self.admin, self.owner, self.app)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            await self.stop()
            raise StartError(f"PostgreSQL did not start ({error}): see {self._log.path}") from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the server (fast shutdown: open transactions are rolled back) and return when it is gone."""
        if self._child is not None:
            await self._child.stop(_STOP)
            self._child = None

    async def restart(self) -> None:
        """Stop and start; errors as in :meth:`start`. Not for a server under a supervisor."""
        await self.stop()
        await self.start()

    async def wait(self) -> str:
        """Wait until the server ends, and return how it ended, in words; at once if it does not run."""
        return await self._child.wait() if self._child is not None else "not running"

    def bound_log(self) -> None:
        """Keep the log file under its limit."""
        self._log.bound()

    def _login(self, role: str, database: str = roles.DATABASE) -> Login:
        password = self._directory.secret(f"{role.replace('_', '-')}.password", lambda: token_urlsafe(32))
        return Login(str(self.socket_directory), _PORT, database, role, password)

    async def _launch(self, program: Path, account: Account) -> None:
        data = self._directory.postgres
        tag = "governlayer-" + sha256(bytes(data)).hexdigest()[:16]
        # Every process of the server shows its cluster name in its title.
        trace = Trace("postgres", data, tag.encode())
        command = Command([program, "-D", data, "-c", f"cluster_name={tag}"], account, data, death_signal=signal.SIGINT)
        deadline = time.monotonic() + self._start_s
        patience_end = time.monotonic() + _STILL_ENDING_S
        self._progress(
            "recovering PostgreSQL after a crash" if (data / "postmaster.pid").exists() else "starting PostgreSQL"
        )
        while True:
            if await end(trace, signal.SIGINT, _FAST_STOP_S):
                self._progress("stopped a PostgreSQL that was left running")
            self._clear_locks()
            self._child = spawn(command, self._log.open())
            if await self._ready(self._child, deadline):
                return
            tail = self._log.tail()
            if not any(text in tail for text in _STILL_ENDING) or time.monotonic() > patience_end:
                raise StartError(f"PostgreSQL {await self._child.wait()} at start: see {self._log.path}\n{tail}")
            await asyncio.sleep(0.5)

    def _clear_locks(self) -> None:
        """
        Remove the lock files of a dead postmaster.

        The process id in them may by now be another program's, which PostgreSQL would take for its own. No
        process of this data directory is alive here (we hold its lock and have looked), and PostgreSQL still
        refuses to start on a shared memory block in use, which it finds by the inode of the directory.
        """
        (self._directory.postgres / "postmaster.pid").unlink(missing_ok=True)
        for name in (f".s.PGSQL.{_PORT}", f".s.PGSQL.{_PORT}.lock"):
            (self.socket_directory / name).unlink(missing_ok=True)

    async def _ready(self, child: Child, deadline: float) -> bool:
        """Return True when the server accepts the superuser, False when it has ended."""
        admin = self.admin.options()
        while child.is_running:
            if time.monotonic() > deadline:
                raise StartError(
                    f"PostgreSQL does not serve after {self._start_s:.0f} s: look at {self._log.path}, then start again"
                )
            try:
                connection = await asyncpg.connect(**admin, timeout=_CONNECT_S)
            except asyncpg.InvalidAuthorizationSpecificationError as error:
                raise StartError(
                    f"PostgreSQL refuses the password in {self._directory.secrets}: restore it and "
                    f"{self._directory.postgres} from the same backup"
                ) from error
            except _NOT_YET:
                await asyncio.sleep(_POLL_S)
            else:
                with suppress(OSError, asyncpg.PostgresError):
                    await connection.close(timeout=_CONNECT_S)
                return True
        return False
