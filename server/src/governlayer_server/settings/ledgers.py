"""Where the appliance keeps what it must not lose with its database."""

from pathlib import Path

from msgspec import Struct

from governlayer_server.settings.reading import Environment, path


class LedgerSettings(Struct, frozen=True, kw_only=True):
    """
    Directories.

    Attributes:
        evidence: what was found wrong with ledgers is written here; None: into the database only.
        tombstones: what was erased is listed here, for whoever restores a backup; None: nothing can be erased.
    """

    evidence: Path | None = None
    tombstones: Path | None = None


def ledgers_from(
    environment: Environment, evidence: Path | None = None, tombstones: Path | None = None
) -> LedgerSettings:
    """Return the directories that *environment* names; those given are used where it names none."""
    return LedgerSettings(
        evidence=path(environment, "EVIDENCE_DIR") or evidence,
        tombstones=path(environment, "TOMBSTONE_DIR") or tombstones,
    )
