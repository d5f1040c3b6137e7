"""The ciphertexts of tenants on PostgreSQL: ``ports.sealed_rows.SealedTable``."""

from collections.abc import Sequence

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.ports.sealed_rows import SealedRow

_PAYLOADS = """
SELECT lpad(p.seq::text, 19, '0') || '/' || p.name AS position, r.record_id || '/' || p.name AS row, p.sealed
FROM ledger_payload p JOIN ledger_record r USING (ledger_id, seq)
WHERE p.ledger_id = $1 AND data_key_number(p.sealed) < $2
AND (p.seq, p.name) > (coalesce(nullif(split_part($3, '/', 1), '')::bigint, -1), split_part($3, '/', 2))
ORDER BY p.seq, p.name LIMIT $4
"""
_REPLACE_PAYLOADS = """
UPDATE ledger_payload p SET sealed = given.after
FROM unnest($2::text[], $3::bytea[], $4::bytea[]) AS given (position, before, after)
WHERE p.ledger_id = $1 AND p.seq = split_part(given.position, '/', 1)::bigint
AND p.name = split_part(given.position, '/', 2) AND p.sealed = given.before
"""
_ANSWERS = """
SELECT encode(key, 'hex') AS position, concat_ws('/', record_id, encode(key, 'hex'), encode(body, 'hex')) AS row, sealed
FROM idempotent_answer
WHERE ledger_id = $1 AND data_key_number(sealed) < $2 AND key > decode($3, 'hex') ORDER BY key LIMIT $4
"""
_REPLACE_ANSWERS = """
UPDATE idempotent_answer a SET sealed = given.after
FROM unnest($2::text[], $3::bytea[], $4::bytea[]) AS given (position, before, after)
WHERE a.ledger_id = $1 AND a.key = decode(given.position, 'hex') AND a.sealed = given.before
"""
# Why a hold was made and why it was released; what named a data subject that was erased since opens no more, for ever.
_HOLDS = """
SELECT position, position AS row, sealed FROM (
    SELECT id || '/created' AS position, sealed, subject_id FROM legal_hold WHERE ledger_id = $1
    UNION ALL
    SELECT id || '/released', release_sealed, subject_id FROM legal_hold WHERE ledger_id = $1) AS held
WHERE data_key_number(sealed) < $2 AND position > $3
AND (subject_id IS NULL OR EXISTS (SELECT FROM subject_key k WHERE k.id = subject_id)) ORDER BY position LIMIT $4
"""
_REPLACE_HOLDS = """
WITH given AS (SELECT * FROM unnest($2::text[], $3::bytea[], $4::bytea[]) AS given (position, before, after))
UPDATE legal_hold h SET
    sealed = coalesce(made.after, h.sealed), release_sealed = coalesce(ended.after, h.release_sealed)
FROM legal_hold k
LEFT JOIN given made ON made.position = k.id || '/created' AND made.before = k.sealed
LEFT JOIN given ended ON ended.position = k.id || '/released' AND ended.before = k.release_sealed
WHERE h.ledger_id = $1 AND h.id = k.id AND coalesce(made.after, ended.after) IS NOT NULL
"""
_STATEMENTS = {
    "ledger_payload": (_PAYLOADS, _REPLACE_PAYLOADS),
    "idempotent_answer": (_ANSWERS, _REPLACE_ANSWERS),
    "legal_hold": (_HOLDS, _REPLACE_HOLDS),
}
LONG_S = 120.0
LONG = f"SET LOCAL statement_timeout = '{LONG_S:.0f}s'"
"""Where nobody waits, and a whole table may be looked through."""
TABLES = tuple(_STATEMENTS)
"""The tables with a column ``sealed`` of a tenant's ciphertexts; users have theirs apart."""


class PostgresSealedTable:
    """``ports.sealed_rows.SealedTable`` of one of ``TABLES``."""

    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._page, self._replace = _STATEMENTS[table]
        self.table = table

    async def page(self, owner: str, below: int, after: str, limit: int) -> Sequence[SealedRow]:
        """Return up to *limit* rows under data keys with a number less than *below*, from behind *after* on."""
        async with self._database.transaction(owner) as connection:
            await connection.execute(LONG)
            rows = await connection.fetch(self._page, owner, below, after, limit, timeout=LONG_S)
        return [SealedRow(position=row["position"], row=row["row"], sealed=row["sealed"]) for row in rows]

    async def replace(self, owner: str, rows: Sequence[tuple[SealedRow, bytes]]) -> None:
        """Store the ciphertext beside each row in its place, where it is still the same."""
        positions = [row.position for row, _ in rows]
        before, after = [row.sealed for row, _ in rows], [sealed for _, sealed in rows]
        async with self._database.transaction(owner) as connection:
            await connection.execute(self._replace, owner, positions, before, after)
