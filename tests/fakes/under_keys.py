"""How much of the database begins with given bytes: all columns of bytes there are, as the catalog lists them."""

from collections.abc import Mapping, Sequence

import asyncpg
from governlayer_server.domain.inventory import Inventory

_COLUMNS = """
SELECT table_name, column_name, data_type = 'ARRAY' AS many FROM information_schema.columns
WHERE table_schema = 'public' AND (data_type = 'bytea' OR udt_name = '_bytea') ORDER BY 1, 2
"""


async def byte_columns(connection: "asyncpg.Connection[asyncpg.Record]") -> Sequence[tuple[str, str, bool]]:
    """Return table, column, and whether it holds lists, of every column of bytes."""
    return [(row["table_name"], row["column_name"], row["many"]) for row in await connection.fetch(_COLUMNS)]


async def values_of(
    connection: "asyncpg.Connection[asyncpg.Record]", inventory: Inventory
) -> Mapping[tuple[str, str], tuple[str, Sequence[bytes]]]:
    """Return for each column of bytes how the inventory says that it is stored, and all that is in it."""
    found = {}
    for table, column, many in await byte_columns(connection):
        shown = f"unnest({column})" if many else column
        rows = await connection.fetch(f"SELECT {shown} FROM {table} WHERE {column} IS NOT NULL")
        found[table, column] = inventory.table[table].items[column].stored, [row[0] for row in rows]
    return found
