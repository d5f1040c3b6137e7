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
from governlayer_server.adapters.postgres.database import PostgresAddress
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.registration import Registration
from governlayer_server.domain.session_limits import HOUR_US, SessionLimits

PREFIX = "GOVERNLAYER_"
DEFAULT_DEPLOYMENT = "localhost"
DEFAULT_PORT = 8600
SECRET_BYTES = 32
_DEPLOYMENT = re.compile(r"[A-Za-z0-9._-]{1,200}")
_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")
_Word = TypeVar("_Word", bound=StrEnum)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class RedisAddress(Struct, frozen=True, kw_only=True):
    """How to reach Redis: a Unix socket, or a loopback host and port."""

    socket: str | None = None
    host: str = "127.0.0.1"
    port: int = 6379
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        """No password."""
        return f"RedisAddress({self.socket or self.host})"


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
            check_signing_key(PREFIX + "JWT_SECRET", secret)

    def __repr__(self) -> str:
        """No secrets."""
        return f"IdentitySettings(registration={self.registration!r})"


class Settings(Struct, frozen=True, kw_only=True):
    """All that wiring needs to know."""

    deployment: str
    database: PostgresAddress
    redis: RedisAddress
    key_encryption_key: bytes
    pepper: bytes
    policies: Path
    identity: IdentitySettings
    # Where people reach the appliance, for links; None: where it listens.
    public_url: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be a deployment name or a key."""
        if not _DEPLOYMENT.fullmatch(self.deployment):
            raise ConfigurationError("the deployment name has 1 to 200 characters of [A-Za-z0-9._-]")
        if self.public_url is not None and not _PUBLIC_URL.fullmatch(self.public_url):
            raise ConfigurationError(f"{PREFIX}PUBLIC_URL is scheme, host and port: https://governlayer.example.com")
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
            host=_local("DATABASE_HOST", values["DATABASE_HOST"]),
            port=_number(environment, "DATABASE_PORT", 5432),
            database=environment.get(PREFIX + "DATABASE_NAME", "governlayer"),
            user=values["DATABASE_USER"],
            password=values["DATABASE_PASSWORD"],
        ),
        redis=RedisAddress(
            socket=environment.get(PREFIX + "REDIS_SOCKET"),
            host=_local("REDIS_HOST", environment.get(PREFIX + "REDIS_HOST", "127.0.0.1")),
            port=_number(environment, "REDIS_PORT", 6379),
            user=environment.get(PREFIX + "REDIS_USER"),
            password=_read(environment, "REDIS_PASSWORD"),
        ),
        key_encryption_key=decode_secret(PREFIX + "KEY_ENCRYPTION_KEY", values["KEY_ENCRYPTION_KEY"]),
        pepper=decode_secret(PREFIX + "PEPPER", values["PEPPER"]),
        policies=Path(values["POLICIES"]),
        identity=identity_from(environment, [values["JWT_SECRET"], *([previous] if previous else [])]),
        public_url=environment.get(PREFIX + "PUBLIC_URL"),
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
        raise ConfigurationError(f"{PREFIX}{name} must be a whole number, {least} to {most}")
    return int(text)


def _one_of(environment: Mapping[str, str], name: str, default: _Word) -> _Word:
    text = environment.get(PREFIX + name, default.value)
    try:
        return type(default)(text)
    except ValueError:
        words = ", ".join(word.value for word in type(default))
        raise ConfigurationError(f"{PREFIX}{name} must be one of {words}") from None


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(PREFIX + name, str(default))
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65_536:
        raise ConfigurationError(f"{PREFIX}{name} must be a port, 1 to 65535")
    return int(text)


def _local(name: str, host: str) -> str:
    """Admit only hops that never leave the machine, until connections over TLS are there."""
    if host.startswith("/") or host in _LOOPBACK:
        return host
    raise ConfigurationError(f"{PREFIX}{name} must be the directory of a Unix socket or a loopback address")
