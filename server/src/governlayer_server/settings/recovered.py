"""The secrets of a backup as files: in a data directory, or where the settings of ``serve`` name them."""

from collections.abc import Sequence
from pathlib import Path

from governlayer_server.adapters.embedded.directory import write_once
from governlayer_server.adapters.embedded.next_master_key import CURRENT, FOLLOWING
from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.domain.backup import Manifest
from governlayer_server.domain.errors import BackupError, ConfigurationError
from governlayer_server.settings.reading import PREFIX, Environment, secret
from governlayer_server.settings.stores import database_from

_NAMES = {
    CURRENT: "KEY_ENCRYPTION_KEY",
    FOLLOWING: "KEY_ENCRYPTION_KEY_NEXT",
    "pepper": "PEPPER",
    "jwt-secret": "JWT_SECRET",
}
_NAMES["jwt-secret.previous"] = "JWT_SECRET_PREVIOUS"
_POLICIES = "default.cedar"


def secret_files(manifest: Manifest, wrapped_by: Sequence[str]) -> dict[str, str]:
    """
    Return the secrets by their names in a data directory.

    Args:
        manifest: of the backup.
        wrapped_by: key-encryption keys of the newest file of data subjects' keys, which may be later ones.

    Raises:
        BackupError: there are more key-encryption keys than an appliance takes: the backup is too old for these keys.
    """
    keys = list(dict.fromkeys([*manifest.secrets.keys, *wrapped_by]))
    if len(keys) > 2:
        raise BackupError(
            "the data subjects' keys are under a key-encryption key that came two rotations after this backup: "
            "restore a newer one"
        )
    return {**dict(zip((CURRENT, FOLLOWING), keys, strict=False)), **manifest.secrets.files}


def write_secrets(directory: Path, manifest: Manifest, wrapped_by: Sequence[str]) -> None:
    """
    Write the secrets and the policy set, for their owner alone; what is there already stays.

    Raises:
        ConfigurationError: they cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = {**secret_files(manifest, wrapped_by), _POLICIES: manifest.secrets.policies}
        for name, text in files.items():
            write_once(directory / name, text)
    except OSError as error:
        raise ConfigurationError(f"{directory} cannot be written: {error.strerror}") from None


def recovered_environment(environment: Environment, directory: Path, deployment: str) -> Environment:
    """Return *environment* with the secrets in *directory* in place of those that it names."""
    ours = {PREFIX + name for name in (*_NAMES.values(), "KEY_PROVIDER", "DEPLOYMENT", "POLICIES")}
    kept = {name: text for name, text in environment.items() if name.removesuffix("_FILE") not in ours}
    files = {f"{PREFIX}{_NAMES[one.name]}_FILE": str(one) for one in directory.iterdir() if one.name in _NAMES}
    return {**kept, **files, f"{PREFIX}DEPLOYMENT": deployment, f"{PREFIX}POLICIES": str(directory / _POLICIES)}


def external_database(environment: Environment) -> PostgresAddress:
    """
    Return how the runtime role reaches the database; no other setting is needed.

    Raises:
        ConfigurationError: settings of the database are missing or malformed.
    """
    given = {name: secret(environment, name) for name in ("DATABASE_HOST", "DATABASE_USER", "DATABASE_PASSWORD")}
    if missing := [PREFIX + name for name, value in given.items() if not value]:
        raise ConfigurationError(f"missing settings: {', '.join(missing)} (the password also as …_FILE)")
    host, user, password = (value or "" for value in given.values())
    return database_from(environment, host, user, password)
