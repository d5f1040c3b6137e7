"""
Connections to Redis: a socket, one server, the master that Sentinels name, or a cluster.

What leaves this machine is TLS with a verified certificate and name. No client repeats a command by itself.
"""

from typing import Any

from msgspec import Struct
from redis.asyncio import (
    BlockingConnectionPool,
    Connection,
    Redis,
    RedisCluster,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.adapters.tls.contexts import client_context
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.network import is_loopback

_CONNECTIONS = 16

AnyRedis = Redis | RedisCluster


class _BlockingSentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to the current master; whoever finds none free waits for one."""


class _Plain(Connection):
    """Plain text, on loopback only: Sentinels and clusters may name any host."""

    def _connection_arguments(self) -> Any:
        if not is_loopback(self.host):
            raise RedisConnectionError("Redis without TLS must be on a socket or a loopback address")
        return super()._connection_arguments()


class _PlainManaged(SentinelManagedConnection, _Plain):
    pass


class _Kinds(Struct, frozen=True):
    """The classes of connections, plain or over TLS."""

    direct: type[Connection]
    managed: type[Connection]


def connect_redis(address: RedisAddress) -> AnyRedis:
    """
    Return a client for the Redis at *address*. It connects when it is used.

    Raises:
        ConfigurationError: the file of authorities cannot be used.
    """
    timeout_s = 2 * address.timeout_ms / 1_000
    common: dict[str, Any] = {
        "username": address.user,
        "password": address.password,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
    }
    blocking: dict[str, Any] = {"max_connections": _CONNECTIONS, "timeout": timeout_s}
    if address.socket is not None:
        unix: dict[str, Any] = {"connection_class": UnixDomainSocketConnection, "path": address.socket}
        return Redis(connection_pool=BlockingConnectionPool(**unix, **blocking, **common))
    kinds = _kinds(address)
    if address.cluster:
        return _cluster(address, kinds, common)
    if address.sentinels:
        return Redis(connection_pool=_sentinel_pool(address, kinds, {**blocking, **common}))
    one: dict[str, Any] = {"connection_class": kinds.direct, "host": address.host, "port": address.port}
    return Redis(connection_pool=BlockingConnectionPool(**one, **blocking, **common))


def _kinds(address: RedisAddress) -> _Kinds:
    if not address.tls:
        return _Kinds(_Plain, _PlainManaged)
    try:
        context = client_context(address.ca)
    except OSError as error:
        raise ConfigurationError(f"the authorities of Redis cannot be read: {error.strerror or error}") from None

    class Verified(SSLConnection):
        """redis-py's own contexts trust the system's authorities besides those given."""

        def _connection_arguments(self) -> Any:
            return {**super()._connection_arguments(), "ssl": context}

    class VerifiedManaged(SentinelManagedConnection, Verified):
        pass

    return _Kinds(Verified, VerifiedManaged)


def _sentinel_pool(address: RedisAddress, kinds: _Kinds, options: dict[str, Any]) -> SentinelConnectionPool:
    asked = {
        **options,
        "username": address.sentinel_user,
        "password": address.sentinel_password,
        "connection_class": kinds.direct,
    }
    sentinels: Any = Sentinel([])  # type: ignore[no-untyped-call]  # redis-py's
    sentinels.sentinels = [
        Redis(connection_pool=BlockingConnectionPool(host=host, port=port, **asked)) for host, port in address.sentinels
    ]
    options = {**options, "connection_class": kinds.managed}
    return _BlockingSentinelPool(address.master, sentinels, **options)  # type: ignore[no-untyped-call]  # redis-py's


def _cluster(address: RedisAddress, kinds: _Kinds, options: dict[str, Any]) -> RedisCluster:
    nodes = [ClusterNode(host, port) for host, port in address.cluster]
    cluster = RedisCluster(startup_nodes=nodes, max_connections=_CONNECTIONS, require_full_coverage=False, **options)
    # It admits no class of connections from outside, and would make contexts of its own.
    cluster.nodes_manager.connection_kwargs["connection_class"] = kinds.direct
    for node in cluster.nodes_manager.startup_nodes.values():
        node.connection_class = kinds.direct
    return cluster
