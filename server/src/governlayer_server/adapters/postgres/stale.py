"""Removes what is stale of a tenant, inside its transaction; two replicas at once never wait for each other."""

from typing import TYPE_CHECKING
from uuid import UUID

from governlayer_server.domain.stale import Stale

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

_SESSIONS = """
DELETE FROM session WHERE id IN (
    SELECT id FROM session WHERE organization_id = $1 AND (ended_us < $2 OR created_us < $3) LIMIT $4
    FOR UPDATE SKIP LOCKED)
"""
_TOKENS = """
DELETE FROM one_time_token WHERE fingerprint IN (
    SELECT fingerprint FROM one_time_token WHERE tenant = $1 AND expires_us < $2 LIMIT $3
    FOR UPDATE SKIP LOCKED)
"""
_ANSWERS = """
DELETE FROM idempotent_answer WHERE (ledger_id, key) IN (
    SELECT ledger_id, key FROM idempotent_answer WHERE ledger_id = $1 AND expires_us < $2 LIMIT $3
    FOR UPDATE SKIP LOCKED)
"""
_ADDRESSES = """
DELETE FROM familiar_address WHERE (user_id, address) IN (
    SELECT user_id, address FROM familiar_address WHERE organization_id = $1 AND seen_us < $2 LIMIT $3
    FOR UPDATE SKIP LOCKED)
"""
_USAGE = """
DELETE FROM usage_count WHERE (organization_id, principal_id, day, outcome) IN (
    SELECT organization_id, principal_id, day, outcome FROM usage_count
    WHERE organization_id = $1 AND day < $2 LIMIT $3
    FOR UPDATE SKIP LOCKED)
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
