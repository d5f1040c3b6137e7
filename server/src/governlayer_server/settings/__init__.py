"""
Settings of the appliance: one frozen value, parsed once, refused when a secret is missing or weak.

``governlayer up`` makes it from its data directory. ``governlayer serve`` and ``migrate`` read it from the
environment: ``GOVERNLAYER_<NAME>``, where a secret may also be given as ``GOVERNLAYER_<NAME>_FILE``.
"""

import re
from pathlib import Path

from msgspec import Struct

from governlayer_server.adapters.key_providers.texts import KeyText, parse_key
from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.supplied_facts import SuppliedFacts
from governlayer_server.ports.key_providers import KeyProvider
from governlayer_server.settings.anchors import AnchorSettings, anchors_from
from governlayer_server.settings.backups import BackupSettings, backups_from, owner_from
from governlayer_server.settings.identity import IdentitySettings, MailSettings, identity_from, mail_from
from governlayer_server.settings.key_providers import Provider, data_directory_keys, key_provider_from
from governlayer_server.settings.ledgers import LedgerSettings, ledgers_from
from governlayer_server.settings.paperwork import paperwork_from
from governlayer_server.settings.reading import (
    PREFIX,
    Environment,
    decode_secret,
    encode_secret,
    one_of,
    secret,
    text,
    whole,
)
from governlayer_server.settings.stores import database_from, redis_from, standbys_from
from governlayer_server.web.edge import Csp, Edge

__all__ = [
    "DEFAULT_DEPLOYMENT", "DEFAULT_PORT", "PREFIX", "SECRET_BYTES", "AnchorSettings", "BackupSettings",
    "IdentitySettings", "LedgerSettings", "LimitSettings", "MailSettings", "Settings", "anchors_from", "backups_from",
    "data_directory_keys",
    "decode_secret", "edge_from", "encode_secret", "identity_from", "ledgers_from", "limits_from", "mail_from",
    "paperwork_from", "settings_from",
]  # fmt: skip

DEFAULT_DEPLOYMENT = "localhost"
DEFAULT_PORT = 8600
SECRET_BYTES = 32
_DEPLOYMENT = re.compile(r"[A-Za-z0-9._-]{1,200}")
_NEEDED = ("DATABASE_HOST", "DATABASE_USER", "DATABASE_PASSWORD", "PEPPER", "POLICIES", "JWT_SECRET")
_COUNTS = range(1, 65_536)


class LimitSettings(Struct, frozen=True, kw_only=True):
    """How requests are limited; both limits are requests per minute."""

    replicas: int = 1
    address_limit: int = 300
    enterprise_limit: int = Plan.ENTERPRISE.requests_per_minute


class Settings(Struct, frozen=True, kw_only=True):
    """
    All that wiring needs to know.

    ``maintenance`` is who rewrites tables after an erasure; None: the runtime role, as far as it may. ``standbys`` are
    where records may be read besides ``database``.
    """

    deployment: str
    database: PostgresAddress
    redis: RedisAddress
    keys: KeyProvider
    pepper: bytes
    policies: Path
    identity: IdentitySettings
    limits: LimitSettings = LimitSettings()
    edge: Edge = Edge()
    mail: MailSettings | None = None
    anchors: AnchorSettings = AnchorSettings()
    ledgers: LedgerSettings = LedgerSettings()
    paperwork: SuppliedFacts = SuppliedFacts()
    maintenance: PostgresAddress | None = None
    standbys: PostgresAddress | None = None
    backups: BackupSettings = BackupSettings()

    def __post_init__(self) -> None:
        """Refuse what cannot be a deployment name or a pepper."""
        if not _DEPLOYMENT.fullmatch(self.deployment):
            raise ConfigurationError("the deployment name has 1 to 200 characters of [A-Za-z0-9._-]")
        if len(self.pepper) != SECRET_BYTES or len(set(self.pepper)) < SECRET_BYTES // 4:
            raise ConfigurationError(f"the pepper must be {SECRET_BYTES} random bytes in base64")

    def __repr__(self) -> str:
        """No secrets."""
        return f"Settings(deployment={self.deployment!r})"


def settings_from(environment: Environment) -> Settings:
    """
    Return the settings in *environment*.

    Raises:
        ConfigurationError: some are missing (all of them are named), malformed or weak.
    """
    given = {name: secret(environment, name) for name in _NEEDED}
    if one_of(environment, "KEY_PROVIDER", Provider.ENVIRONMENT) is Provider.ENVIRONMENT:
        given |= {"KEY_ENCRYPTION_KEY": secret(environment, "KEY_ENCRYPTION_KEY")}
    if missing := [PREFIX + name for name, value in given.items() if value is None]:
        raise ConfigurationError(f"missing settings: {', '.join(missing)} (secrets also as …_FILE)")
    values = {name: value for name, value in given.items() if value is not None}
    if (kek := values.get("KEY_ENCRYPTION_KEY")) is not None:
        parse_key(KeyText(place=PREFIX + "KEY_ENCRYPTION_KEY", text=kek))  # what is wrong with it is said at once
    previous = secret(environment, "JWT_SECRET_PREVIOUS")
    edge = edge_from(environment)
    database = database_from(environment, values["DATABASE_HOST"], values["DATABASE_USER"], values["DATABASE_PASSWORD"])
    return Settings(
        deployment=environment.get(PREFIX + "DEPLOYMENT", DEFAULT_DEPLOYMENT),
        database=database,
        standbys=standbys_from(environment, database),
        redis=redis_from(environment),
        keys=key_provider_from(environment),
        pepper=decode_secret(PREFIX + "PEPPER", values["PEPPER"]),
        policies=Path(values["POLICIES"]),
        identity=identity_from(environment, [values["JWT_SECRET"], *([] if previous is None else [previous])]),
        limits=limits_from(environment),
        edge=edge,
        mail=mail_from(environment, edge.public_url),
        anchors=anchors_from(environment),
        ledgers=ledgers_from(environment),
        paperwork=paperwork_from(environment),
        backups=backups_from(environment, lambda: owner_from(environment, database)),
    )


def edge_from(environment: Environment, metrics_token: str | None = None) -> Edge:
    """
    Return the choices for the edge in *environment*; *metrics_token* is used where it names none.

    Raises:
        ConfigurationError: one of them breaks its rule (``web/edge.py``).
    """
    token = secret(environment, "METRICS_TOKEN")
    return Edge(
        csp=one_of(environment, "CSP", Csp.DEFAULT),
        public_url=text(environment, "PUBLIC_URL"),
        security_contact=text(environment, "SECURITY_CONTACT"),
        metrics_token=metrics_token if token is None else token,
    )


def limits_from(environment: Environment) -> LimitSettings:
    """
    Return how requests are limited.

    Raises:
        ConfigurationError: a number is out of range.
    """
    default = LimitSettings()
    return LimitSettings(
        replicas=whole(environment, "REPLICAS", default.replicas, _COUNTS),
        address_limit=whole(environment, "ADDRESS_LIMIT", default.address_limit, _COUNTS),
        enterprise_limit=whole(environment, "ENTERPRISE_LIMIT", default.enterprise_limit, _COUNTS),
    )
