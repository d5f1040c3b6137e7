"""What the commands share: the data directory, running coroutines, printing JSON."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import click
from msgspec.structs import replace

from governlayer_server.adapters.crypto.access_tokens import KEY_BYTES
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.errors import AlreadyRunningError
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from governlayer_server.adapters.embedded.restoring import refuse_unfinished
from governlayer_server.adapters.embedded.roles import Login
from governlayer_server.adapters.logs.access import configure_logs
from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.adapters.system import SystemEntropy
from governlayer_server.cli.progress import Meter
from governlayer_server.domain.errors import ConfigurationError, InvalidRequest, LedgerUnavailable, NotFound
from governlayer_server.domain.tenants import SYSTEM_TENANT, tenant_name
from governlayer_server.settings import (
    DEFAULT_DEPLOYMENT,
    PREFIX,
    SECRET_BYTES,
    IdentitySettings,
    Settings,
    anchors_from,
    backups_from,
    data_directory_keys,
    decode_secret,
    edge_from,
    encode_secret,
    identity_from,
    ledgers_from,
    limits_from,
    mail_from,
    paperwork_from,
    settings_from,
)
from governlayer_server.usecases.set_up import SET_UP_MINUTES
from governlayer_server.wiring import Appliance, open_appliance

_PASSWORDS = (*(f"governlayer-{role}.password" for role in ("admin", "app", "owner")), "redis.password")
_MADE_AT_FIRST_START = ("key-encryption-key", "pepper", "jwt-secret", "deployment", *_PASSWORDS)
_T = TypeVar("_T")
Command = TypeVar("Command", bound=Callable[..., Any])


def default_data() -> Path:
    """Return where the data is unless said otherwise."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "governlayer"


def data_option(command: Command) -> Command:
    """Add ``--data DIR``."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        envvar=PREFIX + "DATA",
        default=None,
        show_default="$GOVERNLAYER_DATA or ~/.local/share/governlayer",
        help="Data directory of the appliance.",
    )(command)


def json_option(command: Command) -> Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def org_option(command: Command) -> Command:
    """Add ``--org``; ``find_organization`` reads it."""
    return click.option("--org", required=True, help="Id or name of the organization.")(command)


def ledger_option(command: Command) -> Command:
    """Add ``--org`` where it may name the deployment itself; ``find_ledger`` reads it."""
    text = f"Id or name of the organization; `{SYSTEM_TENANT}`: the ledger of the deployment itself."
    return click.option("--org", required=True, help=text)(command)


def yes_option(command: Command) -> Command:
    """Add ``--yes``; ``confirm`` reads it."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def confirm(question: str, *, yes: bool) -> None:
    """
    Return once the person at the terminal has said yes to *question*, or at once where *yes* was given.

    Raises:
        click.UsageError: there is nobody to ask.
        click.Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask at: add --yes")
    click.confirm(question, abort=True, err=True)


def is_embedded(data: Path | None) -> bool:
    """Return whether the appliance has a data directory: *data* or the usual one; else the environment names it."""
    return data is not None or PREFIX + "DATABASE_HOST" not in os.environ


def print_json(value: object) -> None:
    """Print *value* as one line of JSON, at once."""
    click.echo(json.dumps(value, ensure_ascii=False, sort_keys=True))


def print_setup_url(url: str) -> None:
    """Print the one-time set-up link for the operator, apart from the log lines; it holds a secret."""
    click.echo(f"governlayer: one-time set-up: {url} (valid {SET_UP_MINUTES} minutes)", err=True)


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run *work* to its end."""
    return asyncio.run(work)


def embedded_settings(directory: DataDirectory, deployment: str | None = None) -> Settings:
    """Return the settings of the appliance in *directory*; secrets that are missing are made."""

    def secret(name: str) -> bytes:
        return decode_secret(name, directory.secret(name, lambda: encode_secret(SystemEntropy().bytes(SECRET_BYTES))))

    secret("key-encryption-key")
    redis = EmbeddedRedis(directory).login
    name = directory.secret("deployment", lambda: deployment or DEFAULT_DEPLOYMENT)
    if deployment not in {None, name}:
        raise ConfigurationError(f"this data directory belongs to the deployment {name}, which never changes")
    edge = edge_from(os.environ, directory.secret("metrics-token", lambda: encode_secret(SystemEntropy().bytes(32))))
    return Settings(
        deployment=name,
        database=postgres_address(EmbeddedPostgres(directory).app),
        redis=RedisAddress(socket=redis.socket, user=redis.user, password=redis.password),
        keys=data_directory_keys(directory),
        pepper=secret("pepper"),
        policies=directory.path / "policies" / "default.cedar",
        identity=embedded_identity(directory),
        limits=replace(limits_from(os.environ), replicas=1),
        edge=edge,
        mail=mail_from(os.environ, edge.public_url),
        anchors=anchors_from(os.environ),
        ledgers=ledgers_from(os.environ, directory.path / "evidence", directory.path / "tombstones"),
        paperwork=paperwork_from(os.environ, directory.path / "paperwork.toml"),
        maintenance=postgres_address(EmbeddedPostgres(directory).maintenance),
        backups=backups_from(os.environ, lambda: postgres_address(EmbeddedPostgres(directory).owner)),
    )


def kept_settings(directory: DataDirectory) -> Settings:
    """
    Return the settings of the appliance in *directory*, which has been started before.

    Raises:
        ConfigurationError: a secret is missing that the first start made, which is not made anew; or a restore into
            it has not ended.
    """
    refuse_unfinished(directory)
    for name in _MADE_AT_FIRST_START:
        if directory.existing_secret(name) is None:
            raise ConfigurationError(f"{directory.secrets / name} is missing: without it nothing opens")
    return embedded_settings(directory)


def embedded_identity(directory: DataDirectory) -> IdentitySettings:
    """Return how people sign in to the appliance in *directory*; ``jwt-secret.previous`` verifies, if it is there."""
    secret = directory.secret("jwt-secret", lambda: encode_secret(SystemEntropy().bytes(KEY_BYTES)))
    previous = directory.existing_secret("jwt-secret.previous")
    return identity_from(os.environ, [secret] if previous is None else [secret, previous])


def postgres_address(login: Login) -> PostgresAddress:
    """Return the address that *login* is good for."""
    return PostgresAddress(
        host=login.host, port=login.port, database=login.database, user=login.user, password=login.password
    )


async def find_organization(appliance: Appliance, org: str) -> UUID:
    """
    Return the id of the organization that *org* names, by id or by name.

    Raises:
        NotFound: there is none.
        InvalidRequest: several have this name.
    """
    organizations = await appliance.accounts.organizations()
    found = [one.id for one in organizations if str(one.id) == org] or [
        one.id for one in organizations if one.name == org
    ]
    if not found:
        raise NotFound(f"there is no organization {org}: `governlayer orgs list` shows all")
    if len(found) > 1:
        ids = ", ".join(map(str, found))
        raise InvalidRequest(f"several organizations are called {org}; give the id of the one you mean: {ids}")
    return found[0]


async def find_ledger(appliance: Appliance, org: str) -> UUID | None:
    """
    Return the id of the organization whose ledger *org* names; None: that of the deployment itself.

    An organization of that name is found by its id.

    Raises:
        NotFound: there is none.
        InvalidRequest: several have this name.
    """
    return None if org == SYSTEM_TENANT else await find_organization(appliance, org)


@asynccontextmanager
async def running_appliance(data: Path | None, *, found: bool = True) -> AsyncIterator[Appliance]:
    """
    Open the appliance in *data*, or the one that the environment names when *data* is None and it names one.

    Args:
        data: the data directory.
        found: as for ``open_appliance``; a command that only looks says False.

    Raises:
        ConfigurationError: there is no such appliance, or it is not running.
        LedgerUnavailable: the database that the environment names is away.
    """
    if not is_embedded(data):
        settings = settings_from(os.environ)
    else:
        path = data or default_data()
        if not (path / "lock").exists():
            raise ConfigurationError(f"there is no appliance in {path}: start one with `governlayer up --data {path}`")
        settings = kept_settings(DataDirectory.open(path))
    configure_logs()  # to stderr: a dump may go to stdout
    try:
        async with open_appliance(settings, found=found) as appliance:
            yield appliance
    except LedgerUnavailable:
        if not is_embedded(data):
            raise
        hint = f"start it with `governlayer up --data {data or default_data()}`"
        raise ConfigurationError(f"the appliance does not answer: {hint}") from None


@asynccontextmanager
async def opened_appliance(data: Path | None) -> AsyncIterator[Appliance]:
    """
    Open the appliance as ``running_appliance`` does; one in a data directory need not run: PostgreSQL does meanwhile.

    Opening it writes nothing.

    Raises:
        ConfigurationError: there is no such appliance, or it does not answer.
        EmbeddedError: PostgreSQL does not start. The data is as it was.
    """
    async with AsyncExitStack() as stack:
        if is_embedded(data) and ((path := data or default_data()) / "postgres").exists():
            directory = DataDirectory.open(path)
            kept_settings(directory)  # else the start of PostgreSQL would make passwords anew
            with suppress(AlreadyRunningError):
                stack.enter_context(directory.lock())
                postgres = EmbeddedPostgres(directory)
                await postgres.start()
                stack.push_async_callback(postgres.stop)
        yield await stack.enter_async_context(running_appliance(data, found=False))


async def check_ledger(appliance: Appliance, organization_id: UUID | None) -> None:
    """
    Check the end of one ledger before a command writes it or signs for it; what fails is closed.

    The command may be the first to do so since the database was put back, before any server has started.

    Args:
        appliance: that was opened.
        organization_id: whose ledger; None for the deployment's own.

    Raises:
        Unavailable: it could not be checked. Nothing may be written or signed.
    """
    await appliance.checks.check([tenant_name(organization_id)])


async def check_ledgers(appliance: Appliance) -> None:
    """Check the ends of all ledgers as ``check_ledger`` does, and say which are closed."""
    with Meter("checking ledgers", "ledgers") as meter:
        closed = await appliance.check_ledgers(meter.show)
    for ledger_id in closed:
        click.echo(f"governlayer: ledger {ledger_id} is CLOSED to writing: `governlayer doctor` says more", err=True)
