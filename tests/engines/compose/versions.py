"""Newer versions of the bundle: the image with one migration more, and perhaps with something that is broken."""

from tests.engines.compose.site import IMAGES, INSIDE, Site

_NAME = "localhost/governlayer/governlayer"
_FOLDER = "/opt/governlayer/lib/python3.11/site-packages/governlayer_server/adapters/postgres/migrations"
WORKING = ("CREATE INDEX one_more ON ledger (id)",)
FAILING = (*WORKING, "SELECT 1 / 0")


def make_version(site: Site, version: str, statements: tuple[str, ...], *lines: str) -> str:
    """
    Make the image and its bundle, in a directory that is named as *version*; return the id of the image.

    Args:
        site: on whose engine.
        version: of the image.
        statements: of the migration.
        lines: of the Dockerfile, after the others.
    """
    context = site.place / f"image-{version}"
    context.mkdir()
    migration = context / "m9999_one_more.py"
    migration.write_text(_MIGRATION.format(statements=statements), "utf-8")
    migration.chmod(0o644)
    steps = (f"FROM {_NAME}:0.1.0", f"COPY m9999_one_more.py {_FOLDER}/", *lines)
    (context / "Dockerfile").write_text("\n".join(steps) + "\n", "utf-8")
    named = f"{_NAME}:{version}"
    site.machine.run("env", "DOCKER_BUILDKIT=0", "docker", "build", "--tag", named, f"{INSIDE}/image-{version}")
    images = [line for line in IMAGES.splitlines() if not line.endswith("optional")]
    (site.place / "source" / "stand-ins.txt").write_text("\n".join(images).replace("0.1.0", version) + "\n", "utf-8")
    site.run("./bundle.sh", "--images", "stand-ins.txt", f"{INSIDE}/{version}", at="source")
    return site.machine.docker("image", "inspect", "--format={{.Id}}", named)


_MIGRATION = '''"""An index more."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from governlayer_server.adapters.postgres.statements import migration_of

ID = "2099-12-31T00:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "an index more"
DOWNGRADE = "Nothing."
STATEMENTS = {statements!r}


async def forwards() -> MigrationManager:
    return migration_of(ID, DESCRIPTION, STATEMENTS)
'''
