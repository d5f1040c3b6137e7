"""The data inventory lists all that is stored, and nothing else."""

from typing import Any, TypeAlias, get_args
from uuid import UUID

import asyncpg
import msgspec
import pytest
from governlayer_server.adapters.logs.access import FIELDS
from governlayer_server.domain.backup import (
    ENVELOPE,
    MANIFEST,
    TOMBSTONES,
    VERIFIED,
    Part,
    file_name,
    is_tombstone,
    keys_name,
    new_backup_id,
)
from governlayer_server.domain.inventory import Inventory, shipped_inventory
from governlayer_server.domain.inventory_page import inventory_page
from governlayer_server.domain.record_type import RecordType
from governlayer_server.inventory import TEXT
from msgspec.structs import replace

from tests.fakes.inventory import COLUMNS, FILE, faults_of_schema, unlisted

Connection: TypeAlias = "asyncpg.Connection[Any]"


@pytest.fixture
def inventory() -> Inventory:
    return shipped_inventory()


async def columns(connection: Connection) -> list[tuple[str, str]]:
    return [tuple(row) for row in await connection.fetch(COLUMNS)]


async def test_every_column_of_the_database_is_in_the_inventory(
    inventory: Inventory, owner_connection: Connection
) -> None:
    found = await columns(owner_connection)
    assert ("ledger_payload", "sealed") in found
    assert faults_of_schema(inventory, found) == []


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("ALTER TABLE ledger_tile ADD COLUMN planted text", "ledger_tile.planted"),
        ("CREATE TABLE planted (of_a_person text)", "planted.of_a_person"),
        ("CREATE VIEW planted AS SELECT email_sealed FROM app_user", "planted.email_sealed"),
    ],
)
async def test_a_column_that_is_not_in_it_is_found(
    inventory: Inventory, owner_connection: Connection, change: str, column: str
) -> None:
    transaction = owner_connection.transaction()
    await transaction.start()
    try:
        await owner_connection.execute(change)
        (fault,) = faults_of_schema(inventory, await columns(owner_connection))
    finally:
        await transaction.rollback()
    table, _, name = column.partition(".")
    assert column in fault
    assert f"[table.{table}.items]" in fault
    assert f"{name} = {{ what" in fault
    assert FILE in fault


async def test_an_entry_without_a_column_is_found(inventory: Inventory, owner_connection: Connection) -> None:
    found = await columns(owner_connection)
    place = inventory.table["session"]
    more = replace(place, items={**place.items, "gone": place.items["id"]})
    changed = replace(inventory, table={**inventory.table, "session": more, "no_table": place})
    faults = faults_of_schema(changed, found)
    assert len(faults) == 1 + len(place.items)
    assert all("remove it" in fault for fault in faults)
    assert "session.gone" in faults[0]


def test_every_field_of_the_log_is_in_the_inventory(inventory: Inventory) -> None:
    assert {name for place in inventory.log.values() for name in place.items} == FIELDS


def test_what_fits_no_pattern_is_found(inventory: Inventory) -> None:
    assert unlisted(inventory.redis, ["{0198c5c0}:quota:org", "quota:epoch", "{sign-in}:sign-in/x/y"], "redis") == []
    assert unlisted(inventory.file, ["postgres/base/1/2", "secrets/pepper", "lock"], "file") == []
    (fault,) = unlisted(inventory.redis, ["planted"], "redis")
    assert "[redis.…]" in fault
    assert len(unlisted(inventory.file, ["planted", "lock2", "logs"], "file")) == 3


def test_every_file_of_a_backup_is_in_the_inventory(inventory: Inventory) -> None:
    backup, part = new_backup_id(0, bytes(4)), Part(number=1, table="x", rows=0, size=0, sha256="")
    tombstone = f"{TOMBSTONES}{UUID(int=1)}.json"
    assert is_tombstone(tombstone.removeprefix(TOMBSTONES))
    names = [file_name(backup, name) for name in (ENVELOPE, MANIFEST, VERIFIED, part.name, part.journal)]
    assert unlisted(inventory.backup, [*names, keys_name(backup), tombstone], "backup") == []
    assert len(unlisted(inventory.backup, [file_name(backup, "planted"), "planted"], "backup")) == 2


def test_what_is_said_of_an_entry_is_in_its_words(inventory: Inventory) -> None:
    """A word that is not explained cannot be decoded, or is found here."""
    for kind, name, place in inventory.places():
        assert place.basis in inventory.basis, (kind, name)
        assert place.items, (kind, name)
        for item in place.items.values():
            assert item.stored in inventory.stored, (name, item)
            assert item.of is None or item.of in inventory.people, (name, item)
    with pytest.raises(msgspec.ValidationError):
        msgspec.toml.decode(TEXT.replace('stored = "plain"', 'stroed = "plain"', 1), type=Inventory)


def test_personal_data_has_a_legal_basis_and_other_data_needs_none(inventory: Inventory) -> None:
    entries = list(inventory.entries())
    assert {entry.basis for entry in entries if entry.people is None} == {None}
    without = [entry for entry in entries if entry.people and entry.basis in {None, inventory.basis["none"]}]
    assert without == []
    assert len([entry for entry in entries if entry.people]) >= 50


def test_all_texts_of_people_are_encrypted(inventory: Inventory) -> None:
    """What may stand in plain of a person is random ids, times and numbers; the columns that hold more are these."""
    stored = {
        (table, name): item.stored for table, place in inventory.table.items() for name, item in place.items.items()
    }
    for place in (("ledger_payload", "sealed"), ("idempotent_answer", "sealed")):
        assert stored[place] == "subject"
    for name in ("email_sealed", "totp_sealed", "totp_pending"):
        assert stored["app_user", name] == "encrypted"
    for place in (("app_user", "email_index"), ("familiar_address", "address"), ("subject_key", "subject_index")):
        assert stored[place] == "fingerprint"


def test_the_page_has_all_of_it(inventory: Inventory) -> None:
    page = inventory_page(inventory)
    for entry in inventory.entries():
        assert f"| `{entry.name}` | {entry.what} |" in page
    assert page.count("\n### ") == len(list(inventory.places()))


def test_every_type_of_record_that_is_written_is_in_it_and_no_other(inventory: Inventory) -> None:
    assert set(inventory.records) == set(get_args(RecordType))
