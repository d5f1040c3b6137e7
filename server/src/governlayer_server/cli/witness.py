"""``governlayer ledger witness``: cosign the checkpoints of ledgers that run elsewhere."""

import asyncio
import resource
import signal
from pathlib import Path
from typing import Any

import click
import uvloop

from governlayer_server.adapters.logs.access import configure_logs
from governlayer_server.cli.common import print_json
from governlayer_server.cli.listen import Listening, listen_options, parse_listening
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.ledger.note import VerifierKey, parse_verifier_key
from governlayer_server.web.observe import Observed
from governlayer_server.web.server import Server
from governlayer_server.wiring.witness import opened_witness

DEFAULT_WITNESS_PORT = 8601


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Where the key and the memory of the witness are; made at the first start.",
)
@click.option("--name", help="Name of the witness, such as witness.example.com; needed at the first start, then fixed.")
@click.option("--log", "logs", metavar="VKEY", multiple=True, help="Key of a deployment to witness; repeatable.")
@click.option(
    "--logs",
    "logs_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of such keys, one a line; lines that begin with # are passed over.",
)
@click.option("--port", type=click.IntRange(0, 65_535), default=DEFAULT_WITNESS_PORT, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when it serves.")
@listen_options
def witness(
    directory: Path,
    name: str | None,
    logs: tuple[str, ...],
    logs_file: Path | None,
    port: int,
    as_json: bool,
    **where: Any,
) -> None:
    """
    Run a witness on a second machine: it cosigns ledgers that only ever grow.

    It speaks c2sp.org/tlog-witness. Give the printed key and the address to the appliance (GOVERNLAYER_WITNESSES).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    configure_logs()
    keys = [parse_verifier_key(one) for one in (*logs, *_lines(logs_file))]
    if not keys:
        raise ConfigurationError("a witness needs a key to trust: --log VKEY, from `governlayer ledger key`")
    listening = parse_listening(**where, by_address=False)
    with opened_witness(directory, name, keys) as (opened, application):
        uvloop.run(_serve(application, opened.key, listening, port, as_json))


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{file} cannot be read") from None
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


async def _serve(application: Observed, key: VerifierKey, listening: Listening, port: int, as_json: bool) -> None:
    bound = listening.bind(port)
    async with listening.watching():

        def ready() -> None:
            host, _, _ = key.name.partition("/")
            # Asked from another machine, where localhost is another host.
            url = listening.url(bound, host)
            if as_json:
                print_json({"key": str(key), "url": url})
            else:
                click.echo(f"GOVERNLAYER_WITNESSES='{host} {key} {url}'")
                click.echo(f"governlayer: witness on {url}", err=True)

        server = Server(application, ready, tls=listening.tls, trusted_proxies=listening.trusted_proxies)

        def stop() -> None:
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        await server.serve(sockets=[bound])
