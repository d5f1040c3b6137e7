"""Read the ledger as tiles, which any reader of c2sp.org/tlog-tiles can follow (ledger-v1 §4)."""

from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.errors import LedgerDamaged
from governlayer_server.domain.ledger.tiles import WIDTH, Tile, TilePath, bundle
from governlayer_server.domain.ledger.tree import leaf_hash
from governlayer_server.usecases.prove_ledger import ProveLedger


class ReadTiles(Struct, frozen=True, kw_only=True):
    """Reads tiles and entry bundles. Each leads to the ledger's head, or does not leave."""

    prove: ProveLedger

    async def __call__(self, organization_id: UUID, path: TilePath) -> bytes:
        """
        Return the hashes or the entries that *path* names.

        Raises:
            NotFound: the ledger has no records for them.
            LedgerDamaged: what is stored does not lead to the ledger's head. Nothing of it is told.
            LedgerUnavailable: the database is away.
        """
        ledger_id = str(organization_id)
        hashes = await self.prove.tile(ledger_id, Tile(path.level or 0, path.n), path.width)
        return hashes if path.level is not None else await self._entries(ledger_id, path, hashes)

    async def _entries(self, ledger_id: str, path: TilePath, hashes: bytes) -> bytes:
        first = path.n * WIDTH
        records = self.prove.ledger.stream(ledger_id, first, first + path.width - 1, ())
        entries = [stored.record.canonical async for stored in records]
        if b"".join(map(leaf_hash, entries)) != hashes:
            raise LedgerDamaged("the stored records are not those of the ledger's tree")
        return bundle(entries)
