"""``ports.checkpoints.CheckpointStore`` in memory."""

from collections.abc import Mapping, Sequence

from governlayer_server.ports.checkpoints import Checkpoint, Fork

from tests.fakes.ledger_store import MemoryLedgerStore


class MemoryCheckpointStore:
    def __init__(self, ledger: MemoryLedgerStore) -> None:
        self._ledger = ledger
        self._rows: dict[str, dict[int, Checkpoint]] = {}
        self._forks: dict[str, dict[int, Fork]] = {}

    def snapshot(self) -> Mapping[str, Mapping[int, Checkpoint]]:
        """All checkpoints by ledger and size."""
        return self._rows

    async def newest(self, ledger_id: str) -> Checkpoint | None:
        return await self.newest_within(ledger_id, 2**63 - 1)

    async def newest_within(self, ledger_id: str, size: int) -> Checkpoint | None:
        rows = self._rows.get(ledger_id, {})
        return rows.get(max((one for one in rows if one <= size), default=0))

    async def at(self, ledger_id: str, size: int) -> Checkpoint | None:
        return self._rows.get(ledger_id, {}).get(size)

    async def after(self, ledger_id: str, size: int, limit: int) -> Sequence[Checkpoint]:
        rows = self._rows.get(ledger_id, {})
        return [rows[one] for one in sorted(rows) if one > size][:limit]

    async def add(self, checkpoint: Checkpoint) -> bool:
        rows = self._rows.setdefault(checkpoint.ledger_id, {})
        if checkpoint.size in rows or any(one.extends == checkpoint.extends for one in rows.values()):
            return False
        rows[checkpoint.size] = checkpoint
        return True

    async def grown(self) -> Sequence[str]:
        sizes = {ledger_id: head.size for ledger_id, (head, _) in self._ledger.snapshot().items()}
        return sorted(one for one, size in sizes.items() if size != max(self._rows.get(one, {}), default=0))

    async def add_fork(self, fork: Fork) -> bool:
        forks = self._forks.setdefault(fork.ledger_id, {})
        return forks.setdefault(fork.published_size, fork) is fork

    async def forks(self, ledger_id: str) -> Sequence[Fork]:
        forks = self._forks.get(ledger_id, {})
        return [forks[size] for size in sorted(forks)]
