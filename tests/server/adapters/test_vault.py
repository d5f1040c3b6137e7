"""Envelope encryption: what opens, and everything that must not."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from governlayer_server.adapters.crypto.data_keys import DataKeys
from governlayer_server.adapters.crypto.key_ring import KeyRing, key_id
from governlayer_server.adapters.crypto.peppers import Peppers
from governlayer_server.adapters.crypto.vault import EnvelopeVault
from governlayer_server.domain.errors import CipherError
from governlayer_server.domain.tenants import tenant_name
from governlayer_server.ports import Place
from governlayer_server.ports.data_keys import DataKeyState, StoredDataKey
from msgspec.structs import replace

from tests.fakes.clock import FakeClock, FakeEntropy
from tests.fakes.data_keys import MemoryDataKeys
from tests.server.adapters.test_xaes import flips

ONE, OTHER = UUID(int=1), UUID(int=2)
PLACE = Place(organization_id=ONE, table="app_user", column="email_sealed", row="17")
KEK, PEPPER = bytes(range(32)), bytes(range(32, 64))
NEXT_KEK = bytes(range(64, 96))


def vault(
    keys: MemoryDataKeys,
    *,
    install_id: str = "install",
    keks: Sequence[bytes] = (KEK,),
    pepper: bytes = PEPPER,
    seed: bytes = b"s",
    room: int = 1_000,
) -> EnvelopeVault:
    ring = KeyRing(install_id, keks)
    return EnvelopeVault(
        install_id=install_id,
        ring=ring,
        peppers=Peppers(pepper),
        keys=DataKeys(ring, keys, FakeClock(), FakeEntropy(seed), room),
    )


@pytest.fixture
def keys() -> MemoryDataKeys:
    return MemoryDataKeys()


async def test_what_was_sealed_opens_in_its_place_also_after_a_restart(keys: MemoryDataKeys) -> None:
    sealed = await vault(keys).seal(PLACE, b"ann@example.org")
    assert await vault(keys, seed=b"other").open(PLACE, sealed) == b"ann@example.org"
    assert b"ann" not in sealed


CHANGES = [
    {"organization_id": OTHER},
    {"organization_id": None},
    {"table": "api_key"},
    {"column": "email_index"},
    {"row": "18"},
    {"row": ""},
    {"table": "app_user" + "email_sealed", "column": ""},
    {"table": "app_use", "column": "remail_sealed"},
    {"column": "email_sealed1", "row": "7"},
    {"table": "email_sealed", "column": "app_user"},
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("subjects", [(), ("ann",)])
async def test_a_ciphertext_opens_in_no_other_place(
    keys: MemoryDataKeys, change: dict[str, object], subjects: tuple[str, ...]
) -> None:
    one = vault(keys)
    sealed = await one.seal(PLACE, b"x", await one.subjects(ONE, subjects))
    with pytest.raises(CipherError):
        await one.open(replace(PLACE, **change), sealed)


async def test_an_organization_cannot_take_the_data_key_of_another(keys: MemoryDataKeys) -> None:
    sealed = await vault(keys).seal(PLACE, b"x")
    keys.owned[str(OTHER)] = keys.owned[str(ONE)]
    with pytest.raises(CipherError):
        await vault(keys).open(replace(PLACE, organization_id=OTHER), sealed)


async def test_every_bit_counts(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    for sealed in (await one.seal(PLACE, b"secret"), await one.seal(PLACE, b"s", await one.subjects(ONE, ["ann"]))):
        for flipped in flips(sealed):
            with pytest.raises(CipherError):
                await one.open(PLACE, flipped)
    for flipped in flips(one.wrap("purpose", bytes(32))):
        with pytest.raises(CipherError):
            one.unwrap("purpose", flipped)


async def test_a_damaged_data_key_is_refused(keys: MemoryDataKeys) -> None:
    sealed = await vault(keys).seal(PLACE, b"x")
    stored = keys.owned[str(ONE)][1]
    for flipped in flips(stored.wrapped)[::7]:
        keys.owned[str(ONE)][1] = replace(stored, wrapped=flipped)
        with pytest.raises(CipherError):
            await vault(keys).open(PLACE, sealed)


async def test_another_key_encryption_key_and_another_installation_are_refused(keys: MemoryDataKeys) -> None:
    sealed = await vault(keys).seal(PLACE, b"x")
    for other in (vault(keys, keks=[bytes(reversed(KEK))]), vault(keys, install_id="other")):
        with pytest.raises(CipherError):
            await other.open(PLACE, sealed)


async def test_empty_and_cut_ciphertexts_are_refused(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    for sealed in (await one.seal(PLACE, b""), await one.seal(PLACE, b"", await one.subjects(ONE, ["ann", "bob"]))):
        for length in range(len(sealed)):
            with pytest.raises(CipherError):
                await one.open(PLACE, sealed[:length])


async def test_each_organization_has_one_data_key_of_its_own(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    for organization in (ONE, OTHER, None, ONE):
        await one.seal(replace(PLACE, organization_id=organization), b"x")
    assert set(keys.owned) == {str(ONE), str(OTHER), "system"}
    opened = {
        one.unwrap(f"data-key/{organization}", keys.owned[tenant_name(organization)][1].wrapped)
        for organization in (ONE, OTHER, None)
    }
    assert len(opened) == 3


class SlowKeys(MemoryDataKeys):
    """Counts the questions, and takes its time to answer."""

    def __init__(self, other: MemoryDataKeys) -> None:
        super().__init__()
        self.owned, self.asked, self.added = other.owned, list[str](), list[int]()

    async def data_keys(self, owner: str) -> Sequence[StoredDataKey]:
        self.asked.append(owner)
        await asyncio.sleep(0)
        return await super().data_keys(owner)

    async def add_data_key(self, owner: str, key: StoredDataKey, now_us: int) -> None:
        self.added.append(key.number)
        await asyncio.sleep(0)
        await super().add_data_key(owner, key, now_us)


async def test_a_key_that_many_need_at_once_is_made_once(keys: MemoryDataKeys) -> None:
    slow = SlowKeys(keys)
    one = vault(slow)
    await asyncio.gather(
        *(one.subjects(ONE, [f"somebody {n}"]) for n in range(50)), *(one.seal(PLACE, b"x") for _ in range(50))
    )
    assert sorted(slow.added) == [0, 1]


async def test_getting_ready_makes_no_key_and_asks_once_however_many_wait(keys: MemoryDataKeys) -> None:
    await vault(keys).seal(PLACE, b"x")
    slow = SlowKeys(keys)
    other = vault(slow, seed=b"t")
    await asyncio.gather(*(other.ready(ONE) for _ in range(5)), other.ready(OTHER))
    assert sorted(slow.asked) == [str(ONE), str(OTHER)]
    assert set(keys.owned) == {str(ONE)}, "who makes up an organization makes no key"


async def test_the_same_text_is_never_sealed_to_the_same_bytes(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    assert len({await one.seal(PLACE, b"x") for _ in range(50)}) == 50


async def test_what_names_subjects_opens_with_the_keys_of_all_of_them_only(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    ann, bob = [await one.subjects(ONE, [name]) for name in ("ann", "bob")]
    both = await one.seal(PLACE, b"x", (*bob, *ann))
    only_ann = await one.seal(PLACE, b"y", ann)
    assert await vault(keys, seed=b"t").open(PLACE, both) == b"x"
    keys.destroy(bob[0])
    one.forget_subjects(bob)
    for each in (one, vault(keys, seed=b"u")):
        with pytest.raises(CipherError, match="gone"):
            await each.open(PLACE, both)
        assert await each.open(PLACE, only_ann) == b"y", "the others are not concerned"
    assert await one.find_subject(ONE, "bob") is None
    assert await one.subjects(ONE, ["bob"]) != bob, "what comes later has a new key"


async def test_a_subject_is_found_by_name_in_its_organization_alone(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    made = await one.subjects(ONE, ["ann", "bob", "ann"])
    assert len(made) == 2
    assert made == tuple(sorted(made))
    assert await vault(keys, seed=b"t").subjects(ONE, ["bob", "ann"]) == made
    assert not set(await one.subjects(OTHER, ["ann", "bob"])) & set(made)
    assert await one.find_subject(OTHER, "carol") is None
    stored = [key.index for mine in keys.of_subjects.values() for key in mine.values()]
    assert len(set(stored)) == 4, "equal names of two organizations have nothing in common"
    assert not any(b"ann" in key.index + key.wrapped for mine in keys.of_subjects.values() for key in mine.values())


async def test_the_key_of_a_subject_serves_no_other_subject_and_no_other_organization(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    ann, bob = [(await one.subjects(ONE, [name]))[0] for name in ("ann", "bob")]
    sealed = await one.seal(PLACE, b"x", [ann])
    swapped = sealed.replace(ann.bytes, bob.bytes)
    with pytest.raises(CipherError):
        await one.open(PLACE, swapped)
    mine = keys.of_subjects[str(ONE)]
    index = next(index for index, key in mine.items() if key.id == bob)
    mine[index] = replace(mine[index], wrapped=next(key.wrapped for key in mine.values() if key.id == ann))
    with pytest.raises(CipherError):
        await vault(keys, seed=b"t").open(PLACE, swapped)


async def test_a_key_stands_for_no_other_subject(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    for name in ("ann", "bob"):
        await one.subjects(ONE, [name])
    mine = keys.of_subjects[str(ONE)]
    (first, ann), (second, bob) = mine.items()
    mine[first], mine[second] = replace(bob, index=first), replace(ann, index=second)
    for name in ("ann", "bob"):  # who erases one of them would destroy the other's data
        with pytest.raises(CipherError, match="stands for another"):
            await vault(keys, seed=b"t").find_subject(ONE, name)


@pytest.mark.parametrize("room", [0, 1, 2, 3, 5])
async def test_no_subject_is_left_out_however_few_keys_memory_has_room_for(keys: MemoryDataKeys, room: int) -> None:
    names = [f"subject-{number}" for number in range(6)]
    all_ids = await vault(keys).subjects(ONE, names)
    one = vault(keys, seed=b"t", room=room)
    for start in range(6):
        some = [*names[start:], *names[:start]][:4]
        expected = await vault(keys, seed=b"u").subjects(ONE, some)
        assert len(expected) == 4
        assert await one.subjects(ONE, some) == expected
        assert await one.open(PLACE, await one.seal(PLACE, b"x", all_ids)) == b"x"
    made = await one.subjects(ONE, [*names, "new-1", "new-2"])
    assert len(made) == 8
    assert set(all_ids) < set(made)


async def test_a_new_data_key_serves_new_texts_and_the_old_one_what_it_sealed(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    old = await one.seal(PLACE, b"old")
    mine = keys.owned[str(ONE)]
    mine[1] = replace(mine[1], state=DataKeyState.RETIRING)
    mine[2] = StoredDataKey(number=2, wrapped=one.wrap(f"data-key/{ONE}/2", b"2" * 32), state=DataKeyState.ACTIVE)
    other = vault(keys, seed=b"t")
    new = await other.seal(PLACE, b"new")
    assert [await other.is_current(ONE, sealed) for sealed in (old, new)] == [False, True]
    assert await one.open(PLACE, new) == b"new", "also by who has not heard of the new key"
    one.forget_keys()
    assert await one.open(PLACE, old) == b"old"
    del mine[1]
    one.forget_keys()
    with pytest.raises(CipherError, match="no such data key"):
        await one.open(PLACE, old)


def test_a_wrapped_key_names_the_key_that_wrapped_it() -> None:
    before = KeyRing("install", [KEK])
    wrapped = before.wrap("purpose", b"k" * 32)
    after = KeyRing("install", [NEXT_KEK, KEK])
    assert after.unwrap("purpose", wrapped) == b"k" * 32
    assert (wrapped.startswith(before.header), wrapped.startswith(after.header)) == (True, False)
    assert after.wrap("purpose", b"k" * 32).startswith(after.header)
    with pytest.raises(CipherError, match=key_id(KEK)):
        KeyRing("install", [NEXT_KEK]).unwrap("purpose", wrapped)


def test_a_wrapped_key_opens_for_its_purpose_alone(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    wrapped = one.wrap("ledger-signing-key", b"k" * 32)
    assert one.unwrap("ledger-signing-key", wrapped) == b"k" * 32
    for purpose in ("", "ledger-signing-ke", "data-key/None"):
        with pytest.raises(CipherError):
            one.unwrap(purpose, wrapped)


def test_fingerprints_tell_purposes_and_peppers_apart(keys: MemoryDataKeys) -> None:
    one, other = vault(keys), vault(keys, pepper=bytes(reversed(PEPPER)))
    assert one.fingerprint("a", b"x") == vault(keys, keks=[bytes(reversed(KEK))]).fingerprint("a", b"x")
    prints = {
        one.fingerprint("a", b"x"), one.fingerprint("b", b"x"), one.fingerprint("a", b"y"),
        one.fingerprint("", b"ax"), other.fingerprint("a", b"x"),
    }  # fmt: skip
    assert len(prints) == 5
    assert {len(made) for made in prints} == {32}


def test_no_key_material_is_shown(keys: MemoryDataKeys) -> None:
    assert repr(vault(keys)) == "EnvelopeVault(…)"
    assert repr(KeyRing("install", [KEK])) == f"KeyRing({key_id(KEK)})"
