"""``governlayer serve``: against PostgreSQL and Redis that are there already."""

import asyncio
import os
import resource
import signal
import sys
from typing import Any

import click
import uvloop

from governlayer_server.adapters.logs.access import configure_logs
from governlayer_server.cli.common import check_ledgers, print_setup_url
from governlayer_server.cli.listen import Listening, listen_options, parse_listening
from governlayer_server.settings import DEFAULT_PORT, Settings, settings_from
from governlayer_server.web.headers import security_headers
from governlayer_server.web.links import Links
from governlayer_server.web.server import Server
from governlayer_server.wiring import open_appliance


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), default=DEFAULT_PORT, show_default=True)
@listen_options
def serve(port: int, **where: Any) -> None:
    """Run the server against the PostgreSQL and Redis that GOVERNLAYER_… settings name."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    configure_logs()
    listening = parse_listening(**where)
    uvloop.run(_serve(settings_from(os.environ), listening, port))


async def _serve(settings: Settings, listening: Listening, port: int) -> None:
    bound = listening.bind(port)
    async with open_appliance(settings) as appliance, listening.watching():
        url = listening.url(bound)
        links = Links(settings.edge.public_url or url)
        await check_ledgers(appliance)
        application = await appliance.application(settings, links, listening.certificate_file)
        is_new = not await appliance.accounts.organizations()
        # Standard error may be a log that is kept; and a link that was made by command stays good.
        token = await appliance.set_up() if is_new and sys.stderr.isatty() else None

        def ready() -> None:
            click.echo(f"governlayer: serving on {url}", err=True)
            if token is not None:
                print_setup_url(links.setup(token))
            elif is_new:
                click.echo(
                    "governlayer: no organization yet: `governlayer orgs set-up-link` or `orgs create`", err=True
                )

        server = Server(
            application,
            ready,
            headers=security_headers(settings.edge.csp),
            tls=listening.tls,
            trusted_proxies=listening.trusted_proxies,
        )

        def stop() -> None:
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        await server.serve(sockets=[bound])
