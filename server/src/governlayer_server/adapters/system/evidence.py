"""Evidence of damaged ledgers as files: each written once, for their owner alone."""

import os
from pathlib import Path

from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.ports.refusals import Refusal


class EvidenceDirectory:
    """
    Keeps what was found wrong with ledgers, beside the row in the database that says it too.

    Args:
        path: made (0700) when the first file is; None: no files are kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def keep(self, refusal: Refusal) -> None:
        """
        Write *refusal* to a file of its own (0600), durable on return.

        Raises:
            ConfigurationError: it cannot be written.
        """
        if self._path is None:
            return
        file = self._path / f"{refusal.ledger_id}-{refusal.found_us}.json"
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                opened.write(refusal.evidence + "\n")
                opened.flush()
                os.fsync(opened.fileno())
        except OSError as error:
            raise ConfigurationError(f"the evidence file {file} cannot be written: {error.strerror}") from None
