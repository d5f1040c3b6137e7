"""New key-encryption keys are written as their provider keeps them, and never over something."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from governlayer_server.cli.commands import governlayer
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings import PREFIX, decode_secret
from governlayer_server.settings.key_providers import key_provider_from

from tests.fakes.transit import TOKEN, Transit


class Machine:
    """Settings of one provider, and a place for files."""

    def __init__(self, directory: Path) -> None:
        self.kek, self.made, self.token = (directory / name for name in ("kek", "made", "token"))
        self.settings = {PREFIX + "KEY_ENCRYPTION_KEY_FILE": str(self.kek)}

    def use(self, **settings: str) -> None:
        self.settings.update({PREFIX + name: value for name, value in settings.items()})

    def use_transit(self, port: int) -> None:
        self.token.touch(0o600)
        self.token.write_text(TOKEN)
        url = f"http://127.0.0.1:{port}"
        self.use(KEY_PROVIDER="transit", TRANSIT_URL=url, TRANSIT_KEY="governlayer", TRANSIT_TOKEN_FILE=str(self.token))

    async def run(self, *arguments: str | Path) -> Result:
        """The command ends in another thread: here the fake engine answers it."""
        return await asyncio.to_thread(_invoke, [*map(str, arguments), "-o", str(self.made)], self.settings)


def _invoke(arguments: Sequence[str], settings: dict[str, str]) -> Result:
    return CliRunner().invoke(governlayer, ["keys", *arguments], env=settings)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def test_a_new_key_is_random_and_private_and_shown_to_nobody(machine: Machine) -> None:
    machine.use(KEY_PROVIDER="file")
    done = await machine.run("new-master")
    assert done.exit_code == 0, done.output
    text = machine.made.read_text().strip()
    assert len(decode_secret("key", text)) == 32
    assert machine.made.stat().st_mode & 0o777 == 0o600
    assert text not in done.output
    machine.made.rename(machine.kek)
    assert (await machine.run("new-master")).exit_code == 0
    assert machine.made.read_text().strip() != text
    assert [decode_secret("key", text)] == list(await key_provider_from(machine.settings).keys())


async def test_with_transit_only_ciphertexts_are_written(machine: Machine) -> None:
    transit = Transit()
    async with transit.serving() as port:
        machine.use_transit(port)
        assert (await machine.run("new-master")).exit_code == 0
        machine.made.rename(machine.kek)
        [key] = await key_provider_from(machine.settings).keys()
        transit.rotate()
        assert (await machine.run("rewrap-master", machine.kek)).exit_code == 0
        assert machine.made.read_text().startswith("vault:v2:")
        machine.made.rename(machine.kek)
        transit.min_decryption_version = 2
        assert [key] == list(await key_provider_from(machine.settings).keys())


async def test_nothing_is_written_over(machine: Machine) -> None:
    machine.use(KEY_PROVIDER="file")
    machine.made.write_text("precious")
    refused = await machine.run("new-master")
    assert isinstance(refused.exception, ConfigurationError)
    assert machine.made.read_text() == "precious"


async def test_what_is_refused_leaves_no_file(machine: Machine) -> None:
    transit = Transit(is_sealed=True)
    async with transit.serving() as port:
        machine.use_transit(port)
        assert (await machine.run("new-master")).exit_code == 1
        transit.is_sealed = False
        machine.kek.write_text(Transit().encrypt(bytes(range(32))))
        assert (await machine.run("rewrap-master", machine.kek)).exit_code == 1
    machine.use(KEY_PROVIDER="file")
    for name in ("URL", "KEY", "TOKEN_FILE"):
        del machine.settings[f"{PREFIX}TRANSIT_{name}"]
    refused = await machine.run("rewrap-master", machine.kek)
    assert "transit" in str(refused.exception)
    assert not machine.made.exists()


async def test_where_nothing_can_be_written_the_place_is_named(machine: Machine) -> None:
    machine.use(KEY_PROVIDER="file")
    machine.made = Path("/proc/key")
    done = await machine.run("new-master")
    assert isinstance(done.exception, ConfigurationError) or done.exit_code == 1
    assert "/proc/key cannot be written" in str(done.exception) + done.output
