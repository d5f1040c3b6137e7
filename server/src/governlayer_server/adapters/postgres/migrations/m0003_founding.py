"""What an organization gets that is founded by invitation."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from governlayer_server.adapters.postgres.statements import migration_of

ID = "2026-11-25T23:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "the plan of a founding invitation"
DOWNGRADE = (
    "Versions without it do not read the plan of a founding invitation: organizations that are invited get "
    "none."
)

STATEMENTS = ("ALTER TABLE one_time_token ADD COLUMN plan text",)


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    return migration_of(ID, DESCRIPTION, STATEMENTS)
