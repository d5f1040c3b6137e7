"""``ports.tiles.TileStore`` in memory."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from governlayer_server.domain.errors import LedgerDamaged
from governlayer_server.domain.ledger.tiles import Tile
from governlayer_server.domain.ledger.tree import leaf_hash


class MemoryTiles(ABC):
    def __init__(self) -> None:
        self.tile_rows: dict[tuple[str, Tile], bytes] = {}

    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """How many records each ledger has."""

    @abstractmethod
    def canonical(self, ledger_id: str) -> list[bytes]:
        """The bytes of all records of a ledger."""

    async def tiles(self, ledger_id: str, wanted: Iterable[Tile]) -> Mapping[Tile, bytes]:
        rows = {tile: self.tile_rows.get((ledger_id, tile)) for tile in wanted}
        return {tile: row for tile, row in rows.items() if row is not None}

    async def tiled(self, ledger_id: str) -> int:
        return sum(1 for owner, tile in self.tile_rows if owner == ledger_id and tile.level == 0)

    async def add_tiles(self, ledger_id: str, rows: Mapping[Tile, bytes]) -> None:
        grown = {}
        for tile, row in rows.items():
            before = self.tile_rows.get((ledger_id, tile), b"")
            if len(before) >= len(row):
                continue
            if not row.startswith(before):
                raise LedgerDamaged("the stored tiles are not the beginning of what the records give")
            grown[ledger_id, tile] = row
        self.tile_rows |= grown

    async def leaf_hashes(self, ledger_id: str, first: int, last: int) -> bytes:
        hashes = [leaf_hash(canonical) for canonical in self.canonical(ledger_id)[first : last + 1]]
        if len(hashes) != last + 1 - first:
            raise LedgerDamaged(f"a record is missing between {first} and {last}")
        return b"".join(hashes)

    async def untiled(self) -> Sequence[str]:
        sizes = self.sizes()
        return sorted([one for one, size in sizes.items() if size // 256 > await self.tiled(one)])
