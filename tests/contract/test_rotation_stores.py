"""``ports.secrets.SecretStore``, ``ports.rotations.RotationStore`` and ``ports.wrapped_keys.WrappedKeys``."""

from collections.abc import AsyncIterator
from typing import NamedTuple
from uuid import uuid4

import asyncpg
import pytest
from governlayer_server.adapters.postgres.data_keys import PostgresDataKeys
from governlayer_server.adapters.postgres.database import Database, connect
from governlayer_server.adapters.postgres.rotations import PostgresRotations
from governlayer_server.adapters.postgres.secrets import PostgresSecrets
from governlayer_server.adapters.postgres.wrapped_keys import PostgresWrappedKeys
from governlayer_server.domain.errors import LedgerUnavailable
from governlayer_server.ports.data_keys import DataKeyState, StoredDataKey
from governlayer_server.ports.rotations import Rotation, RotationKind, RotationStore
from governlayer_server.ports.secrets import SecretPurpose, SecretState, SecretStore, StoredSecret
from governlayer_server.ports.wrapped_keys import WrappedKey, WrappedKind
from msgspec.structs import replace

from tests.fakes.key_stores import MemoryRotations, MemorySecrets
from tests.fakes.servers import Servers, address, migrate

PEPPER, JWT = SecretPurpose.PEPPER, SecretPurpose.JWT


class Stores(NamedTuple):
    secrets: SecretStore
    rotations: RotationStore


@pytest.fixture
async def own(empty_database: Servers) -> AsyncIterator[Database]:
    await migrate(empty_database)
    database = await connect(address(empty_database.app))
    yield database
    await database.close()


@pytest.fixture(params=["fake", "real"])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "fake":
        return Stores(MemorySecrets(), MemoryRotations())
    database = request.getfixturevalue("own")
    return Stores(PostgresSecrets(database), PostgresRotations(database))


def secret(number: int, state: SecretState, purpose: SecretPurpose = PEPPER) -> StoredSecret:
    return StoredSecret(purpose=purpose, number=number, wrapped=bytes([number]), state=state, moved_us=number)


async def test_one_secret_of_a_purpose_follows_the_other(stores: Stores) -> None:
    one, two = secret(1, SecretState.ACTIVE), secret(2, SecretState.NEXT)
    for each in (two, one, secret(1, SecretState.ACTIVE, JWT)):
        await stores.secrets.add(each)
    for refused in (secret(3, SecretState.NEXT), secret(2, SecretState.PREVIOUS)):
        await stores.secrets.add(refused)
    assert await stores.secrets.all() == [secret(1, SecretState.ACTIVE, JWT), one, two]
    assert not await stores.secrets.activate(PEPPER, 1, 9)
    assert not await stores.secrets.remove(PEPPER, 1), "it is in service"
    assert await stores.secrets.activate(PEPPER, 2, 9)
    moved = [replace(one, state=SecretState.PREVIOUS, moved_us=9), replace(two, state=SecretState.ACTIVE, moved_us=9)]
    assert (await stores.secrets.all())[1:] == moved
    assert await stores.secrets.remove(PEPPER, 1)
    assert not await stores.secrets.remove(PEPPER, 1)
    assert (await stores.secrets.all())[1:] == moved[1:]


async def test_a_rotation_is_there_until_it_ends(stores: Stores) -> None:
    one = Rotation(kind=RotationKind.DATA, owner="one", begun_us=2)
    other = Rotation(kind=RotationKind.MASTER, owner="system", begun_us=1)
    for each in (one, other, replace(one, begun_us=7, position="x")):
        await stores.rotations.begin(each)
    await stores.rotations.place(RotationKind.DATA, "one", "there")
    assert await stores.rotations.all() == [other, replace(one, position="there")]
    await stores.rotations.end(RotationKind.MASTER, "one")
    await stores.rotations.end(RotationKind.MASTER, "system")
    assert await stores.rotations.all() == [replace(one, position="there")]


async def test_keys_of_all_tenants_are_found_and_replaced_where_they_are_still_the_same(own: Database) -> None:
    keys, data_keys, owners = PostgresWrappedKeys(own), PostgresDataKeys(own), sorted(str(uuid4()) for _ in range(2))
    for owner in owners:
        await data_keys.add_data_key(owner, StoredDataKey(number=1, wrapped=b"\x02old", state=DataKeyState.ACTIVE), 1)
    found = sorted(await keys.otherwise(b"\x02new", 10), key=lambda one: one.owner)
    assert found == [
        WrappedKey(kind=WrappedKind.DATA_KEY, owner=owner, name="1", wrapped=b"\x02old") for owner in owners
    ]
    assert len(await keys.otherwise(b"\x02new", 1)) == 1
    assert await keys.replace(found[0], b"\x02new1")
    assert not await keys.replace(found[0], b"\x02new2"), "another was faster"
    assert [one.owner for one in await keys.otherwise(b"\x02new", 10)] == owners[1:]


async def test_what_is_retired_wraps_nothing_any_more(own: Database) -> None:
    data_keys, retired = PostgresDataKeys(own), "ab" * 8
    async with own.connection() as connection:
        await connection.execute(
            "INSERT INTO key_encryption_key (key_id, check_value, state, created_us) VALUES ($1, '', 'retired', 1)",
            retired,
        )
    for wrapped in (b"\x02" + bytes.fromhex("cd" * 8), b"\x01" + bytes.fromhex(retired)):
        owner = str(uuid4())
        await data_keys.add_data_key(owner, StoredDataKey(number=1, wrapped=wrapped, state=DataKeyState.ACTIVE), 1)
        assert len(await data_keys.data_keys(owner)) == 1
    late = StoredDataKey(number=1, wrapped=b"\x02" + bytes.fromhex(retired), state=DataKeyState.ACTIVE)
    with pytest.raises((asyncpg.ForeignKeyViolationError, LedgerUnavailable)):
        await data_keys.add_data_key(str(uuid4()), late, 1)
