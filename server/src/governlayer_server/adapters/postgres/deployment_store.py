"""The deployment row, and the texts of policy sets."""

from msgspec import Struct

from governlayer_server.adapters.postgres.database import Database, failures_named
from governlayer_server.adapters.postgres.tables import Deployment, PolicySetRow
from governlayer_server.domain.errors import NotFound


class PostgresPolicyStore:
    """``ports.PolicyStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def version_of(self, text_hash: str, text: str, now_us: int) -> tuple[int, bool]:
        """Return the version number of this text, and whether it was new."""
        insert = (
            "INSERT INTO policy_set (hash, text, created_us) VALUES ($1, $2, $3) "
            "ON CONFLICT (hash) DO NOTHING RETURNING version"
        )
        known = await self._known(text_hash)
        if known is not None:
            return known, False
        async with self._database.connection() as connection:
            fresh = await connection.fetchval(insert, text_hash, text, now_us)
        if fresh is not None:
            return int(fresh), True
        known = await self._known(text_hash)
        if known is None:
            raise NotFound("there is no such policy set")
        return known, False

    async def _known(self, text_hash: str) -> int | None:
        with failures_named():
            row = await PolicySetRow.select(PolicySetRow.version).where(PolicySetRow.hash == text_hash).first()
        return None if row is None else int(row["version"])


class DeploymentRow(Struct, frozen=True, kw_only=True):
    """This installation as stored."""

    install_id: str
    name: str
    wrapped_seed: bytes
    public_key: bytes
    created_us: int


class PostgresDeploymentStore:
    """The deployment row."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> DeploymentRow | None:
        """Return the deployment row, if the deployment has been founded."""
        with failures_named():
            row = await Deployment.select().first()
        return None if row is None else DeploymentRow(**{name: row[name] for name in DeploymentRow.__struct_fields__})

    async def rewrap(self, before: bytes, after: bytes) -> None:
        """Store the wrapped seed *after* in place of *before*, if it is that still."""
        async with self._database.connection() as connection:
            await connection.execute("UPDATE deployment SET wrapped_seed = $2 WHERE wrapped_seed = $1", before, after)

    async def found(self, row: DeploymentRow) -> DeploymentRow:
        """Store *row* unless the deployment has been founded; return the row in force."""
        async with self._database.connection() as connection:
            await connection.execute(
                "INSERT INTO deployment (install_id, name, wrapped_seed, public_key, created_us) "
                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (singleton) DO NOTHING",
                row.install_id, row.name, row.wrapped_seed, row.public_key, row.created_us,
            )  # fmt: skip
        stored = await self.read()
        if stored is None:
            raise NotFound("the deployment row is gone")
        return stored
