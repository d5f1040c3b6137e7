"""The data inventory as a page (docs/reference/data-inventory.md)."""

from collections.abc import Iterator

from governlayer_server.domain.inventory import KINDS, Entry, Inventory, Place

_HEAD = """# Data inventory

What the appliance keeps of whom, why, for how long, and how it is protected. Made of the file that ships with it
(`inventory.toml`), by `./run docs` or `governlayer paperwork inventory`; tests compare that file with the migrated
schema, the fields of the log, the keys of Redis and the data directory.

Legal bases are proposals: the controller decides. Names with `*` are patterns.
"""
_COLUMNS = ("name", "what", "personal data of", "protection")


def table_row(*cells: str) -> str:
    """Return one row of a Markdown table; a bar in a cell is escaped."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def table_head(*columns: str) -> str:
    """Return the head of a Markdown table."""
    return f"{table_row(*columns)}\n{table_row(*['---'] * len(columns))}"


def inventory_page(inventory: Inventory) -> str:
    """Return the page as Markdown."""
    return "\n".join([_HEAD, *_words(inventory), *_places(inventory)]) + "\n"


def _words(inventory: Inventory) -> Iterator[str]:
    yield table_head("personal data of", "means")
    yield from (table_row(name, text) for name, text in inventory.people.items())
    yield "\n" + table_head("protection", "means")
    yield from (table_row(name, text) for name, text in inventory.stored.items())


def _places(inventory: Inventory) -> Iterator[str]:
    entries = list(inventory.entries())
    for kind, title in KINDS.items():
        yield f"\n## {title}"
        for of_kind, name, place in inventory.places():
            if of_kind == kind:
                yield from _place(
                    inventory, name, place, [one for one in entries if (one.kind, one.place) == (kind, name)]
                )


def _place(inventory: Inventory, name: str, place: Place, entries: list[Entry]) -> Iterator[str]:
    yield f"\n### {name}\n"
    bases = dict.fromkeys(one.basis for one in entries if one.basis)
    yield f"- Purpose: {place.purpose}"
    yield f"- Basis: {'; '.join(bases) or inventory.basis['none']}"
    yield f"- Kept: {place.kept}"
    yield f"- Erased by: {place.erased_by}\n"
    yield table_head(*_COLUMNS)
    for item_name, item in place.items.items():
        yield table_row(f"`{item_name}`", item.what, item.of or "", item.stored)
