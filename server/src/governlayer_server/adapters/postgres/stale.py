"""Removes what is stale of a tenant, inside its transaction; two replicas at once never wait for each other."""

from typing import TYPE_CHECKING
from uuid import UUID

from governlayer_server.domain.stale import Stale

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

# Chosen once and for all: as a subquery that locks, it may be run again for each row, and the limit would not hold.
_SESSIONS = """
WITH chosen AS MATERIALIZED (
    SELECT ctid FROM session WHERE organization_id = $1 AND (ended_us < $2 OR created_us < $3) LIMIT $4
    FOR UPDATE SKIP LOCKED
)
DELETE FROM session USING chosen WHERE session.ctid = chosen.ctid
"""
_TOKENS = """
WITH chosen AS MATERIALIZED (
    SELECT ctid FROM one_time_token WHERE tenant = $1 AND expires_us < $2 LIMIT $3
    FOR UPDATE SKIP LOCKED
)
DELETE FROM one_time_token USING chosen WHERE one_time_token.ctid = chosen.ctid
"""
_ANSWERS = """
WITH chosen AS MATERIALIZED (
    SELECT ctid FROM idempotent_answer WHERE ledger_id = $1 AND expires_us < $2 LIMIT $3
    FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotent_answer USING chosen WHERE idempotent_answer.ctid = chosen.ctid
"""
_ADDRESSES = """
WITH chosen AS MATERIALIZED (
    SELECT ctid FROM familiar_address WHERE organization_id = $1 AND seen_us < $2 LIMIT $3
    FOR UPDATE SKIP LOCKED
)
DELETE FROM familiar_address USING chosen WHERE familiar_address.ctid = chosen.ctid
"""
_USAGE = """
WITH chosen AS MATERIALIZED (
    SELECT ctid FROM usage_count WHERE organization_id = $1 AND day < $2 LIMIT $3
    FOR UPDATE SKIP LOCKED
)
DELETE FROM usage_count USING chosen WHERE usage_count.ctid = chosen.ctid
"""


async def remove_stale(
    connection: "PoolConnectionProxy", organization_id: UUID | None, tenant: str, stale: Stale, limit: int
) -> int:
    """Remove up to *limit* stale rows of each kind; return how many went of the kind that lost most."""
    tags = [
        await connection.execute(_SESSIONS, organization_id, stale.ended_us, stale.began_us, limit),
        await connection.execute(_TOKENS, tenant, stale.expired_us, limit),
        await connection.execute(_ANSWERS, tenant, stale.answers_us, limit),
        await connection.execute(_ADDRESSES, organization_id, stale.seen_us, limit),
        await connection.execute(_USAGE, organization_id, stale.day, limit),
    ]
    return max(int(tag.rpartition(" ")[2]) for tag in tags)
