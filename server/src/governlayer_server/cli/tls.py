"""``governlayer tls``: certificates for a small install, out of an authority of its own."""

from pathlib import Path

import click

from governlayer_server.adapters.tls.authority import MAX_DAYS, Authority
from governlayer_server.adapters.tls.names import check_host, default_hosts
from governlayer_server.cli.common import Command
from governlayer_server.domain.errors import ConfigurationError

_SERVER = "server"
_NAMES_HELP = "DNS name or IP address under which clients reach it; repeatable."


def _checked(_context: click.Context, _parameter: click.Parameter, hosts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(check_host(host) for host in hosts)


@click.group()
def tls() -> None:
    """
    Make the certificates that a small install needs: a private authority, servers, clients.

    For certificates that browsers trust by themselves use a public authority (ACME) instead, and give the files to
    `governlayer up` or `serve` with --tls-certificate and --tls-key.
    """


def _directory_option(command: Command) -> Command:
    return click.option(
        "--directory",
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        help="Where the authority and its certificates are.",
    )(command)


def _days_option(command: Command) -> Command:
    return click.option(
        "--days",
        type=click.IntRange(1, MAX_DAYS),
        default=365,
        show_default=True,
        help="How long the certificate is valid.",
    )(command)


@tls.command("init")
@_directory_option
@click.option(
    "--name",
    "names",
    metavar="HOST",
    multiple=True,
    callback=_checked,
    help=_NAMES_HELP + "  [default: localhost, this host]",
)
@_days_option
@click.option("--force", is_flag=True, help="Replace an authority that is there; all its certificates are worthless.")
def init(directory: Path, names: tuple[str, ...], days: int, force: bool) -> None:
    """
    Make a private authority, and a certificate for the GovernLayer server.

    --name says how clients reach the server; without it: localhost, 127.0.0.1, ::1 and the host name of this machine.
    """
    hosts = names or tuple(default_hosts())
    authority = Authority.create(directory, replace=force)
    certificate, key = authority.issue_server(_SERVER, hosts, days, replace=force)
    click.echo(
        f"hand out  {authority.certificate_file}   to all who are to trust this server (clients, browsers)\n"
        f"keep      {authority.key_file}   away from the server, in two safe places: it makes every certificate\n"
        f"serve     {certificate}\n"
        f"          {key}   for {', '.join(hosts)}; {days} days\n\n"
        f"next      governlayer up --tls-certificate {certificate} --tls-key {key}\n"
        f"check     curl --cacert {authority.certificate_file} https://localhost:8600/livez\n"
        f"renew     governlayer tls renew --directory {directory}   (taken without a restart)"
    )


@tls.command("issue")
@_directory_option
@click.argument("file_name", metavar="FILE_NAME")
@click.option("--name", "names", metavar="HOST", multiple=True, callback=_checked, help=_NAMES_HELP)
@click.option("--client", is_flag=True, help="A client's certificate instead; FILE_NAME is its common name.")
@_days_option
@click.option("--force", is_flag=True, help="Replace the files that are there.")
def issue(directory: Path, file_name: str, names: tuple[str, ...], client: bool, days: int, force: bool) -> None:
    r"""
    Make one more certificate: for PostgreSQL, Redis, another server, or a client.

    \b
    governlayer tls issue postgresql --directory DIR --name db.internal
    governlayer tls issue redis --directory DIR --name cache.internal
    governlayer tls issue governlayer_app --directory DIR --client
    """
    if client == bool(names):
        raise click.UsageError("a server's certificate needs --name HOST, a client's has --client instead")
    authority = Authority.open(directory)
    if client:
        certificate, key = authority.issue_client(file_name, days, replace=force)
    else:
        certificate, key = authority.issue_server(file_name, names, days, replace=force)
    click.echo(f"{certificate}\n{key}")


@tls.command("renew")
@_directory_option
@click.argument("file_names", metavar="[FILE_NAME]...", nargs=-1)
@_days_option
def renew(directory: Path, file_names: tuple[str, ...], days: int) -> None:
    """
    Replace certificates by new ones for the same names, with new keys; all of them unless some are named.

    A running GovernLayer server takes the new files by itself; PostgreSQL and Redis have to be told to reload.
    """
    authority = Authority.open(directory)
    wanted = file_names or authority.names()
    if not wanted:
        raise ConfigurationError(f"there are no certificates in {directory}")
    for file_name in wanted:
        certificate, _ = authority.renew(file_name, days)
        click.echo(certificate)
