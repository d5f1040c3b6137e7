"""``governlayer up``: everything on one machine."""

import asyncio
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import uvloop

from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from governlayer_server.adapters.embedded.restoring import refuse_unfinished
from governlayer_server.adapters.embedded.supervisor import Event, Supervisor
from governlayer_server.adapters.logs.access import configure_logs
from governlayer_server.adapters.postgres.database import connect
from governlayer_server.adapters.postgres.migrate import apply_migrations
from governlayer_server.cli.common import (
    check_ledgers,
    data_option,
    default_data,
    embedded_settings,
    postgres_address,
    print_json,
    print_setup_url,
)
from governlayer_server.cli.listen import Listening, listen_options, parse_listening
from governlayer_server.domain.errors import LedgerRefused, LedgerUnavailable
from governlayer_server.policies import DEFAULT
from governlayer_server.settings import DEFAULT_PORT, Settings
from governlayer_server.web.headers import security_headers
from governlayer_server.web.links import Links
from governlayer_server.web.server import Server
from governlayer_server.wiring import VERSION, Appliance, open_appliance

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@click.command()
@data_option
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="0: any free port.",
)
@click.option(
    "--deployment",
    metavar="NAME",
    help="Name of the deployment, at the first start only.  [default: localhost]",
)
@listen_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output when ready to serve.")
def up(data: Path | None, port: int, deployment: str | None, as_json: bool, **where: Any) -> None:
    """
    Run the whole appliance on this machine: embedded PostgreSQL and Redis, migrations, keys, server.

    The first start makes the data directory; later starts resume. Ctrl-C or SIGTERM stops all that it started.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    configure_logs()
    started_s = time.monotonic()
    listening = parse_listening(**where)
    path = data or default_data()
    if (path / "lock").exists():
        # The likelier mistake first: an appliance that runs here holds the port too.
        with DataDirectory.open(path).lock():
            refuse_unfinished(DataDirectory.open(path))
    bound = listening.bind(port)
    directory = DataDirectory.open(path)
    with directory.lock():
        uvloop.run(_Up(directory, listening, as_json, started_s).run(bound, deployment))


class _Up:
    """One run of the appliance."""

    def __init__(self, directory: DataDirectory, listening: Listening, as_json: bool, started_s: float) -> None:
        self._directory = directory
        self._listening = listening
        self._as_json = as_json
        self._started_s = started_s

    async def run(self, bound: socket.socket, deployment: str | None) -> None:
        stop = asyncio.Event()
        for number in _STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        postgres = EmbeddedPostgres(self._directory, progress=_progress)
        redis = EmbeddedRedis(self._directory, progress=_progress)
        supervisor = Supervisor([postgres, redis], _on_event)
        starting = asyncio.create_task(supervisor.start())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if stop.is_set():
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
                return
            starting.result()
            settings = embedded_settings(self._directory, deployment)
            await self._migrate(postgres)
            _write_default_policies(settings.policies)
            async with open_appliance(settings) as appliance, self._listening.watching():
                await self._serve(appliance, settings, bound, stop)
        finally:
            stopping.cancel()
            _progress("stopping")
            await supervisor.stop()

    async def _migrate(self, postgres: EmbeddedPostgres) -> None:
        owner = await connect(postgres_address(postgres.owner), patient=True)
        try:
            if applied := await apply_migrations(owner, say=_progress):
                _progress(f"migrations applied: {len(applied)}")
        finally:
            await owner.close()

    async def _serve(self, appliance: Appliance, settings: Settings, bound: socket.socket, stop: asyncio.Event) -> None:
        url = self._listening.url(bound)
        links = Links(settings.edge.public_url or url)
        await check_ledgers(appliance)
        application = await appliance.application(settings, links, self._listening.certificate_file)
        token = await appliance.set_up()
        setup_url = None if token is None else links.setup(token)
        server = Server(
            application,
            lambda: self._ready(url, setup_url, settings),
            headers=security_headers(settings.edge.csp),
            tls=self._listening.tls,
            trusted_proxies=self._listening.trusted_proxies,
        )
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        waiting.cancel()
        await serving
        with suppress(LedgerUnavailable, LedgerRefused):  # the stop goes on without PostgreSQL
            await appliance.record_event("system.stopped", {"version": VERSION})

    def _ready(self, url: str, setup_url: str | None, settings: Settings) -> None:
        if self._as_json:
            print_json({"data": str(self._directory.path), "pid": os.getpid(), "setup_url": setup_url, "url": url})
            sys.stdout.flush()
        seconds = time.monotonic() - self._started_s
        _progress(f"ready in {seconds:.1f} s")
        data = self._directory.path
        _progress(f"url:      {url}")
        _progress(f"data:     {data}")
        _progress(f"policies: {settings.policies}")
        if setup_url is None:
            return
        if not self._as_json or sys.stderr.isatty():
            print_setup_url(setup_url)
        _progress(
            f"next:     governlayer orgs create --data {data} --name Acme --plan pro --owner-email you@example.com"
        )


def _write_default_policies(path: Path) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        partial = path.with_suffix(".partial")
        partial.write_text(DEFAULT, encoding="utf-8")
        partial.replace(path)


def _progress(message: str) -> None:
    click.echo(f"governlayer: {message}", err=True)


def _on_event(event: Event) -> None:
    if event.kind in {"died", "start_failed"}:
        _progress(f"{event.service} {event.kind.replace('_', ' ')}: {event.detail}")
