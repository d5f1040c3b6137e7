"""Make the receipt of a record at any later time: one file that proves it offline (ledger-v1 §5)."""

from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.errors import LedgerDamaged, ProofError
from governlayer_server.domain.ledger.proofs import verify_inclusion
from governlayer_server.domain.ledger.receipt import receipt_text
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.ledger.tree import leaf_hash
from governlayer_server.ports import Signers
from governlayer_server.ports.checkpoints import CheckpointStore
from governlayer_server.ports.refusals import NoGuard, WriteGuard
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.record_key_event import KEY_RECORD
from governlayer_server.usecases.sign_checkpoint import keys_of_then, sign_tree


class MakeReceipt(Struct, frozen=True, kw_only=True):
    """Makes receipts; a published checkpoint, which others may have cosigned, comes before one of our own."""

    prove: ProveLedger
    checkpoints: CheckpointStore
    signer: Signers
    guard: WriteGuard = NoGuard()

    async def __call__(self, organization_id: UUID, seq: int, size: int | None = None) -> str:
        """
        Return the receipt of record *seq*.

        Args:
            organization_id: whose ledger.
            seq: from 0.
            size: of the checkpoint that it leads to; None for the newest one that was published after the record,
                of a ``ledger.key`` record for the first one after it, or, while there is none, for the ledger as it
                stands.

        Raises:
            NotFound: there is no such record.
            InvalidRequest: *size* is out of range.
            LedgerDamaged: what is stored does not lead to the ledger's head. Nothing of it is signed.
            LedgerRefused: the ledger is closed, and nothing is signed for it.
            LedgerUnavailable: the database is away.
        """
        ledger_id = str(organization_id)
        record = await self.prove.ledger.record(ledger_id, seq)
        if size is None:
            size = await self._published(ledger_id, record)
        proof = await self.prove.inclusion(ledger_id, seq, size)
        root = await self.prove.root(ledger_id, size)
        try:
            verify_inclusion(leaf_hash(record.canonical), seq, size, proof, root)
        except ProofError as error:
            raise LedgerDamaged("the stored record is not the one of the ledger's tree") from error
        return receipt_text(record, proof, await self._note(ledger_id, size, root))

    async def _published(self, ledger_id: str, record: Record) -> int:
        published, now = await self.checkpoints.newest(ledger_id), await self.prove.ledger.head(ledger_id)
        if record.type == KEY_RECORD:
            # It is read by who trusts the older key alone, and that one may sign no more.
            published = next(iter(await self.checkpoints.after(ledger_id, record.seq, 1)), None)
        if published is None or published.size <= record.seq:
            return now.size
        if published.size > now.size:
            raise LedgerDamaged("the ledger is shorter than its published checkpoint")
        return published.size

    async def _note(self, ledger_id: str, size: int, root: bytes) -> str:
        published = await self.checkpoints.at(ledger_id, size)
        if published is None:
            self.guard.require_open(ledger_id)
            origin = (await self.prove.ledger.head(ledger_id)).origin
            also = await keys_of_then(self.signer, self.prove.ledger, ledger_id, size)
            return sign_tree(self.signer, origin, size, root, also)
        if published.root != root:
            raise LedgerDamaged("the ledger is not the one of its published checkpoint")
        return published.note
