"""The records of one ledger as a backup holds them: each follows the one before, and they lead to the signed head."""

from hashlib import sha256

from governlayer_server.domain.backup import LedgerState
from governlayer_server.domain.errors import BackupError, LedgerFormatError
from governlayer_server.domain.ledger.audit import facts_of
from governlayer_server.domain.ledger.chain import Head, empty_head
from governlayer_server.domain.ledger.note import ParsedCheckpoint
from governlayer_server.domain.ledger.tree import grow, leaf_hash, root


class LedgerInBackup:
    """
    Takes the records of a ledger in their order (ledger-v1 §8, steps 3 to 7).

    Args:
        state: where the ledger stood.
        checkpoint: the one that the manifest holds, its signature verified.
    """

    def __init__(self, state: LedgerState, checkpoint: ParsedCheckpoint | None) -> None:
        self._state = state
        self._checkpoint = checkpoint
        self._reached = empty_head(state.origin)

    def add(self, seq: int, canonical: bytes, stored_hash: bytes) -> None:
        """
        Take the next record.

        Raises:
            BackupError: it is not the one that follows.
        """
        before, digest = self._reached, sha256(canonical).digest()
        try:
            facts = facts_of(canonical)
        except LedgerFormatError:
            raise self._wrong(f"record {seq} is none") from None
        if not seq == facts.seq == before.size or facts.prev_hash != before.hash.hex() or digest != stored_hash:
            raise self._wrong(f"record {seq} does not follow the one before it")
        edge = grow(before.edge, leaf_hash(canonical))
        self._reached = Head(origin=before.origin, hash=digest, time_us=facts.time_us, edge=edge)
        if self._checkpoint is not None and self._checkpoint.size == self._reached.size:
            self._compare(self._checkpoint.root, "its checkpoint")

    def finish(self) -> None:
        """
        Return if the records lead to the head of the manifest, over its checkpoint.

        Raises:
            BackupError: they do not.
        """
        state, reached = self._state, self._reached
        if (reached.size, reached.hash.hex()) != (state.size, state.head_hash):
            raise self._wrong(f"its records lead to another head than that of size {state.size}")
        self._compare(bytes.fromhex(state.root), "its head")
        if self._checkpoint is not None and self._checkpoint.size > reached.size:
            raise self._wrong("its checkpoint is of more records than there are")

    def _compare(self, expected: bytes, what: str) -> None:
        if root(self._reached.edge) != expected:
            raise self._wrong(f"the root of its records is not that of {what}")

    def _wrong(self, why: str) -> BackupError:
        return BackupError(f"the ledger {self._state.id} is not sound: {why}")
