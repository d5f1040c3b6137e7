"""``governlayer support-bundle``: what support asks for, without secrets."""

import http.client
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.logs.access import configure_logs
from governlayer_server.adapters.tls.contexts import pinned_context
from governlayer_server.cli.common import data_option, default_data, is_embedded, json_option, print_json, run
from governlayer_server.cli.doctor import patient_of
from governlayer_server.cli.healthcheck import reached
from governlayer_server.cli.whole_file import write_whole
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.scrub import Scrub
from governlayer_server.domain.times import time_text
from governlayer_server.settings import DEFAULT_PORT, PREFIX
from governlayer_server.settings.reading import secret
from governlayer_server.settings.shown import hidden_values, shown_settings
from governlayer_server.wiring.support_bundle import NOT_IN_HERE, Entry, Facts, collect, packed

_STDOUT = Path("-")
_TIMEOUT_S = 5.0


@click.command("support-bundle", epilog="Exit status: 0 made, or listed; 1 it could not be written; 2 wrong arguments.")
@data_option
@json_option
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; -: standard output.  [default: governlayer-support-TIME.tar.gz in this directory]",
)
@click.option("--list", "only_list", is_flag=True, help="Only say what would be in it, and write nothing.")
@click.option("--show", metavar="NAME", help="Only print one of its files, and write nothing.")
@click.option("--with-hosts", is_flag=True, help="Leave hosts and URLs of settings, and IP addresses, in it.")
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=DEFAULT_PORT, help="Of the running server, for figures."
)
def support_bundle(
    data: Path | None,
    as_json: bool,
    output: Path | None,
    only_list: bool,
    show: str | None,
    with_hosts: bool,
    port: int,
) -> None:
    """
    Write what support asks for: what the doctor says, versions, sizes, limits, figures.

    In it is no log, no payload, no secret, no e-mail address, and no host unless --with-hosts. It is plain text: look
    at it before you send it. It works as well while PostgreSQL, Redis or the server are away.
    """
    if output == _STDOUT and as_json:
        raise click.UsageError("--json and -o - both need standard output")
    now_us = time.time_ns() // 1000
    entries = run(_collect(data, port, now_us, hosts=with_hosts))
    if show is not None:
        click.echo(_named(entries, show), nl=False)
        return
    if not only_list:
        output = output or Path(f"governlayer-support-{time_text(now_us)[:19].replace(':', '')}Z.tar.gz")
        _write(output, packed(entries, now_us))
    if as_json:
        print_json({"file": None if only_list else str(output), "files": [_members(one) for one in entries]})
        return
    for one in entries:
        click.echo(f"{one.name:<16} {len(one.text.encode()):>8}  {one.about}", err=output == _STDOUT)
    click.echo(f"not in it: {NOT_IN_HERE}", err=True)
    if not only_list:
        click.echo(f"wrote {'it' if output == _STDOUT else output}; look at it before you send it", err=True)


async def _collect(data: Path | None, port: int, now_us: int, *, hosts: bool) -> Sequence[Entry]:
    configure_logs()
    directory = None if not is_embedded(data) else DataDirectory.open(data or default_data())
    hidden = {**hidden_values(os.environ, hosts=hosts), **_secrets_in(directory)}
    facts = Facts(
        patient=patient_of(data, ()),
        settings_shown=shown_settings(os.environ, hosts=hosts),
        ask=_asker(port, directory),
    )
    return await collect(facts, Scrub(hidden, addresses=hosts), now_us)


def _secrets_in(directory: DataDirectory | None) -> Mapping[str, str]:
    """Return the secrets of a data directory, and what stands for each."""
    files = [] if directory is None else [one for one in directory.secrets.iterdir() if one.is_file()]
    found = {file.read_text(encoding="utf-8", errors="replace").strip(): file.name for file in files}
    return {text: name for text, name in found.items() if name != "deployment" and text}


def _asker(port: int, directory: DataDirectory | None) -> Callable[[str], str]:
    token = secret(os.environ, "METRICS_TOKEN") if directory is None else directory.existing_secret("metrics-token")
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def ask(path: str) -> str:
        connection = _connection(port)
        try:
            connection.request("GET", path, headers=headers if path == "/metrics" else {})
            answer = connection.getresponse()
            return answer.read().decode("utf-8", "replace") if path != "/metrics" or answer.status == 200 else ""
        except http.client.HTTPException as error:
            raise OSError(f"no answer of HTTP ({type(error).__name__})") from None
        finally:
            connection.close()

    return ask


def _connection(port: int) -> http.client.HTTPConnection:
    """Return a connection to the server on this host, which has to show the certificate of the settings."""
    host = reached(os.environ.get(PREFIX + "HOST", "127.0.0.1"))
    files = [
        os.environ.get(PREFIX + name) for name in ("TLS_CERTIFICATE", "HEALTHCHECK_CERTIFICATE", "HEALTHCHECK_KEY")
    ]
    certificate, *own = (Path(file) if file else None for file in files)
    if certificate is None:
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=pinned_context(certificate, *own))


def _write(output: Path, content: bytes) -> None:
    if output == _STDOUT:
        if sys.stdout.isatty():
            raise click.UsageError("-o - writes an archive, and standard output is a terminal: send it to a file")
        sys.stdout.buffer.write(content)
        return
    try:
        write_whole(output, lambda file: file.write(content))
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written ({error.strerror}): -o FILE, or -o - > FILE") from None


def _named(entries: Sequence[Entry], name: str) -> str:
    found = [one.text for one in entries if one.name == name]
    if not found:
        raise click.BadParameter(f"one of {', '.join(one.name for one in entries)}", param_hint="--show")
    return found[0]


def _members(one: Entry) -> Mapping[str, object]:
    return {"about": one.about, "bytes": len(one.text.encode()), "name": one.name}
