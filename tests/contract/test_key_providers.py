"""``ports.key_providers.KeyProvider``: what every implementation promises."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.key_providers.texts import spell_key
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.ports.key_providers import KeyProvider
from governlayer_server.settings import PREFIX
from governlayer_server.settings.key_providers import data_directory_keys, key_provider_from

from tests.fakes.transit import TOKEN, Transit

FIRST, SECOND = bytes(range(32)), bytes(range(100, 132))


def write(file: Path, text: str, mode: int = 0o400) -> None:
    """Exchange *file* as an operator does."""
    file.unlink(missing_ok=True)
    file.touch(mode)
    file.chmod(0o600)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)


@dataclass
class Kept:
    """A provider, and the two files that it reads; ``spell`` gives the text for what they are to hold."""

    provider: KeyProvider
    current: Path
    following: Path
    spell: Callable[[bytes], str] = spell_key

    def place(self, key: bytes, following: bytes | None = None) -> None:
        self.place_text(self.spell(key))
        self.following.unlink(missing_ok=True)
        if following is not None:
            write(self.following, self.spell(following) + "\n")

    def place_text(self, text: str) -> None:
        write(self.current, text + "\n")


def files(provider: str, tmp_path: Path, **more: str) -> Kept:
    current, following = tmp_path / "kek", tmp_path / "kek.next"
    given = {
        "KEY_PROVIDER": provider, "KEY_ENCRYPTION_KEY_FILE": str(current),
        "KEY_ENCRYPTION_KEY_NEXT_FILE": str(following), **more,
    }  # fmt: skip
    return Kept(key_provider_from({PREFIX + name: value for name, value in given.items()}), current, following)


def environment(tmp_path: Path) -> Kept:
    return files("environment", tmp_path)


def file(tmp_path: Path) -> Kept:
    return files("file", tmp_path)


def systemd(tmp_path: Path) -> Kept:
    given = {PREFIX + "KEY_PROVIDER": "systemd", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    return Kept(key_provider_from(given), tmp_path / "key-encryption-key", tmp_path / "key-encryption-key.next")


def kubernetes(tmp_path: Path) -> Kept:
    """A secret as the kubelet projects it: links into a folder that is itself a link."""
    written = tmp_path / "..2026_11_26"
    written.mkdir()
    (tmp_path / "..data").symlink_to(written.name)
    for name in ("kek", "kek.next"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    kept = files("kubernetes", tmp_path)
    return Kept(kept.provider, written / "kek", written / "kek.next")


def data_directory(tmp_path: Path) -> Kept:
    directory = DataDirectory.open(tmp_path / "data")
    names = ("key-encryption-key", "key-encryption-key.next")
    current, following = (directory.secrets / name for name in names)
    return Kept(data_directory_keys(directory), current, following)


MAKERS = {"environment": environment, "file": file, "systemd": systemd, "kubernetes": kubernetes,
          "data-directory": data_directory}  # fmt: skip


@pytest.fixture(params=[*MAKERS, "transit"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    if request.param != "transit":
        yield MAKERS[request.param](tmp_path)
        return
    transit, token = Transit(), tmp_path / "token"
    write(token, TOKEN)
    async with transit.serving() as port:
        url = f"http://127.0.0.1:{port}"
        kept = files("transit", tmp_path, TRANSIT_URL=url, TRANSIT_KEY="governlayer", TRANSIT_TOKEN_FILE=str(token))
        yield Kept(kept.provider, kept.current, kept.following, transit.encrypt)


async def test_the_current_key_is_handed_over(kept: Kept) -> None:
    kept.place(FIRST)
    assert list(await kept.provider.keys()) == [FIRST]


async def test_keys_are_read_anew_and_the_current_one_is_first(kept: Kept) -> None:
    kept.place(FIRST)
    assert list(await kept.provider.keys()) == [FIRST]
    kept.place(FIRST, SECOND)
    assert list(await kept.provider.keys()) == [FIRST, SECOND]
    kept.place(SECOND, FIRST)
    assert list(await kept.provider.keys()) == [SECOND, FIRST]
    kept.place(SECOND)
    assert list(await kept.provider.keys()) == [SECOND]


async def test_a_key_that_stands_in_both_places_is_one_key(kept: Kept) -> None:
    kept.place(FIRST, FIRST)
    assert list(await kept.provider.keys()) == [FIRST]


async def test_what_protect_returns_is_read_back(kept: Kept) -> None:
    kept.place_text(await kept.provider.protect(SECOND))
    assert list(await kept.provider.keys()) == [SECOND]
    assert "\n" not in await kept.provider.protect(SECOND)


async def test_a_missing_key_is_named_and_not_made(kept: Kept) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await kept.provider.keys()
    assert kept.current.name in str(refused.value) or PREFIX + "KEY_ENCRYPTION_KEY" in str(refused.value)
    assert not kept.current.exists()
    kept.place(FIRST, SECOND)
    kept.current.unlink()
    with pytest.raises(ConfigurationError):
        await kept.provider.keys()


@pytest.mark.parametrize("key", [b"", FIRST[:31], FIRST + b"x", bytes(32), b"CANARYa" * 4 + b"CANA", b"CANARY" * 11])
async def test_a_key_of_another_length_or_a_weak_one_is_refused(kept: Kept, key: bytes) -> None:
    kept.place(FIRST, key)
    with pytest.raises(ConfigurationError) as refused:
        await kept.provider.keys()
    assert kept.following.name in str(refused.value) or PREFIX + "KEY_ENCRYPTION_KEY_NEXT" in str(refused.value)
    assert "CANARY" not in str(refused.value)
    assert spell_key(key)[:8] not in str(refused.value) or not key


@pytest.mark.parametrize(
    "text", ["", "CANARY", "CANARY " * 8, "CANÄRY" * 7, "CANARY\nCANARY", spell_key(FIRST)[:-1], "CANARY" * 999]
)
async def test_what_is_no_key_is_refused_and_not_repeated(kept: Kept, text: str) -> None:
    kept.place_text(text)
    with pytest.raises(ConfigurationError) as refused:
        await kept.provider.keys()
    assert "CAN" not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_a_file_that_cannot_be_read_is_refused(kept: Kept) -> None:
    kept.place(FIRST)
    kept.current.unlink()
    kept.current.mkdir()
    with pytest.raises(ConfigurationError):
        await kept.provider.keys()


async def test_no_key_is_shown(kept: Kept) -> None:
    kept.place(FIRST)
    await kept.provider.keys()
    shown = f"{kept.provider!r} {kept.provider} {kept.provider.name} {[kept.provider]!r}"
    assert spell_key(FIRST) not in shown
    assert repr(FIRST)[2:-1] not in shown
