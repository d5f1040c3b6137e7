"""What the commands for backups share: the destination, the passphrase, the appliance with the owner of its tables."""

import os
import stat
import sys
from pathlib import Path

import click

from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.cli.common import Command, default_data, is_embedded, kept_settings, postgres_address
from governlayer_server.domain.backup import MIN_PASSPHRASE
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.ports.backups import BackupStore
from governlayer_server.settings import PREFIX, Settings, settings_from
from governlayer_server.settings.backups import destination_from, owner_from
from governlayer_server.settings.reading import secret
from governlayer_server.wiring.backups import store_of

_SETTING = "BACKUP_PASSPHRASE"
_OPTION = "--passphrase-file"
KEYS_OPTION = "--keys-passphrase-file"
_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def from_option(command: Command) -> Command:
    """Add ``--from DESTINATION``."""
    return click.option(
        "--from",
        "source",
        envvar=PREFIX + "BACKUP_TO",
        required=True,
        metavar="DIR|s3://BUCKET/PREFIX",
        help="Where the backups are.  [default: $GOVERNLAYER_BACKUP_TO]",
    )(command)


def passphrase_option(command: Command) -> Command:
    """Add ``--passphrase-file FILE``."""
    return click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="File with the passphrase.  [default: $GOVERNLAYER_BACKUP_PASSPHRASE, …_FILE, or a question]",
    )(command)


def keys_passphrase_option(command: Command) -> Command:
    """Add ``--keys-passphrase-file FILE``; ``later_passphrase`` reads it."""
    return click.option(
        KEYS_OPTION,
        type=click.Path(path_type=Path, dir_okay=False),
        help="Passphrase of the newest backup, where it was changed since: data subjects' keys are under that one.",
    )(command)


def later_passphrase(file: Path | None) -> str | None:
    """Return the passphrase of the newest backup, where it was changed since."""
    return None if file is None else needed_passphrase(file, option=KEYS_OPTION)


def store_named(given: str, *, exists: bool = False) -> BackupStore:
    """
    Return the store of the destination *given* on the command line; a relative path is one of the working directory.

    Args:
        given: as it was written.
        exists: whether a directory has to be there.

    Raises:
        ConfigurationError: it is no destination, or not there.
    """
    to = destination_from(os.environ, given)
    if not isinstance(to, Path):
        return store_of(to)
    if exists and not to.is_dir():
        raise ConfigurationError(f"there is no directory {to}: --from, or {PREFIX}BACKUP_TO, names where backups are")
    return store_of(to.absolute())


def passphrase_from(file: Path | None, *, new: bool = False, option: str = _OPTION) -> str | None:
    """
    Return the passphrase: from the file, the environment, or a terminal; None where none of them has one.

    Args:
        file: that ``--passphrase-file`` names.
        new: whether to ask twice.
        option: that names the file.

    Raises:
        ConfigurationError: the file cannot be read, or is not for this user alone.
    """
    if file is not None:
        return _private_text(file, option)
    given = secret(os.environ, _SETTING)
    if given is None and sys.stdin.isatty():
        text = f"Passphrase of the backup (at least {MIN_PASSPHRASE} characters)"
        given = click.prompt(text, hide_input=True, confirmation_prompt=new, err=True)
    return given


def _private_text(file: Path, option: str) -> str:
    """
    Return the text of a regular file, or of what a shell makes of a command's output, that others cannot read.

    Raises:
        ConfigurationError: it cannot be read, or others can read it. The text is not repeated.
    """
    try:
        status = file.stat()
        if status.st_mode & _OF_OTHERS or status.st_uid not in {os.geteuid(), 0}:
            raise ConfigurationError(f"{option} {file} must be of this user alone: chown it, and chmod 600")
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{option} {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{option} {file} is not UTF-8 text") from None


def needed_passphrase(file: Path | None, *, new: bool = False, option: str = _OPTION) -> str:
    """
    Return the passphrase as ``passphrase_from`` does.

    Raises:
        ConfigurationError: there is none.
    """
    given = passphrase_from(file, new=new, option=option)
    if given is None:
        raise ConfigurationError(f"a passphrase is needed: --passphrase-file, or {PREFIX}{_SETTING}[_FILE]")
    return given


def settings_and_owner(data: Path | None) -> tuple[Settings, PostgresAddress]:
    """
    Return the settings of an appliance, and the address of its database for the owner of the tables.

    Raises:
        ConfigurationError: there is no such appliance, or the owner's credentials are missing.
    """
    if not is_embedded(data):
        settings = settings_from(os.environ)
        return settings, owner_from(os.environ, settings.database)
    path = data or default_data()
    if not (path / "lock").exists():
        raise ConfigurationError(f"there is no appliance in {path}: start one with `governlayer up --data {path}`")
    directory = DataDirectory.open(path)
    return kept_settings(directory), postgres_address(EmbeddedPostgres(directory).owner)
