"""What an organization gets that is founded by invitation."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.apps.migrations.tables import Migration

ID = "2026-11-25T23:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "the plan of a founding invitation"


async def _change() -> None:
    await Migration.raw("ALTER TABLE one_time_token ADD COLUMN plan text")


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    manager = MigrationManager(migration_id=ID, app_name="governlayer", description=DESCRIPTION)
    manager.add_raw(_change)
    return manager
