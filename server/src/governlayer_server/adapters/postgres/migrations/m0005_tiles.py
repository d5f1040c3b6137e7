"""The tiles of the ledgers' trees: rows that only grow, written beside the appends."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from governlayer_server.adapters.postgres.statements import migration_of

ID = "2026-11-26T03:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "tiles of the ledgers' trees"
DOWNGRADE = (
    "Versions without it append without writing tiles, and a later version makes them up; until then proofs "
    "take longer."
)
TENANT_TABLES = {"ledger_tile": "ledger_id = tenant()"}

STATEMENTS = (
    """
    CREATE TABLE ledger_tile (
        ledger_id      text NOT NULL REFERENCES ledger (id),
        level          integer NOT NULL CHECK (level BETWEEN 0 AND 63),
        n              bigint NOT NULL CHECK (n >= 0),
        hashes         bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
        CHECK (level > 0 OR length(hashes) = 8192),
        PRIMARY KEY (ledger_id, level, n)
    )
    """,
    # Hashes do not get smaller by trying.
    "ALTER TABLE ledger_tile ALTER COLUMN hashes SET STORAGE EXTERNAL",
    """
    CREATE FUNCTION refuse_other_hashes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.ledger_id, NEW.level, NEW.n) IS DISTINCT FROM (OLD.ledger_id, OLD.level, OLD.n)
            OR length(NEW.hashes) <= length(OLD.hashes)
            OR substring(NEW.hashes FOR length(OLD.hashes)) <> OLD.hashes
        THEN
            RAISE EXCEPTION 'a tile only grows' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER ledger_tile_only_grows BEFORE UPDATE ON ledger_tile
        FOR EACH ROW EXECUTE FUNCTION refuse_other_hashes()
    """,
    """
    CREATE TRIGGER ledger_tile_is_not_removed BEFORE DELETE OR TRUNCATE ON ledger_tile
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    "ALTER TABLE ledger_tile ENABLE ROW LEVEL SECURITY",
    """
    CREATE POLICY ledger_tile_of_tenant ON ledger_tile
        USING (ledger_id = tenant()) WITH CHECK (ledger_id = tenant())
    """,
    "GRANT SELECT, INSERT, UPDATE (hashes) ON ledger_tile TO governlayer_app",
    # Asked for all ledgers at once; answers with ids alone.
    """
    CREATE FUNCTION ledgers_to_tile() RETURNS SETOF text
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$
            SELECT id FROM public.ledger
            WHERE size >= 256 AND size / 256 > coalesce(
                (SELECT max(n) + 1 FROM public.ledger_tile WHERE ledger_id = ledger.id AND level = 0), 0)
            ORDER BY id
        $$
    """,
    "REVOKE ALL ON FUNCTION ledgers_to_tile FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION ledgers_to_tile TO governlayer_app",
)


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    return migration_of(ID, DESCRIPTION, STATEMENTS)
