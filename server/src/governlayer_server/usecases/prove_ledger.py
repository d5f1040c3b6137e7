"""
Prove the ledger: inclusion and consistency proofs and roots, out of a few stored tiles (ledger-v1 §4).

Whatever is stored, nothing leaves that does not lead to the ledger's head, which appends keep and sign.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain

from msgspec import Struct

from governlayer_server.domain.errors import Fault, InvalidRequest, LedgerDamaged, NotFound, ProofError
from governlayer_server.domain.ledger.chain import Head, empty_head
from governlayer_server.domain.ledger.proofs import (
    Node,
    Range,
    consistency_ranges,
    hashes_of,
    inclusion_ranges,
    nodes_of,
    subtree_ranges,
    verify_consistency,
    verify_inclusion,
    verify_subtree,
    whole,
)
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.ledger.tiles import HEIGHT, WIDTH, Tile, node_in, subtree_root, tile_of, width_for
from governlayer_server.domain.ledger.tree import HASH_BYTES, Edge, leaf_hash, root
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.usecases.tile_ledger import TileLedger


class ProveLedger(Struct, frozen=True, kw_only=True):
    """Makes proofs about one ledger at a time."""

    ledger: LedgerStore

    async def inclusion(self, ledger_id: str, seq: int, size: int) -> tuple[bytes, ...]:
        """
        Return the proof that record *seq* is a leaf of the tree of *size* records (RFC 6962 §2.1.1).

        Args:
            ledger_id: which ledger.
            seq: from 0.
            size: greater than *seq*, and not more than the ledger has.

        Returns:
            32 bytes a hash, the leaf's sibling first.

        Raises:
            NotFound: there is no such ledger.
            InvalidRequest: a value is out of range.
            LedgerDamaged: what is stored does not lead to the ledger's head. Nothing of it is told.
            LedgerUnavailable: the database is away.
        """
        head = await self.ledger.head(ledger_id)
        _require_range("size", 1, size, head.size)
        _require_range("seq", 0, seq, size - 1)
        leaf, path = Range(seq, seq + 1), inclusion_ranges(seq, size)
        nodes = await self._nodes(ledger_id, head, [leaf, *path], size)
        proof = hashes_of(path, nodes)
        with _found_as_damage():
            verify_inclusion(leaf.hash(nodes), seq, size, proof, whole(size).hash(nodes))
        return proof

    async def consistency(self, ledger_id: str, first: int, second: int) -> tuple[bytes, ...]:
        """
        Return the proof that the tree of *second* records extends that of *first* (RFC 6962 §2.1.2).

        Args:
            ledger_id: which ledger.
            first: from 0; of the empty tree there is nothing to prove, and the proof is empty.
            second: not smaller than *first*, and not more than the ledger has.

        Returns:
            32 bytes a hash, as RFC 6962 orders them.

        Raises:
            NotFound: there is no such ledger.
            InvalidRequest: a value is out of range.
            LedgerDamaged: what is stored does not lead to the ledger's head. Nothing of it is told.
            LedgerUnavailable: the database is away.
        """
        head = await self.ledger.head(ledger_id)
        _require_range("to", 0, second, head.size)
        _require_range("from", 0, first, second)
        if first == 0:
            return ()
        path = consistency_ranges(first, second)
        nodes = await self._nodes(ledger_id, head, [whole(first), *path], second)
        proof = hashes_of(path, nodes)
        with _found_as_damage():
            verify_consistency(first, second, whole(first).hash(nodes), whole(second).hash(nodes), proof)
        return proof

    async def root(self, ledger_id: str, size: int) -> bytes:
        """
        Return the root that the ledger had when it had *size* records, 32 bytes.

        Args:
            ledger_id: which ledger.
            size: from 0, and not more than the ledger has.

        Raises:
            NotFound: there is no such ledger.
            InvalidRequest: *size* is out of range.
            LedgerDamaged: what is stored does not lead to the ledger's head. Nothing of it is told.
            LedgerUnavailable: the database is away.
        """
        head = await self.ledger.head(ledger_id)
        _require_range("size", 0, size, head.size)
        return whole(size).hash(await self._nodes(ledger_id, head, [], size))

    async def head(self, ledger_id: str, size: int) -> Head:
        """
        Return where the ledger stood when it had *size* records.

        Args:
            ledger_id: which ledger.
            size: from 0, and not more than the ledger has.

        Raises:
            NotFound: there is no such ledger.
            InvalidRequest: *size* is out of range.
            LedgerDamaged: what is stored does not lead to the ledger's head. Nothing of it is told.
            LedgerUnavailable: the database is away.
        """
        head = await self.ledger.head(ledger_id)
        _require_range("size", 0, size, head.size)
        if size == head.size:
            return head
        if size == 0:
            return empty_head(head.origin)
        newest, path = await self._record(ledger_id, size - 1), inclusion_ranges(size - 1, size)
        nodes = await self._nodes(ledger_id, head, path, size)
        edge = Edge(size, tuple(nodes[node] for node in whole(size).nodes()))
        with _found_as_damage():
            leaf = leaf_hash(newest.canonical)
            verify_inclusion(leaf, newest.seq, size, hashes_of(path, nodes), root(edge))
        return Head(origin=head.origin, hash=newest.hash, time_us=newest.time_us, edge=edge)

    async def tile(self, ledger_id: str, tile: Tile, width: int) -> bytes:
        """
        Return the first *width* hashes of *tile*, 1 to 256 of them, joined.

        Raises:
            NotFound: the ledger has no records for so many, or there is no such ledger.
            LedgerDamaged: what is stored does not lead to the ledger's head. Nothing of it is told.
            LedgerUnavailable: the database is away.
        """
        head = await self.ledger.head(ledger_id)
        first, height = tile.n * WIDTH, tile.level * HEIGHT
        if (first + width) << height > head.size:
            raise NotFound("there is no such tile")
        row = (await self._rows(ledger_id, head, {tile: width}))[tile][: width * HASH_BYTES]
        # Counted in hashes of the tile: a range of them is one of leaves, so many levels higher up.
        parts = {Node(level + height, n): (n << level, 1 << level) for level, n in Range(first, first + width).nodes()}
        paths = {node: subtree_ranges(node, head.size) for node in parts}
        nodes = await self._nodes(ledger_id, head, chain.from_iterable(paths.values()), head.size)
        with _found_as_damage():
            for node, (start, count) in parts.items():
                hashes = row[(start - first) * HASH_BYTES :][: count * HASH_BYTES]
                proof = hashes_of(paths[node], nodes)
                verify_subtree(node, subtree_root(hashes), head.size, proof, root(head.edge))
        return row

    async def _record(self, ledger_id: str, seq: int) -> Record:
        try:
            return await self.ledger.record(ledger_id, seq)
        except NotFound:
            raise LedgerDamaged(f"record {seq} is missing") from None

    async def _nodes(self, ledger_id: str, head: Head, ranges: Iterable[Range], size: int) -> Mapping[Node, bytes]:
        """Return the hashes of *ranges* and of the tree of *size*, which has been found to be what the head extends."""
        growth = consistency_ranges(size, head.size) if size else []
        wanted = nodes_of([*ranges, whole(size), *growth])
        known = dict(zip(whole(head.size).nodes(), head.edge.hashes, strict=True))
        nodes = {**await self._read(ledger_id, head, wanted - set(known)), **known}
        if size:
            with _found_as_damage():
                older = whole(size).hash(nodes)
                verify_consistency(size, head.size, older, root(head.edge), hashes_of(growth, nodes))
        return nodes

    async def _read(self, ledger_id: str, head: Head, nodes: set[Node]) -> Mapping[Node, bytes]:
        widths: dict[Tile, int] = {}
        for node in nodes:
            tile = tile_of(node)
            widths[tile] = max(widths.get(tile, 0), width_for(node))
        rows = await self._rows(ledger_id, head, widths)
        return {node: node_in(rows[tile_of(node)], node) for node in nodes}

    async def _rows(self, ledger_id: str, head: Head, widths: Mapping[Tile, int]) -> Mapping[Tile, bytes]:
        """Return tiles of at least the *widths* asked for; the last one of level 0 is made out of the records."""
        newest = Tile(0, head.size // WIDTH)
        rows = dict(await self._stored(ledger_id, {tile: widths[tile] for tile in widths if tile != newest}))
        if newest in widths:
            rows[newest] = await self.ledger.leaf_hashes(ledger_id, newest.n * WIDTH, head.size - 1)
        return rows

    async def _stored(self, ledger_id: str, widths: Mapping[Tile, int]) -> Mapping[Tile, bytes]:
        if not widths:
            return {}
        tiles = await self.ledger.tiles(ledger_id, widths)
        if not _suffice(tiles, widths):
            await TileLedger(ledger=self.ledger).one(ledger_id)
            tiles = await self.ledger.tiles(ledger_id, widths)
        if not _suffice(tiles, widths):
            raise LedgerDamaged("a stored tile is missing")
        return tiles


def _suffice(tiles: Mapping[Tile, bytes], widths: Mapping[Tile, int]) -> bool:
    return all(len(tiles.get(tile, b"")) >= width * HASH_BYTES for tile, width in widths.items())


def _require_range(name: str, least: int, value: int, most: int) -> None:
    if not least <= value <= most:
        fault = Fault("", f"parameter `{name}`: {least} to {most}")
        raise InvalidRequest("a parameter has a wrong value", [fault])


@contextmanager
def _found_as_damage() -> Iterator[None]:
    try:
        yield
    except ProofError as error:
        raise LedgerDamaged(f"the stored tiles do not lead to the ledger's head: {error}") from error
