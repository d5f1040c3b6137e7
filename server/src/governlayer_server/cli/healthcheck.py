"""``governlayer healthcheck``: asks the server on this host how it is; for container engines and exec probes."""

import http.client
import json
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlencode

import click

from governlayer_server.adapters.tls.contexts import pinned_context
from governlayer_server.domain.readiness import DISPENSABLE

# Started every few seconds: what it imports is kept small, and the names of settings stand here in full.
_FILE = click.Path(path_type=Path, dir_okay=False)
_TIMEOUT_S = 5.0
_OK = 200


@click.command(epilog="Exit status: 0 healthy, 1 not, 2 wrong arguments.")
@click.option("--live", is_flag=True, help="Only ask whether the process is alive (/livez), not whether it can decide.")
@click.option(
    "--exclude",
    type=click.Choice(DISPENSABLE),
    multiple=True,
    help="Healthy too while this fails, which decisions can do without.",
)
@click.option("--host", metavar="ADDRESS", envvar="GOVERNLAYER_HOST", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65_535), default=8600, show_default=True)
@click.option(
    "--tls-certificate",
    type=_FILE,
    envvar="GOVERNLAYER_TLS_CERTIFICATE",
    help="What the server serves HTTPS with (PEM): it must show this very certificate.",
)
@click.option(
    "--client-certificate",
    type=_FILE,
    envvar="GOVERNLAYER_HEALTHCHECK_CERTIFICATE",
    help="Own certificate (PEM), where the server admits only known clients.",
)
@click.option(
    "--client-key", type=_FILE, envvar="GOVERNLAYER_HEALTHCHECK_KEY", help="Private key of that certificate (PEM)."
)
def healthcheck(
    live: bool,
    exclude: tuple[str, ...],
    host: str,
    port: int,
    tls_certificate: Path | None,
    client_certificate: Path | None,
    client_key: Path | None,
) -> None:
    """Ask the server on this host whether it can decide; one line says what it answered."""
    connection: http.client.HTTPConnection
    if tls_certificate is None:
        connection = http.client.HTTPConnection(reached(host), port, timeout=_TIMEOUT_S)
    else:
        context = pinned_context(tls_certificate, client_certificate, client_key)
        connection = http.client.HTTPSConnection(reached(host), port, timeout=_TIMEOUT_S, context=context)
    status, line = _ask(connection, "/livez" if live else "/readyz" + _query(exclude))
    click.echo(line, err=status != _OK)
    sys.exit(status != _OK)


def _query(exclude: Sequence[str]) -> str:
    return "?" + urlencode([("exclude", name) for name in exclude]) if exclude else ""


def reached(host: str) -> str:
    """Return where a server that listens on *host* is reached from the same host."""
    host = "127.0.0.1" if host == "localhost" else host
    try:
        address = ip_address(host)
    except ValueError:
        raise click.UsageError(f"--host takes an IP address, and {host!r} is none") from None
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


def _ask(connection: http.client.HTTPConnection, path: str) -> tuple[int, str]:
    """Return the status of the answer, 0 if there was none of ours, and a line about it."""
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        told = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        return 0, f"{path}: no answer of GovernLayer ({error})"
    finally:
        connection.close()
    if not isinstance(told, dict) or "status" not in told:
        return 0, f"{path}: no answer of GovernLayer"
    return answer.status, " ".join([f"{path}: {answer.status}", *told.get("failing", [])])
