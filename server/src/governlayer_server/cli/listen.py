"""Where a server listens, and how: the options that ``up``, ``serve`` and ``ledger witness`` share."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import click
from msgspec import Struct

from governlayer_server.adapters.tls.served import ServedCertificate
from governlayer_server.cli.common import Command
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.network import Network, check_exposure, parse_networks
from governlayer_server.settings import PREFIX
from governlayer_server.web.server import bind

_ALL_ONE_ADDRESS = (
    "governlayer: WARNING: --behind-tls-proxy without --trusted-proxy: all clients count as one address, so anybody "
    "can stop all sign-ins, and allowed_ips compares the proxy. Add --trusted-proxy ADDRESS_OF_THE_PROXY."
)
_FILE = click.Path(path_type=Path, dir_okay=False)


def listen_options(command: Command) -> Command:
    """Add the options; *command* gets them as ``host``, ``tls_certificate`` and so on, for ``parse_listening``."""
    options = (
        click.option(
            "--host",
            metavar="ADDRESS",
            envvar=PREFIX + "HOST",
            default="127.0.0.1",
            show_default=True,
            help="IPv4 or IPv6 address to listen on. Any but loopback needs TLS, here or in front.",
        ),
        click.option(
            "--tls-certificate",
            type=_FILE,
            envvar=PREFIX + "TLS_CERTIFICATE",
            help="Serve HTTPS: certificate and chain (PEM). A new file is taken without a restart.",
        ),
        click.option(
            "--tls-key",
            type=_FILE,
            envvar=PREFIX + "TLS_KEY",
            help="Private key of the certificate (PEM), not readable by everybody.",
        ),
        click.option(
            "--tls-client-ca",
            type=_FILE,
            envvar=PREFIX + "TLS_CLIENT_CA",
            help="Admit only clients with a certificate that one of these authorities (PEM) signed.",
        ),
        click.option(
            "--behind-tls-proxy",
            is_flag=True,
            envvar=PREFIX + "BEHIND_TLS_PROXY",
            help="Serve plain HTTP: a proxy in front does TLS, and the network up to here is private.",
        ),
        click.option(
            "--trusted-proxy",
            "trusted_proxies",
            metavar="ADDRESS_OR_CIDR",
            multiple=True,
            envvar=PREFIX + "TRUSTED_PROXY",
            help="Believe X-Forwarded-For from here only; repeatable.  [default: from nobody]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


class Listening(Struct, frozen=True, kw_only=True):
    """Where the server listens, and how."""

    host: str
    certificate: ServedCertificate | None
    trusted_proxies: tuple[Network, ...]
    certificate_file: Path | None = None

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The context to serve HTTPS with, None for plain HTTP."""
        return self.certificate.context if self.certificate else None

    def bind(self, port: int) -> socket.socket:
        """
        Return the listening socket.

        Raises:
            ConfigurationError: the address or the port cannot be used.
        """
        try:
            return bind(self.host, port)
        except OSError as error:
            where = f"{self.host} port {port}"
            raise ConfigurationError(f"{where} cannot be used ({error.strerror}): choose another --port") from None

    def url(self, bound: socket.socket, known_as: str = "localhost") -> str:
        """Return the URL of the server on *bound*; where it listens on all addresses, by the host *known_as*."""
        address = ip_address(self.host)
        host = known_as if address.is_unspecified else f"[{address}]" if address.version == 6 else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{bound.getsockname()[1]}"

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Inside, a new certificate in the files is taken."""
        if self.certificate is None:
            yield
            return
        watching = asyncio.create_task(
            self.certificate.watch(lambda line: click.echo(f"governlayer: {line}", err=True))
        )
        try:
            yield
        finally:
            watching.cancel()


def parse_listening(
    *,
    host: str,
    tls_certificate: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    behind_tls_proxy: bool,
    trusted_proxies: tuple[str, ...],
    by_address: bool = True,
) -> Listening:
    """
    Return what the options say; *by_address* tells whether what is served tells its clients apart by address.

    Raises:
        ConfigurationError: they are incomplete or malformed, the certificate cannot be used, or plain HTTP would
            leave the machine. Nothing listens.
    """
    host = "127.0.0.1" if host == "localhost" else host
    try:
        ip_address(host)
    except ValueError:
        raise ConfigurationError(f"--host takes an IP address, and {host!r} is none") from None
    certificate = None
    if tls_certificate is not None and tls_key is not None:
        certificate = ServedCertificate(tls_certificate, tls_key, tls_client_ca)
    elif any((tls_certificate, tls_key, tls_client_ca)):
        raise ConfigurationError("TLS needs both --tls-certificate and --tls-key")
    check_exposure(host, tls=certificate is not None, behind_tls_proxy=behind_tls_proxy)
    if by_address and behind_tls_proxy and not trusted_proxies:
        click.echo(_ALL_ONE_ADDRESS, err=True)
    return Listening(
        host=host,
        certificate=certificate,
        certificate_file=tls_certificate,
        trusted_proxies=parse_networks(trusted_proxies),
    )
