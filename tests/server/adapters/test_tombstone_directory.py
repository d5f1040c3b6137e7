"""The list of tombstones in a directory: written once, durable, and nobody else's."""

import hmac
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from governlayer_server.adapters.system.tombstone_directory import TombstoneDirectory
from governlayer_server.domain.erasure import ErasureKind, ErasureRecord, Tombstone
from governlayer_server.domain.errors import CipherError, Unavailable
from governlayer_server.domain.ledger.record import SYSTEM
from hypothesis import given
from hypothesis import strategies as st


async def mac(message: bytes) -> bytes:
    return hmac.digest(b"key", message, "sha256")


def tombstone(number: int = 1) -> Tombstone:
    return Tombstone(
        id=UUID(int=number), ledger_id="ledger", origin="test/ledgers/ledger", kind=ErasureKind.SUBJECT,
        subjects=(uuid4(),), decision=None, ranges=((0, 3), (5, 5)), basis="§ 17", actor=SYSTEM, records=5,
        erasure_records=(ErasureRecord(hash="ab" * 32, seq=9),), time_us=1_795_456_800_000_001,
    )  # fmt: skip


async def read(path: Path) -> list[Tombstone]:
    return [one async for one in TombstoneDirectory(path, mac).read()]


async def test_what_is_added_is_read_again_in_the_order_of_ids(tmp_path: Path) -> None:
    place = tmp_path / "tombstones"
    assert await read(place) == []
    added = [tombstone(number) for number in (3, 1, 2)]
    for one in added:
        await TombstoneDirectory(place, mac).add(one)
    assert await read(place) == sorted(added, key=lambda one: one.id)
    assert place.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in place.iterdir()} == {0o600}
    assert sorted(file.name for file in place.iterdir()) == [f"{UUID(int=number)}.json" for number in (1, 2, 3)]


async def test_none_is_ever_replaced(tmp_path: Path) -> None:
    first = tombstone()
    await TombstoneDirectory(tmp_path, mac).add(first)
    with pytest.raises(Unavailable, match="nothing was erased"):
        await TombstoneDirectory(tmp_path, mac).add(tombstone())
    assert await read(tmp_path) == [first]


async def test_what_a_crash_left_behind_is_no_tombstone_and_is_written_over(tmp_path: Path) -> None:
    (tmp_path / f".{UUID(int=1)}.json.new").write_text("half")
    assert await read(tmp_path) == []
    await TombstoneDirectory(tmp_path, mac).add(tombstone())
    assert len(await read(tmp_path)) == 1


async def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written"):
        await TombstoneDirectory(tmp_path / "file" / "below", mac).add(tombstone())


async def test_without_a_directory_nothing_can_be_erased() -> None:
    nowhere = TombstoneDirectory(None, mac)
    for work in (nowhere.ready(), nowhere.add(tombstone())):
        with pytest.raises(Unavailable, match="GOVERNLAYER_TOMBSTONE_DIR"):
            await work
    assert [one async for one in nowhere.read()] == []


async def test_one_under_another_name_or_of_another_installation_is_refused(tmp_path: Path) -> None:
    async def other(message: bytes) -> bytes:
        return hmac.digest(b"other", message, "sha256")

    await TombstoneDirectory(tmp_path, other).add(tombstone())
    with pytest.raises(CipherError, match="not one of this installation"):
        await read(tmp_path)
    (tmp_path / f"{UUID(int=1)}.json").unlink()
    await TombstoneDirectory(tmp_path, mac).add(tombstone())
    (tmp_path / f"{UUID(int=1)}.json").rename(tmp_path / f"{UUID(int=2)}.json")
    with pytest.raises(CipherError, match="was changed"):
        await read(tmp_path)


@given(st.data())
async def test_no_changed_byte_passes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("tombstones")
    one = tombstone()
    await TombstoneDirectory(path, mac).add(one)
    file = path / f"{one.id}.json"
    contents = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(contents) - 2))
    contents[at] ^= data.draw(st.integers(1, 255))
    file.write_bytes(contents)
    try:
        found = await read(path)
    except CipherError:
        return
    # Another spelling of the same: white space, an escape, a digit of the code in the other case, or a member with its
    # default value left out.
    assert found == [one]
