"""The data sets of earlier versions, in a schema as it was after any of the migrations."""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
from governlayer_server.adapters.postgres.database import connect
from governlayer_server.adapters.postgres.migrate import apply_migrations, known_migrations

from tests.fakes.servers import Servers, address

PLACE = Path(__file__).parent
ALL = known_migrations()
LEVELS = ALL[:-1]
"""The migration that was the newest one, for every schema that there was before this version's."""
SEALED = "2026-11-25T23:00:00:000000"
"""From this migration on users and keys are sealed; it refuses a database with older ones."""
FAR_US = 2**52
Row = dict[str, Any]


@dataclass(frozen=True)
class DataSet:
    """Rows that a version of the past has written, and what opens them."""

    migrations: list[str]
    organization: str
    key: str
    decisions: list[str]
    rows: dict[str, list[Row]]


@cache
def data_sets() -> list[DataSet]:
    """Return all data sets, the oldest first."""
    found = [DataSet(**json.loads(gzip.decompress(path.read_bytes()))) for path in PLACE.glob("*.json.gz")]
    return sorted(found, key=lambda one: one.migrations[-1])


def of_level(level: str) -> DataSet:
    """Return the oldest data set that is not older than *level*, or the newest that there is."""
    return next((one for one in data_sets() if one.migrations[-1] >= level), data_sets()[-1])


async def fill(servers: Servers, level: str) -> DataSet:
    """Make the schema of *level* in an empty database, with rows in every table that the data set has any of."""
    owner = await connect(address(servers.owner), patient=True)
    await apply_migrations(owner, up_to=level)
    await owner.close()
    chosen = of_level(level)
    tables = await asyncpg.connect(**{**servers.admin.options(), "database": servers.owner.database})
    async with tables.transaction():
        await tables.execute("SET LOCAL session_replication_role = replica")  # rows come in any order
        for table, columns in (await _columns(tables)).items():
            await tables.execute(f"DELETE FROM {table}")  # what a migration put there, the data set has too
            rows = [_as_of(level, table, row) for row in chosen.rows.get(table, [])]
            await _insert(tables, table, columns, [row for row in rows if row is not None])
    await tables.close()
    return chosen


async def _columns(tables: "asyncpg.Connection[Any]") -> dict[str, list[str]]:
    found = await tables.fetch(
        "SELECT table_name AS name, array_agg(column_name::text) AS columns FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name <> 'migration' GROUP BY 1"
    )
    return {row["name"]: row["columns"] for row in found}


async def _insert(tables: "asyncpg.Connection[Any]", table: str, columns: list[str], rows: list[Row]) -> None:
    if rows:
        both = ", ".join(name for name in columns if name in rows[0])
        await tables.execute(
            f"INSERT INTO {table} ({both}) OVERRIDING SYSTEM VALUE "
            f"SELECT {both} FROM jsonb_populate_recordset(NULL::{table}, $1::jsonb)",
            json.dumps(rows),
        )


def _as_of(level: str, table: str, row: Row) -> Row | None:
    """Return *row* as the version of *level* would have written it."""
    if level < SEALED and table in {"app_user", "api_key"}:
        return None
    if level < SEALED and table == "data_key":
        return {**row, "owner": row["owner"].replace("system", "deployment")}
    if table == "idempotent_answer":
        proof = bytes.fromhex(row["proof"][2:])
        edge = b"".join(proof[start : start + 32] for start in reversed(range(0, len(proof), 32)))
        before = {"size_before": row["size"] - 1, "edge_before": "\\x" + edge.hex()}
        return {**row, **before, "expires_us": FAR_US}
    return row
