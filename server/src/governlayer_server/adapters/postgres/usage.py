"""Requests per principal and day of a tenant, inside its transaction."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from governlayer_server.adapters.postgres.rows import struct_of
from governlayer_server.adapters.postgres.tables import UsageRow
from governlayer_server.domain.account import UsageCount

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

_ADD = """
INSERT INTO usage_count (organization_id, principal_id, day, outcome, requests, last_us)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (organization_id, principal_id, day, outcome) DO UPDATE
SET requests = usage_count.requests + excluded.requests, last_us = greatest(usage_count.last_us, excluded.last_us)
"""
_LAST_ADMITTED = """
SELECT principal_id, max(last_us) AS last_us FROM usage_count
WHERE organization_id = $1 AND principal_id = ANY ($2::text[]) AND outcome = 'admitted' GROUP BY principal_id
"""


class PostgresUsage:
    """``ports.accounts.Usage``."""

    def __init__(self, connection: "PoolConnectionProxy", organization_id: UUID | None) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def add(self, counts: Sequence[UsageCount]) -> None:
        """Add to what is stored, in a fixed order: writers at the same time wait, and never for each other."""
        ordered = sorted(counts, key=lambda one: (one.principal_id, one.day, one.outcome))
        rows = [
            (self._organization_id, one.principal_id, one.day, one.outcome, one.requests, one.last_us)
            for one in ordered
        ]
        await self._connection.executemany(_ADD, rows)

    async def since(self, day: int, principal_id: str | None = None) -> Sequence[UsageCount]:
        """Return the counts from *day* on."""
        query = UsageRow.select().where((UsageRow.organization_id == self._organization_id) & (UsageRow.day >= day))
        if principal_id is not None:
            query = query.where(UsageRow.principal_id == principal_id)
        rows = await query.order_by(UsageRow.day, UsageRow.principal_id, UsageRow.outcome)
        return [struct_of(row, UsageCount) for row in rows]

    async def last_admitted(self, principal_ids: Sequence[str]) -> Mapping[str, int]:
        """Return when a request of each of these principals was last admitted."""
        rows = await self._connection.fetch(_LAST_ADMITTED, self._organization_id, list(principal_ids))
        return {row["principal_id"]: row["last_us"] for row in rows}
