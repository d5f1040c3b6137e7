"""What PostgreSQL says of its version, settings, tables and connections: for who helps, without a row of anybody's."""

from collections.abc import Mapping
from typing import Any

from governlayer_server.adapters.postgres.database import Database

_SETTINGS = [
    "archive_mode", "autovacuum", "checkpoint_timeout", "data_checksums", "deadlock_timeout", "effective_cache_size",
    "fsync", "full_page_writes", "hot_standby", "maintenance_work_mem", "max_connections", "max_wal_size",
    "password_encryption", "server_encoding", "server_version", "shared_buffers", "ssl", "ssl_min_protocol_version",
    "statement_timeout", "superuser_reserved_connections", "synchronous_commit", "timezone",
    "transaction_read_only", "wal_level", "wal_recycle", "wal_sync_method", "work_mem",
]  # fmt: skip
_QUERIES = {
    "settings": "SELECT name, setting, unit FROM pg_settings WHERE name = ANY ($1::text[]) ORDER BY name",
    "tables": """
        SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes, reltuples::bigint AS rows_estimated,
            n_dead_tup AS dead_rows, last_autovacuum::text, last_autoanalyze::text
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
        WHERE relkind = 'r' AND nspname = 'public' ORDER BY 1""",
    "connections": """
        SELECT datname IS NOT DISTINCT FROM current_database() AS ours, sum(numbackends)::int AS open
        FROM pg_stat_database GROUP BY 1 ORDER BY 1""",
    "database": """
        SELECT pg_database_size(current_database()) AS bytes, pg_is_in_recovery() AS in_recovery, deadlocks, conflicts,
            temp_bytes, xact_commit, xact_rollback, blks_hit, blks_read, checksum_failures, stats_reset::text,
            current_setting('synchronous_standby_names') <> '' AS has_synchronous_standbys,
            (SELECT count(*) FROM pg_replication_slots) AS replication_slots,
            (SELECT count(*) FROM pg_replication_slots WHERE NOT active) AS inactive_slots
        FROM pg_stat_database WHERE datname = current_database()""",
    "migrations": "SELECT name, ran_on::text FROM migration ORDER BY name",
}


async def server_facts(database: Database) -> Mapping[str, Any]:
    """
    Return the facts by kind, each a list of rows.

    Raises:
        LedgerUnavailable: the database is away, or does not tell.
    """
    found = {}
    async with database.connection() as connection:
        for kind, query in _QUERIES.items():
            rows = await connection.fetch(query, *([_SETTINGS] if kind == "settings" else []))
            found[kind] = [dict(row) for row in rows]
    return found
