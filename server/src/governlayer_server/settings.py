"""
Settings of the appliance: one frozen value, parsed once, refused when a secret is missing or weak.

``governlayer up`` makes it from its data directory. ``governlayer serve`` and ``migrate`` read it from the
environment: ``GOVERNLAYER_<NAME>``, where a secret may also be given as ``GOVERNLAYER_<NAME>_FILE``.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from governlayer_server.adapters.crypto.access_tokens import check_signing_key
from governlayer_server.adapters.crypto.passwords import COST, MAX_COST
from governlayer_server.adapters.postgres.database import PostgresAddress, PostgresTls
from governlayer_server.adapters.redis.address import HostAndPort, RedisAddress
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.network import is_loopback
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.registration import Registration
from governlayer_server.domain.session_limits import HOUR_US, SessionLimits
from governlayer_server.web.edge import Csp, Edge

PREFIX = "GOVERNLAYER_"
DEFAULT_DEPLOYMENT = "localhost"
DEFAULT_PORT = 8600
SECRET_BYTES = 32
DEFAULT_ADDRESS_LIMIT = 300
_DEPLOYMENT = re.compile(r"[A-Za-z0-9._-]{1,200}")
_Word = TypeVar("_Word", bound=StrEnum)
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class IdentitySettings(Struct, frozen=True, kw_only=True):
    """How people sign in. The first JWT secret signs, all verify: they rotate with overlap."""

    jwt_secrets: tuple[bytes, ...]
    access_token_s: int = 15 * 60
    sessions: SessionLimits = SessionLimits()
    registration: Registration = Registration.INVITE
    bcrypt_cost: int = COST

    def __post_init__(self) -> None:
        """Refuse what is weak or out of range."""
        for secret in self.jwt_secrets:
            check_signing_key("JWT secret", secret)
        if len(set(self.jwt_secrets)) != len(self.jwt_secrets) or not self.jwt_secrets:
            raise ConfigurationError("the JWT secret and the previous one must differ")

    def __repr__(self) -> str:
        """No secrets."""
        return f"IdentitySettings(registration={self.registration!r})"


_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_A_PORT, _A_COUNT = "a port", "a number"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Settings(Struct, frozen=True, kw_only=True):
    """All that wiring needs to know."""

    deployment: str
    database: PostgresAddress
    redis: RedisAddress
    key_encryption_key: bytes
    pepper: bytes
    policies: Path
    identity: IdentitySettings
    replicas: int = 1
    address_limit: int = DEFAULT_ADDRESS_LIMIT
    enterprise_limit: int = Plan.ENTERPRISE.requests_per_minute
    edge: Edge = Edge()

    def __post_init__(self) -> None:
        """Refuse what cannot be a deployment name or a key."""
        if not _DEPLOYMENT.fullmatch(self.deployment):
            raise ConfigurationError("the deployment name has 1 to 200 characters of [A-Za-z0-9._-]")
        for name, secret in (("key-encryption key", self.key_encryption_key), ("pepper", self.pepper)):
            if len(secret) != SECRET_BYTES or len(set(secret)) < SECRET_BYTES // 4:
                raise ConfigurationError(f"the {name} must be {SECRET_BYTES} random bytes in base64")

    def __repr__(self) -> str:
        """No secrets."""
        return f"Settings(deployment={self.deployment!r})"


def encode_secret(secret: bytes) -> str:
    """Return *secret* as settings and secret files hold it: base64."""
    return base64.b64encode(secret).decode()


def decode_secret(name: str, text: str) -> bytes:
    """
    Return the bytes of a secret in base64.

    Raises:
        ConfigurationError: it is not base64. The text is not repeated.
    """
    try:
        return base64.b64decode(text.strip(), validate=True)
    except ValueError:
        raise ConfigurationError(f"{name} is not base64") from None


def settings_from(environment: Mapping[str, str]) -> Settings:
    """
    Return the settings in *environment*.

    Raises:
        ConfigurationError: some are missing (all of them are named), malformed or weak.
    """
    needed = (
        "DATABASE_HOST",
        "DATABASE_USER",
        "DATABASE_PASSWORD",
        "KEY_ENCRYPTION_KEY",
        "PEPPER",
        "POLICIES",
        "JWT_SECRET",
    )
    given = {name: _read(environment, name) for name in needed}
    if missing := [PREFIX + name for name, value in given.items() if value is None]:
        raise ConfigurationError(f"missing settings: {', '.join(missing)} (secrets also as …_FILE)")
    values = {name: value for name, value in given.items() if value is not None}
    previous = _read(environment, "JWT_SECRET_PREVIOUS")
    return Settings(
        deployment=environment.get(PREFIX + "DEPLOYMENT", DEFAULT_DEPLOYMENT),
        database=PostgresAddress(
            host=_host("DATABASE_HOST", values["DATABASE_HOST"]),
            port=_number(environment, "DATABASE_PORT", 5432),
            database=environment.get(PREFIX + "DATABASE_NAME", "governlayer"),
            user=values["DATABASE_USER"],
            password=values["DATABASE_PASSWORD"],
            tls=_database_tls(environment, values["DATABASE_HOST"]),
        ),
        redis=_redis(environment),
        key_encryption_key=decode_secret(PREFIX + "KEY_ENCRYPTION_KEY", values["KEY_ENCRYPTION_KEY"]),
        pepper=decode_secret(PREFIX + "PEPPER", values["PEPPER"]),
        policies=Path(values["POLICIES"]),
        identity=identity_from(environment, [values["JWT_SECRET"], *([] if previous is None else [previous])]),
        replicas=_number(environment, "REPLICAS", 1, _A_COUNT),
        **limits_from(environment),
        edge=edge_from(environment),
    )


def edge_from(environment: Mapping[str, str], metrics_token: str | None = None) -> Edge:
    """
    Return the choices for the edge in *environment*; *metrics_token* is used where it names none.

    Raises:
        ConfigurationError: one of them breaks its rule (``web/edge.py``).
    """
    token = _read(environment, "METRICS_TOKEN")
    return Edge(
        csp=_one_of(environment, "CSP", Csp.DEFAULT),
        public_url=environment.get(PREFIX + "PUBLIC_URL"),
        security_contact=environment.get(PREFIX + "SECURITY_CONTACT"),
        metrics_token=metrics_token if token is None else token,
    )


def identity_from(environment: Mapping[str, str], jwt_secrets: Sequence[str]) -> IdentitySettings:
    """
    Return how people sign in.

    Args:
        environment: for all that is no secret.
        jwt_secrets: base64 of 64 bytes each, the one that signs first.

    Raises:
        ConfigurationError: a secret is weak, or a setting out of range.
    """
    idle_min = _whole(environment, "SESSION_IDLE_MINUTES", 480, 5, 10_080)
    absolute_hours = _whole(environment, "SESSION_HOURS", 168, 1, 2_160)
    return IdentitySettings(
        jwt_secrets=tuple(decode_secret(PREFIX + "JWT_SECRET", secret) for secret in jwt_secrets),
        access_token_s=60 * _whole(environment, "ACCESS_TOKEN_MINUTES", 15, 1, 60),
        sessions=SessionLimits(idle_us=idle_min * 60_000_000, absolute_us=absolute_hours * HOUR_US),
        registration=_one_of(environment, "REGISTRATION", Registration.INVITE),
        bcrypt_cost=_whole(environment, "BCRYPT_COST", COST, COST, MAX_COST),
    )


def limits_from(environment: Mapping[str, str]) -> dict[str, int]:
    """
    Return the settings ``address_limit`` and ``enterprise_limit``, requests per minute.

    Raises:
        ConfigurationError: one is malformed.
    """
    enterprise = Plan.ENTERPRISE.requests_per_minute
    return {
        "address_limit": _number(environment, "ADDRESS_LIMIT", DEFAULT_ADDRESS_LIMIT, _A_COUNT),
        "enterprise_limit": _number(environment, "ENTERPRISE_LIMIT", enterprise, _A_COUNT),
    }


def _redis(environment: Mapping[str, str]) -> RedisAddress:
    ca = environment.get(PREFIX + "REDIS_CA")
    return RedisAddress(
        socket=environment.get(PREFIX + "REDIS_SOCKET"),
        host=environment.get(PREFIX + "REDIS_HOST", "127.0.0.1"),
        port=_number(environment, "REDIS_PORT", 6379),
        sentinels=_hosts(environment, "REDIS_SENTINELS"),
        master=environment.get(PREFIX + "REDIS_MASTER"),
        cluster=_hosts(environment, "REDIS_CLUSTER"),
        user=environment.get(PREFIX + "REDIS_USER"),
        password=_read(environment, "REDIS_PASSWORD"),
        sentinel_user=environment.get(PREFIX + "REDIS_SENTINEL_USER"),
        sentinel_password=_read(environment, "REDIS_SENTINEL_PASSWORD"),
        tls=_switch(environment, "REDIS_TLS"),
        ca=Path(ca) if ca is not None else None,
    )


def _hosts(environment: Mapping[str, str], name: str) -> tuple[HostAndPort, ...]:
    text = environment.get(PREFIX + name)
    if text is None:
        return ()
    found = [_HOST_AND_PORT.fullmatch(one.strip()) for one in text.split(",")]
    hosts = [(one[1].strip("[]"), int(one[2])) for one in found if one is not None and 0 < int(one[2]) < 65_536]
    if len(hosts) < len(found):
        raise ConfigurationError(f"{PREFIX}{name} must be host:port,host:port,…")
    return tuple(hosts)


def _switch(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(PREFIX + name, "on")
    if text not in {"on", "off"}:
        raise ConfigurationError(f"{PREFIX}{name} must be on or off")
    return text == "on"


def _read(environment: Mapping[str, str], name: str) -> str | None:
    direct, file = environment.get(PREFIX + name), environment.get(f"{PREFIX}{name}_FILE")
    if direct is not None and file is not None:
        raise ConfigurationError(f"give {PREFIX}{name} or {PREFIX}{name}_FILE, not both")
    if file is None:
        return direct
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{PREFIX}{name}_FILE cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{PREFIX}{name}_FILE is not UTF-8 text") from None


def _whole(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(PREFIX + name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise ConfigurationError(f"{PREFIX}{name} must be {least} to {most}")
    return int(text)


def _one_of(environment: Mapping[str, str], name: str, default: _Word) -> _Word:
    text = environment.get(PREFIX + name, default.value)
    try:
        return type(default)(text)
    except ValueError:
        words = ", ".join(word.value for word in type(default))
        raise ConfigurationError(f"{PREFIX}{name} must be one of {words}") from None


def _number(environment: Mapping[str, str], name: str, default: int, what: str = _A_PORT) -> int:
    text = environment.get(PREFIX + name, str(default))
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65_536:
        raise ConfigurationError(f"{PREFIX}{name} must be {what}, 1 to 65535")
    return int(text)


def _host(name: str, host: str) -> str:
    """Admit the directory of a Unix socket, a DNS name or an IP address."""
    if host.startswith("/") or _HOST.fullmatch(host):
        return host
    raise ConfigurationError(f"{PREFIX}{name} must be the directory of a Unix socket, a DNS name or an IP address")


def _database_tls(environment: Mapping[str, str], host: str) -> PostgresTls | None:
    """
    Return how PostgreSQL is verified; None for a Unix socket, and for loopback where the operator says so.

    Raises:
        ConfigurationError: TLS is switched off for another host, or files for it are given where there is none.
    """
    names = {"ca": "DATABASE_CA", "certificate": "DATABASE_CERTIFICATE", "key": "DATABASE_KEY"}
    files = {key: Path(environment[PREFIX + name]) for key, name in names.items() if environment.get(PREFIX + name)}
    switch = environment.get(f"{PREFIX}DATABASE_TLS", "verify-full")
    if switch not in {"verify-full", "off"}:
        raise ConfigurationError(f"{PREFIX}DATABASE_TLS is verify-full or off")
    if switch == "off" and not (host.startswith("/") or is_loopback(host)):
        raise ConfigurationError(f"{PREFIX}DATABASE_TLS=off is for loopback only, and {host} is not")
    if host.startswith("/") or switch == "off":
        if files:
            unused = ", ".join(PREFIX + names[key] for key in files)
            raise ConfigurationError(f"{unused}: there is no TLS to PostgreSQL that needs it")
        return None
    if ("certificate" in files) != ("key" in files):
        raise ConfigurationError(f"{PREFIX}DATABASE_CERTIFICATE and {PREFIX}DATABASE_KEY go together")
    return PostgresTls(**files)


def _local(name: str, host: str) -> str:
    """Admit only hops that never leave the machine, until connections over TLS are there."""
    if host.startswith("/") or host in _LOOPBACK:
        return host
    raise ConfigurationError(f"{PREFIX}{name} must be the directory of a Unix socket or a loopback address")
