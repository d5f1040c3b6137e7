"""``ports.anchors.AnchorStore`` in memory."""

from collections.abc import Collection, Mapping, Sequence

from governlayer_server.ports.anchors import StoredCosignature, StoredTimestamp
from governlayer_server.ports.checkpoints import Checkpoint

from tests.fakes.checkpoints import MemoryCheckpointStore


class MemoryAnchorStore:
    def __init__(self, checkpoints: MemoryCheckpointStore) -> None:
        self._checkpoints = checkpoints
        self._cosignatures: dict[tuple[str, int, str], StoredCosignature] = {}
        self._timestamps: dict[tuple[str, int], StoredTimestamp] = {}

    async def to_cosign(self, witness: str, but: Collection[str], limit: int) -> Sequence[str]:
        return [
            one.ledger_id for one in self._newest(but) if (one.ledger_id, one.size, witness) not in self._cosignatures
        ][:limit]

    async def cosigned_size(self, ledger_id: str, witness: str) -> int:
        return max((size for one, size, by in self._cosignatures if (one, by) == (ledger_id, witness)), default=0)

    async def add_cosignature(self, cosignature: StoredCosignature) -> None:
        place = cosignature.ledger_id, cosignature.size, cosignature.witness
        self._cosignatures.setdefault(place, cosignature)

    async def cosignatures(self, ledger_id: str, size: int) -> Sequence[str]:
        found = {
            by: one.line for (owner, at, by), one in self._cosignatures.items() if (owner, at) == (ledger_id, size)
        }
        return [found[by] for by in sorted(found)]

    async def newest_cosigned(self, ledger_id: str, size: int) -> int:
        return max((at for one, at, _ in self._cosignatures if one == ledger_id and at <= size), default=0)

    async def cosigned_last_us(self, witness: str) -> int | None:
        return max((one.time_us for (_, _, by), one in self._cosignatures.items() if by == witness), default=None)

    async def to_stamp(self, before_us: int, but: Collection[str], limit: int) -> Sequence[str]:
        return [one.ledger_id for one in self._newest(but) if not self._is_stamped(one, before_us)][:limit]

    async def add_timestamp(self, timestamp: StoredTimestamp) -> None:
        self._timestamps.setdefault((timestamp.ledger_id, timestamp.size), timestamp)

    async def timestamps(self, ledger_id: str, after: int, limit: int) -> Sequence[StoredTimestamp]:
        found = [one for (owner, size), one in self._timestamps.items() if owner == ledger_id and size > after]
        return sorted(found, key=lambda one: one.size)[:limit]

    async def stamped_last_us(self) -> int | None:
        return max((one.time_us for one in self._timestamps.values()), default=None)

    async def published_sizes(self) -> Mapping[str, int]:
        return {one.ledger_id: one.size for one in self._newest(())}

    def _newest(self, but: Collection[str]) -> list[Checkpoint]:
        newest = [
            max(rows.values(), key=lambda one: one.size) for rows in self._checkpoints.snapshot().values() if rows
        ]
        return sorted((one for one in newest if one.ledger_id not in but), key=lambda one: one.published_us)

    def _is_stamped(self, newest: Checkpoint, before_us: int) -> bool:
        own = [one for one in self._timestamps.values() if one.ledger_id == newest.ledger_id]
        return any(one.size == newest.size or one.time_us > before_us for one in own)
