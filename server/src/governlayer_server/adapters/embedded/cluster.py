"""A PostgreSQL data directory: made whole or not at all, and the settings that it always has."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

from governlayer_server.adapters.embedded.account import Account
from governlayer_server.adapters.embedded.binaries import POSTGRES_MAJOR, postgres_program
from governlayer_server.adapters.embedded.child import Command, spawn
from governlayer_server.adapters.embedded.directory import DataDirectory, sync_directory
from governlayer_server.adapters.embedded.errors import StartError
from governlayer_server.adapters.embedded.leftovers import Trace, end
from governlayer_server.adapters.embedded.log import LogFile

_INITDB_S = 180.0
_ACCESS = "# Passwords only, through the socket only.\nlocal all all scram-sha-256\n"
# Errors go to the client; here they would carry values of rows. LOG, FATAL and PANIC stay.
_SETTINGS = """\
# Written at every start; changes made here are lost.
listen_addresses = ''
unix_socket_directories = {sockets}
unix_socket_permissions = 0700
port = {port}
password_encryption = 'scram-sha-256'
allow_alter_system = off
max_connections = 64
shared_buffers = '128MB'
max_wal_size = '512MB'
# A segment that is used again keeps what stood in it: destroyed keys would stay on the disk.
wal_recycle = off
wal_init_zero = on
max_wal_senders = 0
huge_pages = off
jit = off
fsync = on
full_page_writes = on
synchronous_commit = on
restart_after_crash = on
idle_in_transaction_session_timeout = '60s'
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
logging_collector = off
log_destination = 'stderr'
log_line_prefix = '%m [%p] '
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_checkpoints = off
log_connections = ''
log_disconnections = off
"""


async def initialise(directory: DataDirectory, account: Account, admin: str, verifier: str, log: LogFile) -> None:
    """
    Make PGDATA in *directory*: beside it first, then renamed: an interruption leaves nothing half made.

    Args:
        directory: locked by this process, and without PGDATA.
        account: whom PGDATA belongs to.
        admin: name of the superuser.
        verifier: what PostgreSQL keeps of the superuser's password.
        log: takes what initdb prints.

    Raises:
        StartError: initdb failed or took over 180 s. There is no PGDATA.
    """
    draft = directory.path / "postgres.init"
    for program in ("initdb", "postgres"):
        await end(Trace(program, draft, bytes(draft)), signal.SIGTERM, 2.0)
    if draft.exists():
        shutil.rmtree(draft)
    directory.give(draft, account)
    password_file = directory.path / "initdb.password"
    write_for(account, password_file, verifier + "\n")
    try:
        await _initdb(account, draft, admin, password_file, log)
    finally:
        password_file.unlink()
    with (draft / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("\ninclude = 'governlayer.conf'\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(directory.postgres)
    sync_directory(directory.path)


async def _initdb(account: Account, draft: Path, admin: str, password_file: Path, log: LogFile) -> None:
    argv: list[str | Path] = [
        postgres_program("initdb"),
        f"--pgdata={draft}",
        f"--username={admin}",
        f"--pwfile={password_file}",
        "--auth-local=scram-sha-256",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
    ]
    child = spawn(Command(argv, account, draft, signal.SIGTERM), log.open())
    try:
        async with asyncio.timeout(_INITDB_S):
            ending = await child.wait()
    except TimeoutError:
        raise StartError(f"initdb took over {_INITDB_S:.0f} s: check that the disk works, then start again") from None
    finally:
        await child.stop([(signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)])
    if ending != "exited with status 0":
        raise StartError(
            f"initdb {ending}: check the free space and the rights in {draft.parent}, then start again\n" + log.tail()
        )


def configure(directory: DataDirectory, account: Account, sockets: Path, port: int) -> None:
    """
    Write the settings and the access rules of PGDATA.

    Raises:
        StartError: PGDATA was made by another major version. Nothing was written.
    """
    version = (directory.postgres / "PG_VERSION").read_text(encoding="ascii").strip()
    if version != POSTGRES_MAJOR:
        raise StartError(
            f"{directory.postgres} was made by PostgreSQL {version}, this is {POSTGRES_MAJOR}: run the "
            "release of GovernLayer that made it, take a backup, and restore it here"
        )
    settings = _SETTINGS.format(sockets=_quoted_list_item(sockets), port=port)
    write_for(account, directory.postgres / "governlayer.conf", settings)
    write_for(account, directory.postgres / "pg_hba.conf", _ACCESS)


def write_for(account: Account, path: Path, text: str) -> None:
    """Replace *path* by a file (0600) of *account* with *text*, whole or not at all; follows no link."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if account.is_other:
            os.fchown(descriptor, account.uid, account.gid)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    temporary.rename(path)


def _quoted_list_item(path: Path) -> str:
    # A list of identifiers inside a string: '"' doubled for the list; "'" and "\" doubled for the file.
    item = '"' + str(path).replace('"', '""') + '"'
    return "'" + item.replace("\\", "\\\\").replace("'", "''") + "'"
