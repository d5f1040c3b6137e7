"""Where PostgreSQL and Redis are. What leaves the machine is TLS, verified in full."""

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from governlayer_server.adapters.postgres.address import PostgresAddress, PostgresTls
from governlayer_server.adapters.redis.address import TIMEOUT_MS, RedisAddress
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.network import HostAndPort, is_loopback
from governlayer_server.settings.reading import PREFIX, Environment, path, port, secret, switch, text, whole

# A bare IPv6 address has more than one colon, and no port.
_HOST = re.compile(
    r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)(?::([0-9]{1,5}))?"
)
_MAX_HOSTS = 16
_REDIS_TIMEOUTS_MS = range(50, 5_001)
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")


def database_from(environment: Environment, host: str, user: str, password: str) -> PostgresAddress:
    """
    Return how to reach PostgreSQL.

    Raises:
        ConfigurationError: a setting is malformed, or the way there would not be verified.
    """
    (first, first_port), *others = _database_hosts(environment, "DATABASE_HOST", host)
    return PostgresAddress(
        host=first,
        port=first_port,
        others=tuple(others),
        database=environment.get(PREFIX + "DATABASE_NAME", "governlayer"),
        user=user,
        password=password,
        tls=_database_tls(environment, [first, *(other for other, _ in others)]),
    )


def standbys_from(environment: Environment, database: PostgresAddress) -> PostgresAddress | None:
    """
    Return how to reach the hot standbys that may be read, as *database* is reached; None where none are named.

    Raises:
        ConfigurationError: the setting is malformed, or the way there would not be verified.
    """
    given = text(environment, "DATABASE_READ_HOST")
    if not given:
        return None
    (host, number), *others = _database_hosts(environment, "DATABASE_READ_HOST", given)
    return replace(database, host=host, port=number, others=tuple(others))


def _database_hosts(environment: Environment, name: str, given: str) -> Sequence[HostAndPort]:
    """
    Return the hosts in a list of ``host`` or ``host:port``; the directory of a Unix socket stands alone.

    Raises:
        ConfigurationError: it is no such list.
    """
    usual = port(environment, "DATABASE_PORT", 5432)
    if given.startswith("/"):
        return [(given, usual)]
    found = [_HOST.fullmatch(one.strip(" ")) for one in given.split(",")]
    hosts = [(one[1].strip("[]"), int(one[2] or usual)) for one in found if one is not None]
    ports_are_good = all(0 < number < 65_536 for _, number in hosts)
    if len(hosts) < len(found) or len(set(hosts)) < len(found) or not ports_are_good or len(hosts) > _MAX_HOSTS:
        what = f"up to {_MAX_HOSTS} of them as host:port,host:port, each once"
        rule = f"the directory of a Unix socket, a DNS name or an IP address, or {what}"
        raise ConfigurationError(f"{PREFIX}{name} must be {rule}")
    return hosts


def _database_tls(environment: Environment, hosts: Sequence[str]) -> PostgresTls | None:
    """
    Return how PostgreSQL is verified; None for a Unix socket, and for loopback where the operator says so.

    Raises:
        ConfigurationError: TLS is switched off for another host, or files for it are given where there is none.
    """
    names = {"ca": "DATABASE_CA", "certificate": "DATABASE_CERTIFICATE", "key": "DATABASE_KEY"}
    found = {member: path(environment, name) for member, name in names.items()}
    files: dict[str, Path] = {member: file for member, file in found.items() if file is not None}
    mode = environment.get(f"{PREFIX}DATABASE_TLS", "verify-full")
    if mode not in {"verify-full", "off"}:
        raise ConfigurationError(f"{PREFIX}DATABASE_TLS is verify-full or off")
    far = [host for host in hosts if not (host.startswith("/") or is_loopback(host))]
    if mode == "off" and far:
        raise ConfigurationError(f"{PREFIX}DATABASE_TLS=off is for loopback only, and {far[0]} is not")
    if hosts[0].startswith("/") or mode == "off":
        if files:
            unused = ", ".join(PREFIX + names[member] for member in files)
            raise ConfigurationError(f"{unused}: there is no TLS to PostgreSQL that needs it")
        return None
    if ("certificate" in files) != ("key" in files):
        raise ConfigurationError(f"{PREFIX}DATABASE_CERTIFICATE and {PREFIX}DATABASE_KEY go together")
    return PostgresTls(**files)


def redis_from(environment: Environment) -> RedisAddress:
    """
    Return how to reach Redis.

    Raises:
        ConfigurationError: a setting is malformed, or the way there would not be verified.
    """
    return RedisAddress(
        socket=text(environment, "REDIS_SOCKET"),
        host=environment.get(PREFIX + "REDIS_HOST", "127.0.0.1"),
        port=port(environment, "REDIS_PORT", 6379),
        sentinels=_hosts(environment, "REDIS_SENTINELS"),
        master=text(environment, "REDIS_MASTER"),
        cluster=_hosts(environment, "REDIS_CLUSTER"),
        user=text(environment, "REDIS_USER"),
        password=secret(environment, "REDIS_PASSWORD"),
        sentinel_user=text(environment, "REDIS_SENTINEL_USER"),
        sentinel_password=secret(environment, "REDIS_SENTINEL_PASSWORD"),
        tls=switch(environment, "REDIS_TLS"),
        ca=path(environment, "REDIS_CA"),
        timeout_ms=whole(environment, "REDIS_TIMEOUT_MS", TIMEOUT_MS, _REDIS_TIMEOUTS_MS),
    )


def _hosts(environment: Environment, name: str) -> tuple[HostAndPort, ...]:
    given = text(environment, name)
    if given is None:
        return ()
    found = [_HOST_AND_PORT.fullmatch(one.strip()) for one in given.split(",")]
    hosts = [(one[1].strip("[]"), int(one[2])) for one in found if one is not None and 0 < int(one[2]) < 65_536]
    if len(hosts) < len(found):
        raise ConfigurationError(f"{PREFIX}{name} must be host:port,host:port,…")
    return tuple(hosts)
