"""What still needs an old pepper, on PostgreSQL: ``ports.pepper_uses.PepperUses``."""

from collections.abc import Mapping

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.ports.pepper_uses import OldPepper

_COUNT = "SELECT what, uses FROM pepper_uses($1, $2, $3, $4) WHERE uses > 0"
_CLEAR = (
    "DELETE FROM one_time_token WHERE is_marked(fingerprint, $1) AND (used_us IS NOT NULL OR expires_us <= $2)",
    "DELETE FROM idempotent_answer WHERE is_marked(key, $1) AND expires_us <= $2 AND length(sealed) > 0",
)
_REVOKE = (
    "DELETE FROM one_time_token WHERE is_marked(fingerprint, $1) AND created_us <= $2",
    "DELETE FROM idempotent_answer WHERE is_marked(key, $1) AND $2 > 0::bigint AND length(sealed) > 0",
    "DELETE FROM familiar_address WHERE is_marked(address, $1) AND seen_us <= $2",
)
_END = "UPDATE session SET ended_us = $1, seal = '' WHERE ended_us IS NULL AND seen_us < $2"


class PostgresPepperUses:
    """``ports.pepper_uses.PepperUses``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, old: OldPepper, now_us: int) -> Mapping[str, int]:
        """Return how many in all tenants still need it, by what they are."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_COUNT, old.mark, now_us, old.refreshed_us, old.idle_us)
        return {row["what"]: row["uses"] for row in rows}

    async def clear(self, owner: str, old: OldPepper, now_us: int) -> None:
        """Remove what is of no use to anybody."""
        async with self._database.transaction(owner) as connection:
            for statement in _CLEAR:
                await connection.execute(statement, old.mark, now_us)

    async def revoke(self, owner: str, old: OldPepper, now_us: int) -> None:
        """Remove one-time links, kept answers and familiar addresses that need it, and end such sessions."""
        async with self._database.transaction(owner) as connection:
            for statement in _REVOKE:
                await connection.execute(statement, old.mark, now_us)
            await connection.execute(_END, now_us, old.refreshed_us)
