"""The embedded Redis: socket only, one user with few commands, nothing on disk (security.md §2)."""

import asyncio
import signal
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from governlayer_server.adapters.embedded.account import choose_account
from governlayer_server.adapters.embedded.binaries import redis_program
from governlayer_server.adapters.embedded.child import Child, Command, spawn
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.errors import StartError
from governlayer_server.adapters.embedded.leftovers import Trace, end
from governlayer_server.adapters.embedded.log import LogFile
from governlayer_server.adapters.embedded.postgres import Progress, silent

_USER = "governlayer"
_STOP = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
_POLL_S = 0.02
_CONNECT_S = 2.0
# Counters, caches, messages, scripts, and what redis-py says when it connects. There is no other user, so all
# keys are ours. @dangerous holds CONFIG, FLUSHALL, DEBUG, KEYS, INFO and CLIENT; two harmless parts of CLIENT
# are given back.
_COMMANDS = (
    "-@all +@read +@write +@transaction +@connection +@pubsub +eval +evalsha +script|load +script|exists "
    "+time -@dangerous -@admin +client|setinfo +client|setname"
)
# noeviction: a full Redis refuses to write, and the caller denies or limits by itself. Eviction would forget
# counters in silence, and let an organization go over its limit. The password is here as its hash only.
_SETTINGS = """\
port 0
unixsocket {socket}
unixsocketperm 700
protected-mode yes
dir {directory}
daemonize no
set-proc-title no
save ""
appendonly no
maxmemory 64mb
maxmemory-policy noeviction
maxclients 512
loglevel notice
logfile ""
always-show-logo no
crash-log-enabled no
crash-memcheck-enabled no
slowlog-max-len 0
slowlog-log-slower-than -1
user default reset off nopass
user {user} reset on #{password_hash} ~* &* {commands}
"""


@dataclass(frozen=True)
class RedisLogin:
    """How to connect to the embedded Redis: path of the socket, user, password (not in ``repr``)."""

    socket: str
    user: str
    password: str = field(repr=False)

    def options(self) -> dict[str, Any]:
        """Return keyword arguments for ``redis.asyncio.Redis``; they hold the password."""
        return {"unix_socket_path": self.socket, "username": self.user, "password": self.password}


class EmbeddedRedis:
    """
    Redis for the data directory *directory*, which the caller holds locked. What it holds dies with it.

    Args:
        directory: where its socket, password and log are.
        progress: told in a few words, without secrets, about each step that takes time.
        start_s: seconds that a start may take.
    """

    name = "redis"

    def __init__(self, directory: DataDirectory, *, progress: Progress = silent, start_s: float = 20.0) -> None:
        self._directory = directory
        self._progress = progress
        self._start_s = start_s
        self._log = LogFile(directory.logs / "redis.log")
        self._child: Child | None = None

    @property
    def login(self) -> RedisLogin:
        """The only login there is; it can be read whether or not the server runs."""
        password = self._directory.secret("redis.password", lambda: token_urlsafe(32))
        return RedisLogin(str(self._home / "redis.sock"), _USER, password)

    @property
    def is_running(self) -> bool:
        """Whether the server that this object started has not ended."""
        return self._child is not None and self._child.is_running

    @property
    def _home(self) -> Path:
        return self._directory.sockets / "redis"

    async def start(self) -> None:
        """
        Start the server and return when it serves; does nothing if it runs.

        One that a killed appliance left is ended first.

        Raises:
            StartError: it does not serve within the limit; the text ends with the last lines of the log.
            UnsafeDirectoryError: files of the data directory are open to others. Nothing was started.
        """
        if self.is_running:
            return
        program = redis_program()
        try:
            account = choose_account(program, self._directory.postgres, self._directory.path.parent)
            self._directory.admit(account)
            self._directory.give(self._home, account)
            await end(Trace("redis-server", self._home, bytes(self._home)), signal.SIGTERM, 10.0)
            self._progress("starting Redis")
            argv: list[str | Path] = [program, "-", "--dir", self._home]
            command = Command(argv, account, self._home, signal.SIGTERM, self._settings())
            self._child = spawn(command, self._log.open())
            await self._ready(self._child)
        except OSError as error:
            await self.stop()
            raise StartError(f"Redis did not start ({error}): see {self._log.path}") from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the server and return when it is gone."""
        if self._child is not None:
            await self._child.stop(_STOP)
            self._child = None

    async def wait(self) -> str:
        """Wait until the server ends, and return how it ended, in words; at once if it does not run."""
        return await self._child.wait() if self._child is not None else "not running"

    def bound_log(self) -> None:
        """Keep the log file under its limit."""
        self._log.bound()

    def _settings(self) -> bytes:
        login = self.login
        return _SETTINGS.format(
            socket=_quoted(login.socket),
            directory=_quoted(str(self._home)),
            user=login.user,
            password_hash=sha256(login.password.encode()).hexdigest(),
            commands=_COMMANDS,
        ).encode()

    async def _ready(self, child: Child) -> None:
        deadline = time.monotonic() + self._start_s
        while child.is_running and time.monotonic() < deadline:
            try:
                async with Redis(**self.login.options(), socket_timeout=_CONNECT_S) as client:
                    await client.ping()
            except AuthenticationError as error:
                raise StartError("another Redis answers on our socket: end it, then start again") from error
            except RedisError:
                await asyncio.sleep(_POLL_S)
            else:
                return
        state = "does not serve" if child.is_running else await child.wait()
        raise StartError(f"Redis {state} at start: see {self._log.path}\n{self._log.tail()}")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
