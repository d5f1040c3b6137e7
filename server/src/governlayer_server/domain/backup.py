"""
What a backup consists of (docs/spec/backup-v1.md): its names, its envelope, its manifest, and what binds its files.

    <destination>/backups/<id>/envelope     how the file key opens: JSON, the one file that is not encrypted
                              /manifest     what the backup holds; a backup without one is not whole
                              /parts/<n>    rows of tables
                              /journal/<n>  which parts of records were written whole, while there is no manifest
                              /verified     that all of it was read and found sound
    <destination>/keys/<id>.glkeys          the data subjects' keys, only the newest ones
    <destination>/tombstones/<uuid>.json    what was erased
"""

import re
from datetime import UTC, datetime

from msgspec import Struct

from governlayer_server.domain.errors import BackupError
from governlayer_server.domain.times import SECOND_US

FORMAT = "governlayer-backup-v1"
RECORDS = "ledger_record"
"""The table whose rows never change: a part of it that was written whole is as good for the next snapshot."""
KEY_TABLE = "subject_key"
"""The table of data subjects' keys. It is in no backup: a key that was destroyed must leave older backups too."""
MIN_PASSPHRASE = 20
BACKUPS, KEYS, TOMBSTONES = "backups/", "keys/", "tombstones/"
ENVELOPE, MANIFEST, VERIFIED = "envelope", "manifest", "verified"
_GLKEYS = ".glkeys"
_ID = re.compile(r"([0-9]{8}T[0-9]{6}Z)-[0-9a-f]{8}")
_TIME = "%Y%m%dT%H%M%SZ"
_OWN = re.compile(r"envelope|manifest|verified|(?:parts|journal)/[0-9]{6,}")
_TOMBSTONE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json")


class Envelope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How the key of a backup's files, or of a file of keys, opens.

    Attributes:
        format: ``FORMAT``.
        id: of the backup.
        install_id: of the installation that made it.
        salt: for the passphrase's key, 16 bytes.
        by_passphrase: the file key under the passphrase's key.
        by_key: the file key under the installation's key-encryption key.
    """

    format: str
    id: str
    install_id: str
    salt: bytes
    by_passphrase: bytes
    by_key: bytes

    def __post_init__(self) -> None:
        """Refuse another format, and names that are none."""
        if self.format != FORMAT:
            raise BackupError(f"the format of the backup is not {FORMAT}: use the version that made it, or a newer one")
        if not is_backup_id(self.id) or len(self.salt) != 16:
            raise BackupError("the envelope of the backup is damaged")


class Span(Struct, frozen=True, kw_only=True):
    """Records of one ledger, both ends inclusive; *head* is the stored hash of the last one, in hex."""

    ledger_id: str
    first: int
    last: int
    head: str


class Part(Struct, frozen=True, kw_only=True):
    """
    One file of rows.

    Attributes:
        number: of the part, from 1; no two parts of a backup have the same.
        table: whose rows these are.
        rows: how many.
        size: of the file, bytes.
        sha256: of the file, in hex.
        span: which records, where they are records of a ledger.
    """

    number: int
    table: str
    rows: int
    size: int
    sha256: str
    span: Span | None = None

    @property
    def name(self) -> str:
        """The name within the backup."""
        return f"parts/{self.number:06d}"

    @property
    def journal(self) -> str:
        """The name of what says that it was written whole."""
        return f"journal/{self.number:06d}"


class Column(Struct, frozen=True):
    """A column of a table, as the catalog names its type."""

    name: str
    type: str


class Table(Struct, frozen=True, kw_only=True):
    """A table, and the parts that hold its rows."""

    name: str
    columns: tuple[Column, ...]
    rows: int
    parts: tuple[Part, ...]


class SequenceValue(Struct, frozen=True, kw_only=True):
    """How far a sequence has come; None: it was never asked."""

    name: str
    value: int | None


class LedgerState(Struct, frozen=True, kw_only=True):
    """
    Where a ledger stood in the snapshot.

    Attributes:
        id: of the ledger.
        origin: of the ledger.
        size: how many records.
        head_hash: of the newest one, in hex.
        root: of the tree over them, in hex; empty where what is stored of the tree contradicts itself.
        checkpoint: the newest published one as it was signed; None where there was none.
    """

    id: str
    origin: str
    size: int
    head_hash: str
    root: str
    checkpoint: str | None


class RecoverySecrets(Struct, frozen=True, kw_only=True):
    """
    What a database is worthless without. Never printed.

    Attributes:
        keys: the key-encryption keys in service, in base64, the one that wraps first.
        files: other secrets, by their names in a data directory.
        policies: the text of the policy set.
    """

    keys: tuple[str, ...]
    files: dict[str, str]
    policies: str

    def __repr__(self) -> str:
        """No secrets."""
        return "RecoverySecrets(…)"


class Manifest(Struct, frozen=True, kw_only=True):
    """
    What a backup holds.

    Attributes:
        format: ``FORMAT``.
        id: of the backup.
        created_us: when the snapshot was taken.
        version: of the appliance.
        server_version: of PostgreSQL.
        deployment: its name.
        install_id: of the installation.
        migrations: those that were applied, oldest first.
        vkeys: the verifier keys that ever signed the ledgers.
        tables: all tables but ``KEY_TABLE``.
        sequences: all of them.
        ledgers: all of them.
        secrets: for a recovery on another machine.
        tombstones: name and SHA-256 in hex of each file of the list of what was erased.
    """

    format: str
    id: str
    created_us: int
    version: str
    server_version: str
    deployment: str
    install_id: str
    migrations: tuple[str, ...]
    vkeys: tuple[str, ...]
    tables: tuple[Table, ...]
    sequences: tuple[SequenceValue, ...]
    ledgers: tuple[LedgerState, ...]
    secrets: RecoverySecrets
    tombstones: dict[str, str] = {}

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for table in self.tables for part in table.parts)

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)


class KeyRows(Struct, frozen=True, kw_only=True):
    """
    What the file of keys says before its rows.

    Attributes:
        columns: of ``KEY_TABLE``; none where there is no such table.
        wrapped_by: the key-encryption keys then, in base64: those of an older backup may be older ones.
    """

    columns: tuple[Column, ...]
    wrapped_by: tuple[str, ...]

    def __repr__(self) -> str:
        """No keys."""
        return "KeyRows(…)"


def new_backup_id(now_us: int, random: bytes) -> str:
    """Return an id that sorts by time: UTC to the second, and 4 random bytes."""
    moment = datetime.fromtimestamp(now_us // SECOND_US, UTC)
    return f"{moment:{_TIME}}-{random[:4].hex()}"


def is_backup_id(text: str) -> bool:
    """Return whether *text* is an id of a backup: its time is one."""
    if _ID.fullmatch(text) is None:
        return False
    try:
        made_us(text)
    except ValueError:
        return False
    return True


def is_own(name: str) -> bool:
    """Return whether a backup has files of this name; others in its folder are nobody's to remove."""
    return _OWN.fullmatch(name) is not None


def made_us(backup_id: str) -> int:
    """Return the time in *backup_id*, microseconds since the Unix epoch."""
    return int(datetime.strptime(backup_id[:16], _TIME).replace(tzinfo=UTC).timestamp()) * SECOND_US


def is_tombstone(name: str) -> bool:
    """Return whether *name* is that of a file of the tombstone list."""
    return _TOMBSTONE.fullmatch(name) is not None


def file_name(backup_id: str, name: str) -> str:
    """Return where in the destination the file *name* of a backup is."""
    return f"{BACKUPS}{backup_id}/{name}"


def keys_name(backup_id: str) -> str:
    """Return where in the destination the file of keys is that was written with a backup."""
    return f"{KEYS}{backup_id}{_GLKEYS}"


def keys_of(name: str) -> str | None:
    """Return the backup that the file of keys *name* was written with; None: it is no such file."""
    backup_id = name.removeprefix(KEYS).removesuffix(_GLKEYS)
    return backup_id if is_backup_id(backup_id) and name == keys_name(backup_id) else None


def context(backup_id: str, name: str) -> bytes:
    """Return what a file is bound to: it opens as no other file, and in no other backup."""
    return b"\0".join(part.encode() for part in (FORMAT, backup_id, name))
