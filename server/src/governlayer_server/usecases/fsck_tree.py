"""Check what is stored of a ledger's tree while its records go by: tiles and checkpoints."""

from collections.abc import Iterator, Sequence

from governlayer_server.domain.errors import NoteError
from governlayer_server.domain.ledger.audit import Finding
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.checkpoint import checkpoint_text
from governlayer_server.domain.ledger.note import parse_checkpoint
from governlayer_server.domain.ledger.tiles import TILE_BYTES, WIDTH, Tile, subtree_root
from governlayer_server.domain.ledger.tree import HASH_BYTES, root
from governlayer_server.ports.checkpoints import Checkpoint, CheckpointStore
from governlayer_server.ports.tiles import TileStore
from governlayer_server.usecases.verify_note import IsSigned

_PAGE = 200


class FsckTiles:
    """Compares each stored tile with the one that the records give; a tile is stored a while after its records."""

    def __init__(self, tiles: TileStore, ledger_id: str) -> None:
        self._tiles = tiles
        self._ledger_id = ledger_id
        self._rows: dict[int, tuple[int, bytearray]] = {}
        self._stored_of_level_0 = 0
        self.compared = 0

    async def begin(self) -> None:
        """Learn how many tiles there are; those that are added meanwhile are not looked for."""
        self._stored_of_level_0 = await self._tiles.tiled(self._ledger_id)

    async def add(self, leaf: bytes) -> Sequence[Finding]:
        """Take in the hash of the next leaf, 32 bytes; return what is wrong with the tiles that are full now."""
        found: list[Finding] = []
        level, carried = 0, leaf
        while True:
            n, row = self._rows.setdefault(level, (0, bytearray()))
            row += carried
            if len(row) < TILE_BYTES:
                return found
            found += await self._compare(Tile(level, n), bytes(row))
            self._rows[level] = (n + 1, bytearray())
            level, carried = level + 1, subtree_root(bytes(row))

    async def end(self) -> Sequence[Finding]:
        """Return what is wrong with the tiles of the edge."""
        return [
            one
            for level, (n, row) in self._rows.items()
            if level and row
            for one in await self._compare(Tile(level, n), bytes(row))
        ]

    async def _compare(self, tile: Tile, given: bytes) -> Sequence[Finding]:
        stored = (await self._tiles.tiles(self._ledger_id, [tile])).get(tile, b"")
        self.compared += bool(stored)
        place = f"tile {tile.level}/{tile.n}"
        common = min(len(stored), len(given))
        if stored[:common] != given[:common]:
            return [Finding(step="tile", expected=f"{place} as the records give it", found="another")]
        if len(stored) < self._least(tile, len(given)):
            return [Finding(step="tile", expected=f"{place}", found=f"{len(stored)} bytes of it")]
        return []

    def _least(self, tile: Tile, given: int) -> int:
        """Return how many bytes of *tile* must be stored, as many tiles of level 0 are."""
        hashes = self._stored_of_level_0 if tile.level else WIDTH * self._stored_of_level_0
        for _ in range(tile.level - 1):
            hashes //= WIDTH
        return min(given, max(0, hashes - tile.n * WIDTH) * HASH_BYTES)


class FsckCheckpoints:
    """Compares each published checkpoint with the tree at its size, and asks whether a key of ours signed it."""

    def __init__(self, checkpoints: CheckpointStore, ledger_id: str, is_signed: IsSigned) -> None:
        self._checkpoints = checkpoints
        self._ledger_id = ledger_id
        self._is_signed = is_signed
        self._page: list[Checkpoint] = []
        self.compared = 0

    async def begin(self) -> None:
        """Read the first of them."""
        await self._read(0)

    async def add(self, reached: Head) -> Sequence[Finding]:
        """Return what is wrong with the checkpoint of the size that the records have reached, if there is one."""
        if not self._page or self._page[0].size != reached.size:
            return []
        one = self._page.pop(0)
        self.compared += 1
        if not self._page:
            await self._read(one.size)
        return self._findings(one, reached)

    def _findings(self, one: Checkpoint, reached: Head) -> list[Finding]:
        found = []
        here = root(reached.edge)
        if one.root != here:
            expected, at = f"root {here.hex()}", f"at size {one.size}"
            found.append(Finding(step="checkpoint", expected=f"{expected} {at}", found=f"root {one.root.hex()}"))
        text = checkpoint_text(reached.origin, reached.size, here)
        if one.root == here and not one.note.startswith(text + "\n"):
            found.append(Finding(step="checkpoint", expected=f"a note of size {one.size}", found="another"))
        elif not self._signed(one.note):
            expected = f"a checkpoint of size {one.size} that a key of this deployment signed"
            found.append(Finding(step="signature", expected=expected, found="another"))
        return found

    def _signed(self, note: str) -> bool:
        try:
            return self._is_signed(parse_checkpoint(note))
        except NoteError:
            return False

    async def _read(self, size: int) -> None:
        self._page = list(await self._checkpoints.after(self._ledger_id, size, _PAGE))


def beyond(tiled: int, newest: Checkpoint | None, size: int) -> Iterator[Finding]:
    """Yield what is there of a larger ledger than one of *size*, which was read after the other two."""
    if tiled > size // WIDTH:
        yield Finding(step="tile", expected=f"at most {size // WIDTH} tiles of level 0", found=str(tiled))
    if newest is not None and newest.size > size:
        yield Finding(step="checkpoint", expected=f"{newest.size} records or more", found=f"{size} records")
