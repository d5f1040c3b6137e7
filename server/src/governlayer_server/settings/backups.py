"""Where backups go, how often and for how long; and who owns the tables, whom row level security does not bind."""

import re
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.adapters.backup.s3_address import S3Address
from governlayer_server.adapters.outgoing import checked_url
from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.domain.backup import MIN_PASSPHRASE
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings.reading import PREFIX, Environment, path, secret, text, whole

Destination = Path | S3Address
_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([A-Za-z0-9._/-]{0,200}))?")
_COUNTS = range(1, 10_001)


class BackupSettings(Struct, frozen=True, kw_only=True):
    """
    Backups in the background. The passphrase is not in ``repr``.

    Attributes:
        to: where they go; None: nowhere.
        hours: between two of them; None: none is made in the background.
        passphrase: that opens them on another machine.
        keep: how many whole ones are kept; None: all.
        owner: of the tables.
    """

    to: Destination | None = None
    hours: int | None = None
    passphrase: str | None = None
    keep: int | None = None
    owner: PostgresAddress | None = None

    @property
    def destination(self) -> Destination:
        """
        Where they go.

        Raises:
            ConfigurationError: nowhere.
        """
        if self.to is None:
            raise ConfigurationError(f"{PREFIX}BACKUP_TO is missing")
        return self.to

    def __repr__(self) -> str:
        """No secrets."""
        return f"BackupSettings(to={self.to!r}, hours={self.hours})"


def backups_from(environment: Environment, owner: Callable[[], PostgresAddress]) -> BackupSettings:
    """
    Return how backups are made in the background: not at all without ``BACKUP_HOURS``.

    Args:
        environment: that names them.
        owner: returns the address for the owner of the tables; asked for only where it is needed.

    Raises:
        ConfigurationError: a setting is malformed or out of range, or some that belong together are missing.
    """
    given = text(environment, "BACKUP_TO") or None
    to = None if given is None else destination_from(environment, given)
    if isinstance(to, Path) and not to.is_absolute():
        raise ConfigurationError(f"{PREFIX}BACKUP_TO must be an absolute path, or s3://bucket/prefix")
    if text(environment, "BACKUP_HOURS") is None:
        return BackupSettings(to=to)
    passphrase = secret(environment, "BACKUP_PASSPHRASE")
    if to is None or passphrase is None:
        raise ConfigurationError(f"{PREFIX}BACKUP_HOURS needs {PREFIX}BACKUP_TO and {PREFIX}BACKUP_PASSPHRASE[_FILE]")
    if len(passphrase) < MIN_PASSPHRASE:
        raise ConfigurationError(f"{PREFIX}BACKUP_PASSPHRASE needs {MIN_PASSPHRASE} characters: six random words, say")
    return BackupSettings(
        to=to,
        hours=whole(environment, "BACKUP_HOURS", 24, range(1, 8_761)),
        passphrase=passphrase,
        keep=whole(environment, "BACKUP_KEEP", 1, _COUNTS) if text(environment, "BACKUP_KEEP") else None,
        owner=owner(),
    )


def destination_from(environment: Environment, given: str) -> Destination:
    """
    Return the destination that *given* names: a directory, or ``s3://bucket/prefix`` with the settings ``S3_…``.

    Raises:
        ConfigurationError: it is neither, or settings of the storage are missing or malformed.
    """
    if not given.startswith("s3:") and "://" not in given:
        return Path(given)
    match = _S3.fullmatch(given)
    if match is None and not given.startswith("s3:"):
        raise ConfigurationError("a destination is a directory, or s3://bucket/prefix: there is no other scheme")
    if match is None:
        raise ConfigurationError("a destination in S3-compatible storage is s3://bucket/prefix")
    prefix = (match[2] or "").strip("/")
    access, key = secret(environment, "S3_ACCESS_KEY"), secret(environment, "S3_SECRET_KEY")
    endpoint = text(environment, "S3_ENDPOINT")
    if not endpoint or not access or not key:
        names = ", ".join(PREFIX + name for name in ("S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY"))
        raise ConfigurationError(f"{given} needs {names} (the keys also as …_FILE)")
    try:
        checked_url(endpoint)
    except ConfigurationError:
        rule = "https://host[:port][/path]; plain HTTP is for loopback only"
        raise ConfigurationError(f"{PREFIX}S3_ENDPOINT must be {rule}") from None
    return S3Address(
        endpoint=endpoint,
        bucket=match[1],
        prefix=f"{prefix}/" if prefix else "",
        region=text(environment, "S3_REGION") or "us-east-1",
        access_key=access,
        secret_key=key,
        ca=path(environment, "S3_CA"),
    )


def owner_from(environment: Environment, database: PostgresAddress) -> PostgresAddress:
    """
    Return the address of *database* for the owner of its tables.

    Raises:
        ConfigurationError: the owner's credentials are not there.
    """
    user, password = text(environment, "DATABASE_OWNER_USER"), secret(environment, "DATABASE_OWNER_PASSWORD")
    if not user or password is None:
        raise ConfigurationError(
            f"backups read all rows, which only the owner of the tables may: {PREFIX}DATABASE_OWNER_USER and "
            f"{PREFIX}DATABASE_OWNER_PASSWORD[_FILE] are missing"
        )
    return replace(database, user=user, password=password)
