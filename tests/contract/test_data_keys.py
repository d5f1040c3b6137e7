"""``ports.data_keys.DataKeyStore``, and that a ledger names no data subject whose key is gone."""

import asyncio
from uuid import UUID, uuid4

import pytest
from governlayer_server.ports.data_keys import DataKeyState, StoredDataKey, StoredSubjectKey
from governlayer_server.ports.ledger import SealedPayload, SubjectGone

from tests.contract.conftest import World


def key(number: int, wrapped: bytes = b"wrapped", state: DataKeyState = DataKeyState.ACTIVE) -> StoredDataKey:
    return StoredDataKey(number=number, wrapped=wrapped, state=state)


def of_subject(index: bytes, wrapped: bytes = b"wrapped") -> StoredSubjectKey:
    return StoredSubjectKey(id=uuid4(), index=index, wrapped=wrapped)


async def test_a_tenant_has_its_own_keys_in_their_order(world: World) -> None:
    assert await world.data_keys.data_keys(world.ledger_id) == []
    for one in (key(1), key(0, state=DataKeyState.INDEX)):
        await world.data_keys.add_data_key(world.ledger_id, one, 1)
    await world.data_keys.add_data_key(str(uuid4()), key(1, b"of another"), 1)
    assert await world.data_keys.data_keys(world.ledger_id) == [key(0, state=DataKeyState.INDEX), key(1)]


async def test_of_two_keys_made_at_once_all_use_the_same(world: World) -> None:
    await asyncio.gather(*(world.data_keys.add_data_key(world.ledger_id, key(1, bytes([n])), 1) for n in range(8)))
    first = await world.data_keys.data_keys(world.ledger_id)
    assert len(first) == 1
    await world.data_keys.add_data_key(world.ledger_id, key(1, b"later"), 2)
    assert await world.data_keys.data_keys(world.ledger_id) == first


async def test_subjects_are_found_by_index_and_by_id_in_their_ledger_alone(world: World) -> None:
    await world.make_ledger()
    ann, bob = of_subject(b"ann"), of_subject(b"bob")
    await world.data_keys.add_subject_keys(world.ledger_id, [ann, bob], 1)
    assert await world.data_keys.subject_keys(world.ledger_id, [b"ann", b"carol"], []) == [ann]
    assert await world.data_keys.subject_keys(world.ledger_id, [], [bob.id, uuid4()]) == [bob]
    assert await world.data_keys.subject_keys(str(uuid4()), [b"ann"], [bob.id]) == []


async def test_a_subject_keeps_the_key_it_has(world: World) -> None:
    await world.make_ledger()
    made = [[of_subject(bytes([index])) for index in range(20)] for _ in range(8)]
    await asyncio.gather(*(world.data_keys.add_subject_keys(world.ledger_id, keys, 1) for keys in made))
    found = await world.data_keys.subject_keys(world.ledger_id, [bytes([index]) for index in range(20)], [])
    assert len(found) == 20
    assert {one.id for one in found} <= {one.id for keys in made for one in keys}


async def test_a_record_that_names_a_subject_without_a_key_is_not_appended_and_others_are(world: World) -> None:
    await world.make_ledger()
    ann = of_subject(b"ann")
    await world.data_keys.add_subject_keys(world.ledger_id, [ann], 1)
    payload = SealedPayload(name="content", sealed=b"s")

    async def append(number: int, *subjects: UUID) -> bool:
        try:
            await world.ledger.append(world.append(number, subjects=subjects, payloads=(payload,)))
        except SubjectGone:
            return False
        return True

    done = await asyncio.gather(
        append(0), append(1, ann.id), append(2, uuid4()), append(3), append(4, ann.id, uuid4()), append(5, ann.id)
    )
    assert done == [True, True, False, True, False, True]
    assert (await world.ledger.head(world.ledger_id)).size == 4


async def test_a_key_of_another_ledger_is_none(world: World) -> None:
    await world.make_ledger()
    other = str(uuid4())
    await world.ledger.create(other, None, f"test/ledgers/{other}")
    ann = of_subject(b"ann")
    await world.data_keys.add_subject_keys(other, [ann], 1)
    with pytest.raises(SubjectGone):
        await world.ledger.append(world.append(subjects=(ann.id,)))
