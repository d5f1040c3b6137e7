"""The files of a backup: what they hold comes back whole, from their own place alone, or not at all."""

import random
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import zstandard
from governlayer_server.adapters.backup.sealed_files import SealedFiles
from governlayer_server.adapters.backup.store_directory import DirectoryStore
from governlayer_server.adapters.crypto import file_keys
from governlayer_server.adapters.crypto.chunked import seal
from governlayer_server.adapters.crypto.file_keys import FileKeys
from governlayer_server.adapters.crypto.key_ring import KeyRing
from governlayer_server.domain.backup import Envelope, context, new_backup_id
from governlayer_server.domain.errors import BackupError, ConfigurationError
from governlayer_server.ports.backups import Written
from governlayer_server.usecases.open_backup import read_envelope
from msgspec.structs import replace

from tests.fakes.clock import FakeEntropy

ID, OTHER = new_backup_id(1_790_000_000_000_000, b"\1\2\3\4"), new_backup_id(1_790_000_000_000_000, b"\4\3\2\1")
KEY, PASSPHRASE = bytes(range(32)), "correct horse battery staple"
SPECIFICATION = Path("docs/spec/backup-v1.md").read_text("utf-8")
KEK, OTHER_KEK = bytes(range(32)), bytes(range(1, 33))


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is not the cost."""
    monkeypatch.setattr(file_keys, "MEMORY_KIB", 64)


def ring(kek: bytes = KEK) -> KeyRing:
    return KeyRing("install", [kek])


def keys(passphrase: str | None, ring_: KeyRing | None = None) -> FileKeys:
    return FileKeys(passphrase, ring_, FakeEntropy())


async def write(files: SealedFiles, name: str, data: bytes) -> Written:
    async with files.writer(name) as to:
        for at in range(0, len(data), 100_000):
            await to.write(data[at : at + 100_000])
    return to.written


async def read(files: SealedFiles, name: str, expected: Written | None = None) -> bytes:
    return b"".join([piece async for piece in files.read(name, expected)])


@pytest.mark.parametrize("length", [0, 1, 16_384, 1_000_000])
async def test_what_was_written_comes_back(tmp_path: Path, length: int) -> None:
    files, data = SealedFiles(DirectoryStore(tmp_path), "f/", ID, KEY), random.Random(1).randbytes(length)
    written = await write(files, "parts/1", data)
    assert await read(files, "parts/1", written) == data
    assert written.size == (tmp_path / "f/parts/1").stat().st_size


async def test_a_file_opens_in_its_own_place_alone(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    await write(SealedFiles(store, "f/", ID, KEY), "parts/1", b"rows")
    (tmp_path / "f/parts/2").write_bytes((tmp_path / "f/parts/1").read_bytes())
    for files, name in (
        (SealedFiles(store, "f/", ID, KEY), "parts/2"),
        (SealedFiles(store, "f/", OTHER, KEY), "parts/1"),
        (SealedFiles(store, "f/", ID, bytes(32)), "parts/1"),
        (SealedFiles(store, "f/", ID, KEY), "parts/3"),
    ):
        with pytest.raises(BackupError):
            await read(files, name)


async def test_a_file_of_another_run_is_not_the_one_expected(tmp_path: Path) -> None:
    files = SealedFiles(DirectoryStore(tmp_path), "f/", ID, KEY)
    before = await write(files, "parts/1", b"rows")
    await write(files, "parts/1", b"rows")
    with pytest.raises(BackupError, match="another"):
        await read(files, "parts/1", before)


async def test_an_envelope_opens_by_passphrase_elsewhere_and_by_key_at_home(cheap: None) -> None:
    envelope, key = await keys(PASSPHRASE, ring()).new(ID, "install", "backup")
    assert await keys(PASSPHRASE).open(envelope, "backup") == key
    assert await keys(None, ring()).open(envelope, "backup") == key
    for wrong in (keys(PASSPHRASE + "."), keys(None, ring(OTHER_KEK))):
        with pytest.raises(BackupError, match="does not open"):
            await wrong.open(envelope, "backup")
    for damaged in (
        replace(envelope, id=OTHER),
        replace(envelope, install_id="another"),
        replace(envelope, salt=bytes(16)),
        replace(envelope, by_passphrase=envelope.by_passphrase[:-1]),
    ):
        with pytest.raises(BackupError):
            await keys(PASSPHRASE).open(damaged, "backup")
    with pytest.raises(BackupError):
        await keys(PASSPHRASE).open(envelope, "keys")


def test_what_cannot_be_an_envelope_is_refused() -> None:
    good = Envelope(
        format="governlayer-backup-v1", id=ID, install_id="i", salt=bytes(16), by_passphrase=b"", by_key=b""
    )
    for wrong in ({"format": "governlayer-backup-v2"}, {"id": "../../etc"}, {"salt": b""}):
        with pytest.raises(BackupError):
            replace(good, **wrong)


async def test_the_worked_bytes_of_the_specification(tmp_path: Path) -> None:
    line, file = re.findall(r"^    (\{.*\}|[0-9a-f]{100,})$", SPECIFICATION, re.MULTILINE)
    key = await keys(PASSPHRASE).open(msgspec.json.decode(line, type=Envelope), "backup")
    assert key == KEY
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/000001").write_bytes(bytes.fromhex(file))
    assert (
        await read(SealedFiles(DirectoryStore(tmp_path), "", "20261126T000000Z-00010203", KEY), "parts/000001")
        == b"rows\n"
    )


def test_passphrases_are_long_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="20"):
        keys("x" * 19)
    with pytest.raises(ConfigurationError):
        keys(None)
    assert PASSPHRASE not in repr(keys(PASSPHRASE))


@pytest.mark.parametrize("change", [lambda line: line[:-1], lambda line: line.replace(b",", b", ", 1), lambda _: b""])
async def test_an_envelope_has_one_spelling(cheap: None, tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    envelope, _ = await keys(PASSPHRASE, ring()).new(ID, "install", "backup")
    line = msgspec.json.encode(envelope) + b"\n"
    (tmp_path / "envelope").write_bytes(line)
    assert await read_envelope(DirectoryStore(tmp_path), "envelope") == (envelope, len(line))
    (tmp_path / "envelope").write_bytes(change(line))
    with pytest.raises(BackupError, match="damaged"):
        await read_envelope(DirectoryStore(tmp_path), "envelope")


async def test_a_file_whose_content_is_cut_off_is_not_whole_though_it_is_authentic(tmp_path: Path) -> None:
    packed = zstandard.ZstdCompressor().compress(b"rows\n")
    for content, whole in ((packed, True), (packed[:-1], False), (b"", False)):
        (tmp_path / "1").write_bytes(seal(KEY, context(ID, "1"), content))
        reading = read(SealedFiles(DirectoryStore(tmp_path), "", ID, KEY), "1")
        if whole:
            assert await reading == b"rows\n"
        else:
            with pytest.raises(BackupError, match="cut off"):
                await reading
