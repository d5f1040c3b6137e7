"""Where Redis is, and how to get in."""

from pathlib import Path

from msgspec import Struct

from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.network import HostAndPort, is_loopback

TIMEOUT_MS = 250


class RedisAddress(Struct, frozen=True, kw_only=True):
    """
    How to reach Redis: a Unix socket, a host and port, the Sentinels of a master, or nodes of a cluster.

    Attributes:
        tls: whether connections to hosts are TLS; may be off on loopback only.
        ca: PEM file of the authorities to trust; None for those of the system.
        timeout_ms: how long a request waits for the limits; whoever needs a connection for it, twice as long.

    Raises:
        ConfigurationError: it says too little or too much, or plain text would leave this machine.
    """

    socket: str | None = None
    host: str = "127.0.0.1"
    port: int = 6379
    sentinels: tuple[HostAndPort, ...] = ()
    master: str | None = None
    cluster: tuple[HostAndPort, ...] = ()
    user: str | None = None
    password: str | None = None
    sentinel_user: str | None = None
    sentinel_password: str | None = None
    tls: bool = True
    ca: Path | None = None
    timeout_ms: int = TIMEOUT_MS

    def __post_init__(self) -> None:
        """Refuse what is not one way to one Redis, and plain text off this machine."""
        if (self.socket is not None) + bool(self.sentinels) + bool(self.cluster) > 1:
            raise ConfigurationError("Redis is a socket, behind Sentinels, or a cluster: give one of them")
        if bool(self.sentinels) != (self.master is not None):
            raise ConfigurationError("the Sentinels of Redis and the name of their master go together")
        far = [host for host, _ in self.hosts if not is_loopback(host)]
        if far and not self.tls:
            raise ConfigurationError(f"Redis without TLS must be on a socket or a loopback address, not {far[0]}")

    @property
    def hosts(self) -> tuple[HostAndPort, ...]:
        """The hosts that are connected to first."""
        if self.socket is not None:
            return ()
        return self.sentinels or self.cluster or ((self.host, self.port),)

    def __repr__(self) -> str:
        """No password."""
        return f"RedisAddress({self.socket or ', '.join(host for host, _ in self.hosts)})"
