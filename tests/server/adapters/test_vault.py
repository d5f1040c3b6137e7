"""Envelope encryption: what opens, and everything that must not."""

import asyncio
from uuid import UUID

import pytest
from governlayer_server.adapters.crypto.vault import EnvelopeVault
from governlayer_server.domain.errors import CipherError
from governlayer_server.ports import Place
from msgspec.structs import replace

from tests.fakes.account_store import MemoryDataKeys
from tests.fakes.clock import FakeEntropy
from tests.server.adapters.test_xaes import flips

ONE, OTHER = UUID(int=1), UUID(int=2)
PLACE = Place(organization_id=ONE, table="app_user", column="email_sealed", row="17")
KEK, PEPPER = bytes(range(32)), bytes(range(32, 64))


def vault(
    keys: MemoryDataKeys, *, install_id: str = "install", kek: bytes = KEK, pepper: bytes = PEPPER, seed: bytes = b"s"
) -> EnvelopeVault:
    return EnvelopeVault(
        install_id=install_id, key_encryption_key=kek, pepper=pepper, keys=keys, entropy=FakeEntropy(seed)
    )


@pytest.fixture
def keys() -> MemoryDataKeys:
    return MemoryDataKeys()


async def test_what_was_sealed_opens_in_its_place_also_after_a_restart(keys: MemoryDataKeys) -> None:
    sealed = await vault(keys).seal(PLACE, b"ann@example.org")
    assert await vault(keys, seed=b"other").open(PLACE, sealed) == b"ann@example.org"
    assert b"ann" not in sealed


@pytest.mark.parametrize(
    "change",
    [
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
    ],
)
async def test_a_ciphertext_opens_in_no_other_place(keys: MemoryDataKeys, change: dict[str, object]) -> None:
    one = vault(keys)
    sealed = await one.seal(PLACE, b"x")
    with pytest.raises(CipherError):
        await one.open(replace(PLACE, **change), sealed)


async def test_an_organization_cannot_take_the_data_key_of_another(keys: MemoryDataKeys) -> None:
    sealed = await vault(keys).seal(PLACE, b"x")
    keys.wrapped[OTHER] = keys.wrapped[ONE]
    with pytest.raises(CipherError):
        await vault(keys).open(replace(PLACE, organization_id=OTHER), sealed)


async def test_every_bit_counts(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    for flipped in flips(await one.seal(PLACE, b"secret")):
        with pytest.raises(CipherError):
            await one.open(PLACE, flipped)
    for flipped in flips(one.wrap("purpose", bytes(32))):
        with pytest.raises(CipherError):
            one.unwrap("purpose", flipped)


async def test_a_damaged_data_key_is_refused(keys: MemoryDataKeys) -> None:
    sealed = await vault(keys).seal(PLACE, b"x")
    for flipped in flips(keys.wrapped[ONE])[::7]:
        keys.wrapped[ONE] = flipped
        with pytest.raises(CipherError):
            await vault(keys).open(PLACE, sealed)


async def test_another_key_encryption_key_and_another_installation_are_refused(keys: MemoryDataKeys) -> None:
    sealed = await vault(keys).seal(PLACE, b"x")
    for other in (vault(keys, kek=bytes(reversed(KEK))), vault(keys, install_id="other")):
        with pytest.raises(CipherError):
            await other.open(PLACE, sealed)


async def test_empty_and_cut_ciphertexts_are_refused(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    sealed = await one.seal(PLACE, b"")
    for length in range(len(sealed)):
        with pytest.raises(CipherError):
            await one.open(PLACE, sealed[:length])


async def test_each_organization_has_one_data_key_of_its_own(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    for organization in (ONE, OTHER, None, ONE):
        await one.seal(replace(PLACE, organization_id=organization), b"x")
    assert set(keys.wrapped) == {ONE, OTHER, None}
    opened = {one.unwrap(f"data-key/{organization}", wrapped) for organization, wrapped in keys.wrapped.items()}
    assert len(opened) == 3


async def test_getting_ready_makes_no_key_and_asks_once_however_many_wait(keys: MemoryDataKeys) -> None:
    asked: list[UUID | None] = []

    async def slowly(organization_id: UUID | None, fresh: bytes | None) -> bytes | None:
        asked.append(organization_id)
        await asyncio.sleep(0)
        return await keys(organization_id, fresh)

    await vault(keys).seal(PLACE, b"x")
    other = EnvelopeVault(
        install_id="install", key_encryption_key=KEK, pepper=PEPPER, keys=slowly, entropy=FakeEntropy(b"t")
    )
    await asyncio.gather(*(other.ready(ONE) for _ in range(5)), other.ready(OTHER))
    assert sorted(map(str, asked)) == [str(ONE), str(OTHER)]
    assert set(keys.wrapped) == {ONE}, "who makes up an organization makes no key"


async def test_the_same_text_is_never_sealed_to_the_same_bytes(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    assert len({await one.seal(PLACE, b"x") for _ in range(50)}) == 50


def test_a_wrapped_key_opens_for_its_purpose_alone(keys: MemoryDataKeys) -> None:
    one = vault(keys)
    wrapped = one.wrap("ledger-signing-key", b"k" * 32)
    assert one.unwrap("ledger-signing-key", wrapped) == b"k" * 32
    for purpose in ("", "ledger-signing-ke", "data-key/None"):
        with pytest.raises(CipherError):
            one.unwrap(purpose, wrapped)


def test_fingerprints_tell_purposes_and_peppers_apart(keys: MemoryDataKeys) -> None:
    one, other = vault(keys), vault(keys, pepper=bytes(reversed(PEPPER)))
    assert one.fingerprint("a", b"x") == vault(keys, kek=bytes(reversed(KEK))).fingerprint("a", b"x")
    prints = {
        one.fingerprint("a", b"x"), one.fingerprint("b", b"x"), one.fingerprint("a", b"y"),
        one.fingerprint("", b"ax"), other.fingerprint("a", b"x"),
    }  # fmt: skip
    assert len(prints) == 5
    assert {len(made) for made in prints} == {32}


def test_no_key_material_is_shown(keys: MemoryDataKeys) -> None:
    assert repr(vault(keys)) == "EnvelopeVault(…)"
