"""Check the heads: whether each ledger still is, and extends, what the system ledger recorded of it (ledger-v1 §3)."""

from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct

from governlayer_server.domain.errors import LedgerDamaged, NotFound
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports.ledger import LedgerStore, RecordFilter
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.record_heads import HEADS_RECORD

_PAGE = 100


class RecordedHead(Struct, frozen=True):
    """What the system ledger says of a ledger; ``root`` is 64 hex digits. Both are None: it could not be read."""

    id: str
    root: str | None
    size: int | None


class _Body(Struct):
    heads: list[RecordedHead]


class _HeadsRecord(Struct):
    body: _Body


class HeadFault(Struct, frozen=True, kw_only=True):
    """A ledger that is not what was recorded of it, and why not."""

    head: RecordedHead
    fault: str


class CheckHeads(Struct, frozen=True, kw_only=True):
    """Compares ledgers with what was recorded of them; whether the system ledger is genuine its dump tells."""

    ledger: LedgerStore
    prove: ProveLedger

    async def __call__(self) -> tuple[int, list[HeadFault]]:
        """
        Return how many ledgers were compared with their newest recorded heads, and those that differ.

        Hours in which a ledger could not be read do not hide what was recorded of it before.

        Raises:
            LedgerUnavailable: the database is away.
        """
        newest = dict[str, RecordedHead]()
        async for head in self._recorded():
            if head.size is not None or head.id not in newest:
                newest[head.id] = head
        faults = [HeadFault(head=one, fault=fault) for one in newest.values() if (fault := await self._fault(one))]
        return len(newest), faults

    async def _recorded(self) -> AsyncIterator[RecordedHead]:
        seq, only = -1, RecordFilter(type=HEADS_RECORD)
        while records := await self.ledger.records(SYSTEM_LEDGER, seq, _PAGE, only):
            for record in records:
                for head in msgspec.json.decode(record.canonical, type=_HeadsRecord).body.heads:
                    yield head
            seq = records[-1].seq

    async def _fault(self, recorded: RecordedHead) -> str | None:
        try:
            size = (await self.ledger.head(recorded.id)).size
            if recorded.size is None:
                return None
            if size < recorded.size:
                return f"it has {size} records, and had {recorded.size}"
            if (await self.prove.root(recorded.id, recorded.size)).hex() != recorded.root:
                return f"its first {recorded.size} records are not those it had"
        except NotFound:
            return "it is gone"
        except LedgerDamaged as error:
            return str(error)
        return None
