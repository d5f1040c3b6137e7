"""Read the ledger: where it stands, its records, a signed checkpoint."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ledger.chain import Head, genesis_hash
from governlayer_server.domain.ledger.checkpoint import newest_ed25519
from governlayer_server.domain.ledger.note import MAX_SIZE
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.tenants import tenant_name
from governlayer_server.ports import Signers
from governlayer_server.ports.ledger import LedgerStore, RecordFilter
from governlayer_server.ports.refusals import NoGuard, WriteGuard
from governlayer_server.usecases.read_cosigned import ReadCosigned
from governlayer_server.usecases.sign_checkpoint import sign_checkpoint, sign_for_keeping


class LedgerState(Struct, frozen=True, kw_only=True):
    """Where a ledger stands. Hashes are 64 hex digits, keys are verifier keys."""

    origin: str
    size: int
    head_hash: str
    genesis_hash: str
    keys: list[str]


class ReadLedger(Struct, frozen=True, kw_only=True):
    """Reads the ledger of an organization, or that of the deployment itself (None)."""

    ledger: LedgerStore
    signer: Signers
    cosigned: ReadCosigned
    guard: WriteGuard = NoGuard()

    @property
    def key(self) -> str:
        """The verifier key to give to auditors: of Ed25519, the newest."""
        return newest_ed25519(self.signer.vkeys)

    @property
    def keys(self) -> list[str]:
        """The verifier keys of the deployment's ledgers: Ed25519 first, and of a kind the oldest first."""
        return list(self.signer.vkeys)

    async def state(self, organization_id: UUID | None) -> LedgerState:
        """Return where the ledger stands."""
        head = await self._head(organization_id)
        return LedgerState(
            origin=head.origin,
            size=head.size,
            head_hash=head.hash.hex(),
            genesis_hash=genesis_hash(head.origin).hex(),
            keys=self.keys,
        )

    async def checkpoint(self, organization_id: UUID | None) -> str:
        """
        Return the signed checkpoint of the ledger as it stands, with the cosignatures that it has by now.

        Raises:
            LedgerRefused: the ledger is closed, and nothing is signed that may contradict what was signed before.
        """
        self.guard.require_open(tenant_name(organization_id))
        note = sign_checkpoint(self.signer, await self._head(organization_id))
        return await self.cosigned.with_cosignatures(tenant_name(organization_id), note)

    async def cosigned_checkpoint(self, organization_id: UUID | None) -> str:
        """
        Return the newest published checkpoint that a witness cosigned, with all its cosignatures.

        Raises:
            NotFound: none was.
        """
        note = await self.cosigned.newest(tenant_name(organization_id), MAX_SIZE)
        if note is None:
            raise NotFound("no checkpoint of this ledger has been cosigned by a witness")
        return note

    async def checkpoint_for_keeping(self, organization_id: UUID | None, now_us: int) -> str:
        """Return the same with post-quantum signatures beside the others, as of *now_us*."""
        self.guard.require_open(tenant_name(organization_id))
        note = sign_for_keeping(self.signer, await self._head(organization_id), now_us)
        return await self.cosigned.with_cosignatures(tenant_name(organization_id), note)

    async def record(self, organization_id: UUID | None, seq: int) -> Record:
        """
        Return record *seq*.

        Raises:
            NotFound: there is none.
        """
        return await self.ledger.record(tenant_name(organization_id), seq)

    async def records(
        self, organization_id: UUID | None, after_seq: int, limit: int, only: RecordFilter
    ) -> Sequence[Record]:
        """Return up to *limit* records with seq greater than *after_seq* that fit *only*, in order."""
        return await self.ledger.records(tenant_name(organization_id), after_seq, limit, only)

    async def _head(self, organization_id: UUID | None) -> Head:
        return await self.ledger.head(tenant_name(organization_id))
