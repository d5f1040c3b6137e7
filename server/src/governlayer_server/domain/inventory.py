"""
The data inventory: for each stored field its purpose, legal basis, time limit and protection.

Read from the file that ships with the appliance (``governlayer_server.inventory``). Legal bases in it are proposals:
the controller decides.
"""

from collections.abc import Iterator, Mapping
from functools import cache

import msgspec
from msgspec import Struct

from governlayer_server.inventory import TEXT

KINDS = {
    "table": "Tables of the database",
    "redis": "Redis",
    "file": "Files of the data directory",
    "log": "The access log",
    "backup": "Backups, where they are kept",
}
"""The kinds of places, and what they are called."""


class Item(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One field.

    Attributes:
        what: it is.
        stored: how it is protected, a key of ``Inventory.stored``.
        of: whose personal data it is, a key of ``Inventory.people``; None: nobody's.
        basis: as in ``Place``, where it differs from that of the place; so also ``kept`` and ``erased_by``.
    """

    what: str
    stored: str
    of: str | None = None
    basis: str | None = None
    kept: str | None = None
    erased_by: str | None = None


class Place(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where fields are: a table, say.

    Attributes:
        purpose: what they are kept for.
        basis: a key of ``Inventory.basis``.
        kept: for how long.
        erased_by: what removes them.
        items: the fields, by name; in Redis and among files names are patterns.
    """

    purpose: str
    basis: str
    kept: str
    erased_by: str
    items: dict[str, Item]


class Entry(Struct, frozen=True, kw_only=True):
    """One field with all that is said of it, in words. ``people`` and ``basis`` null: no personal data."""

    kind: str
    place: str
    name: str
    what: str
    people: str | None
    purpose: str
    basis: str | None
    kept: str
    stored: str
    erased_by: str


class Inventory(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All places, and the words that they are described with; ``records`` says what each type of record tells."""

    people: dict[str, str]
    basis: dict[str, str]
    stored: dict[str, str]
    table: dict[str, Place]
    redis: dict[str, Place]
    file: dict[str, Place]
    log: dict[str, Place]
    backup: dict[str, Place]
    records: dict[str, str]

    def places(self) -> Iterator[tuple[str, str, Place]]:
        """Yield kind and name of each place, and the place."""
        for kind in KINDS:
            found: Mapping[str, Place] = getattr(self, kind)
            yield from ((kind, name, place) for name, place in found.items())

    def entries(self) -> Iterator[Entry]:
        """Yield all fields, in the order of the file."""
        for kind, where, place in self.places():
            for name, item in place.items.items():
                yield self._entry(kind, where, place, name, item)

    def _entry(self, kind: str, where: str, place: Place, name: str, item: Item) -> Entry:
        basis = item.basis or place.basis
        return Entry(
            kind=kind,
            place=where,
            name=name,
            what=item.what,
            people=None if item.of is None else self.people[item.of],
            purpose=place.purpose,
            basis=None if item.of is None else self.basis[basis],
            kept=item.kept or place.kept,
            stored=self.stored[item.stored],
            erased_by=item.erased_by or place.erased_by,
        )


@cache
def shipped_inventory() -> Inventory:
    """Return the inventory of this version."""
    return msgspec.toml.decode(TEXT, type=Inventory)
