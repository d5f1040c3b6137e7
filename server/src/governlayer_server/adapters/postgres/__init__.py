"""PostgreSQL: Piccolo for schema, migrations and ordinary reads and writes; asyncpg for the ledger."""
