"""Where the appliance keeps what it must not lose with its database, and whether it destroys by itself what expired."""

from pathlib import Path

from msgspec import Struct

from governlayer_server.settings.reading import Environment, path, switch


class LedgerSettings(Struct, frozen=True, kw_only=True):
    """
    Directories, and one job.

    Attributes:
        evidence: what was found wrong with ledgers is written here; None: into the database only.
        tombstones: what was erased is listed here, for whoever restores a backup; None: nothing can be erased.
        retention_job: whether the server destroys once an hour what has expired; else `governlayer retention run` does.
    """

    evidence: Path | None = None
    tombstones: Path | None = None
    retention_job: bool = True


def ledgers_from(
    environment: Environment, evidence: Path | None = None, tombstones: Path | None = None
) -> LedgerSettings:
    """
    Return the directories that *environment* names; those given are used where it names none.

    Raises:
        ConfigurationError: ``RETENTION_JOB`` is neither on nor off.
    """
    return LedgerSettings(
        evidence=path(environment, "EVIDENCE_DIR") or evidence,
        tombstones=path(environment, "TOMBSTONE_DIR") or tombstones,
        retention_job=switch(environment, "RETENTION_JOB"),
    )
