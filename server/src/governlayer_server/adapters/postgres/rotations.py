"""Which rotations have begun, on PostgreSQL: ``ports.rotations.RotationStore``."""

from collections.abc import Sequence

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.ports.rotations import Rotation, RotationKind

_ALL = "SELECT kind, owner, position, begun_us FROM rotation ORDER BY begun_us, kind, owner"
_BEGIN = "INSERT INTO rotation (kind, owner, position, begun_us) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"


class PostgresRotations:
    """``ports.rotations.RotationStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Sequence[Rotation]:
        """Return all, the oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_ALL)
        return [
            Rotation(
                kind=RotationKind(row["kind"]), owner=row["owner"], position=row["position"], begun_us=row["begun_us"]
            )
            for row in rows
        ]

    async def begin(self, rotation: Rotation) -> None:
        """Store *rotation* unless it has begun."""
        async with self._database.connection() as connection:
            await connection.execute(_BEGIN, rotation.kind.value, rotation.owner, rotation.position, rotation.begun_us)

    async def place(self, kind: RotationKind, owner: str, position: str) -> None:
        """Store how far it has come."""
        async with self._database.connection() as connection:
            await connection.execute(
                "UPDATE rotation SET position = $3 WHERE kind = $1 AND owner = $2", kind.value, owner, position
            )

    async def end(self, kind: RotationKind, owner: str) -> None:
        """Remove it: it is done."""
        async with self._database.connection() as connection:
            await connection.execute("DELETE FROM rotation WHERE kind = $1 AND owner = $2", kind.value, owner)
