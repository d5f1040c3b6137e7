"""What the data inventory does not list, and what it lists and is not there, said so that it can be mended."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from governlayer_server.domain.inventory import Inventory, Place

FILE = "server/src/governlayer_server/inventory/inventory.toml"
COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position
"""
_LINE = '{name} = {{ what = "…", stored = "…", of = "… if it is personal data" }}'


def faults_of_schema(inventory: Inventory, columns: Iterable[tuple[str, str]]) -> list[str]:
    """Return what is wrong with the inventory of a database that has *columns*, each with its table."""
    there = list(columns)
    listed = [(name, column) for name, place in inventory.table.items() for column in place.items]
    missing = [
        f"{table}.{column} is not in {FILE}: add to [table.{table}.items] the line " + _LINE.format(name=column)
        for table, column in there
        if (table, column) not in listed
    ]
    gone = [
        f"{table}.{column} is in {FILE} and not in the database: remove it"
        for table, column in listed
        if (table, column) not in there
    ]
    return missing + gone


def unlisted(places: Mapping[str, Place], names: Iterable[str], kind: str) -> list[str]:
    """Return what is wrong, if *names* are what there is of *kind*; the inventory has patterns of them."""
    patterns = [pattern for place in places.values() for pattern in place.items]
    return [
        f"{name} fits no pattern of [{kind}.…] in {FILE}: add one"
        for name in names
        if not any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
