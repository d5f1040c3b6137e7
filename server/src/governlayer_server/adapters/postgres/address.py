"""Where PostgreSQL is, and how it is verified."""

import ssl
from pathlib import Path

from msgspec import Struct

from governlayer_server.adapters.tls.contexts import client_context
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.network import HostAndPort, is_loopback


class PostgresTls(Struct, frozen=True, kw_only=True):
    """
    How the server's certificate is verified: chain, dates and host name (libpq's *verify-full*).

    Attributes:
        ca: the authorities (PEM) that alone are trusted; None: the system's roots.
        certificate: our own certificate (PEM), where the server wants one.
        key: its private key.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class PostgresAddress(Struct, frozen=True, kw_only=True):
    """
    How to reach the database. Without *tls* nothing but a Unix socket or loopback can be named.

    Attributes:
        host: a name, an address or the directory of a Unix socket.
        others: more hosts of the same cluster; whichever is the primary is connected to. Each shows a certificate for
            its own name.
        tls: how TLS is done; None: not at all.
    """

    host: str
    port: int
    others: tuple[HostAndPort, ...] = ()
    database: str
    user: str
    password: str
    tls: PostgresTls | None = None

    def __post_init__(self) -> None:
        """Refuse what would cross a network in the clear."""
        for host, _ in self.hosts:
            if self.tls is None and not (host.startswith("/") or is_loopback(host)):
                raise ConfigurationError(f"PostgreSQL on {host} is reached over TLS or not at all")

    @property
    def hosts(self) -> tuple[HostAndPort, ...]:
        """All hosts, as they were named."""
        return ((self.host, self.port), *self.others)

    def encryption(self) -> ssl.SSLContext | bool:
        """
        Return what asyncpg takes as ``ssl``, and never None: it would then do without TLS where there is none.

        Raises:
            ConfigurationError: a file cannot be used.
        """
        return client_context(self.tls.ca, self.tls.certificate, self.tls.key) if self.tls else False

    def __repr__(self) -> str:
        """No password."""
        where = ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"PostgresAddress({self.user}@{where}/{self.database})"
