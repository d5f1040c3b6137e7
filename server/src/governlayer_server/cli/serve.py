"""``governlayer serve`` and ``governlayer migrate``: against PostgreSQL and Redis that are there already."""

import asyncio
import os
import resource
import signal
import sys

import click
import uvloop

from governlayer_server.adapters.logs.access import configure_logs
from governlayer_server.adapters.postgres.database import connect
from governlayer_server.adapters.postgres.migrate import apply_migrations, pending_migrations
from governlayer_server.cli.common import print_setup_url, run
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings import DEFAULT_PORT, Settings, settings_from
from governlayer_server.web.links import Links
from governlayer_server.web.server import Server, bind
from governlayer_server.wiring import open_appliance

_HOST = "127.0.0.1"


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), default=DEFAULT_PORT, show_default=True)
def serve(port: int) -> None:
    """Run the server on 127.0.0.1, against the PostgreSQL and Redis that GOVERNLAYER_… settings name."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    configure_logs()
    uvloop.run(_serve(settings_from(os.environ), port))


async def _serve(settings: Settings, port: int) -> None:
    try:
        bound = bind(_HOST, port)
    except OSError as error:
        raise ConfigurationError(f"port {port} cannot be used: {error.strerror}") from None
    async with open_appliance(settings) as appliance:
        links = Links(settings.public_url or f"http://{_HOST}:{port}")
        application = await appliance.application(settings, links)
        token = await appliance.set_up()

        def ready() -> None:
            click.echo(f"governlayer: serving on http://{_HOST}:{port}", err=True)
            if token is not None:
                print_setup_url(links.setup(token), wanted=False)

        server = Server(application, ready)

        def stop() -> None:
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        await server.serve(sockets=[bound])


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if migrations are missing.")
@click.option("--plan", is_flag=True, help="Change nothing; list the missing migrations.")
def migrate(check: bool, plan: bool) -> None:
    """Bring the database that GOVERNLAYER_… settings name up to date. Connect as its owner."""
    changed = run(_migrate(settings_from(os.environ), only_look=check or plan))
    for migration in changed:
        click.echo(migration)
    if not changed:
        click.echo("up to date", err=True)
    if check and changed:
        sys.exit(1)


async def _migrate(settings: Settings, *, only_look: bool) -> list[str]:
    database = await connect(settings.database)
    try:
        return await (pending_migrations() if only_look else apply_migrations(database))
    finally:
        await database.close()
