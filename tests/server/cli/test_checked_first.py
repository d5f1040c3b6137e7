"""A command that writes or signs checks first after the database was put back (claim 1); one that looks writes nothing."""

import asyncio
from collections.abc import Iterator

import click
import pytest
import structlog
from click.testing import CliRunner, Result
from governlayer_server.cli import common
from governlayer_server.cli.commands import governlayer
from governlayer_server.domain.errors import LedgerRefused
from governlayer_server.settings import Settings

from tests.fakes.ledger_place import Place, cut_off_after, mine

COMMANDS = [
    "ledger checkpoint --org acme",
    "ledger dump --org acme",
    "ledger rotate-key",
    "keys create --org acme --name n --scopes govern",
    "orgs set-plan --org acme --plan free",
    "users disable --org acme --email acme@example.org",
]

LOOKS = [
    "ledger fsck --all",
    "ledger key",
    "ledger keys",
    "ledger heads",
    "ledger checkpoint --org acme",
    "ledger accept-restore --org system --yes-records-are-lost",
]
WRITTEN = ("deployment", "ledger", "ledger_key", "ledger_record", "ledger_checkpoint", "ledger_refusal")


@pytest.fixture
def place_of_commands(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The commands find the deployment as they do where PostgreSQL is elsewhere, by the environment."""

    def settings(_: object) -> Settings:
        return place.settings

    monkeypatch.setenv("GOVERNLAYER_DATABASE_HOST", "elsewhere")
    monkeypatch.setattr(common, "settings_from", settings)
    yield place
    structlog.reset_defaults()  # the commands have sent the logs of this process to the stderr that they had


async def run(command: str) -> Result:
    assert isinstance(governlayer, click.Command)
    return await asyncio.to_thread(CliRunner().invoke, governlayer, command.split())


async def size(place: Place, condition: str) -> int:
    return int(await place.tables.fetchval(f"SELECT count(*) FROM ledger_record WHERE {condition}"))


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_closes_what_was_set_back_before_it_writes_or_signs(
    place_of_commands: Place, command: str
) -> None:
    place = place_of_commands
    (acme,) = await place.found("acme")
    await cut_off_after(place, acme, lost=3)
    before = await size(place, mine(acme))
    done = await run(command)
    assert isinstance(done.exception, LedgerRefused), done.output
    assert done.stdout == ""
    assert await size(place, mine(acme)) == before
    assert await place.tables.fetchval("SELECT array_agg(ledger_id) FROM ledger_refusal") == [str(acme.id)]


async def test_a_retirement_checks_all_ledgers_first(place_of_commands: Place) -> None:
    place = place_of_commands
    acme, other = await place.found("acme", "other")
    assert (await run("ledger rotate-key")).exit_code == 0
    await cut_off_after(place, acme, lost=3)
    before, told = await size(place, mine(acme)), await size(place, mine(other))
    done = await run("ledger retire-key --now")
    assert isinstance(done.exception, LedgerRefused), done.output
    assert await size(place, mine(acme)) == before
    assert await size(place, mine(other)) > told, "the others are told all the same"


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_sound_ledger_is_no_hindrance(place_of_commands: Place, command: str) -> None:
    await place_of_commands.found("acme")
    done = await run(command)
    assert done.exit_code == 0, done.output
    assert not await place_of_commands.tables.fetchval("SELECT count(*) FROM ledger_refusal")


async def written(place: Place) -> dict[str, int]:
    return {table: int(await place.tables.fetchval(f"SELECT count(*) FROM {table}")) for table in WRITTEN}


@pytest.mark.parametrize("command", LOOKS)
async def test_a_look_begins_no_system_ledger_that_is_gone(place_of_commands: Place, command: str) -> None:
    place = place_of_commands
    await place.found("acme")
    for table, column in (("idempotent_answer", "ledger_id"), ("ledger_record", "ledger_id"), ("ledger", "id")):
        await place.tamper(f"DELETE FROM {table} WHERE {column} = 'system'")
    before = await written(place)
    await run(command)
    assert await written(place) == before


@pytest.mark.parametrize("command", LOOKS)
async def test_a_look_founds_no_deployment(place_of_commands: Place, command: str) -> None:
    done = await run(command)
    assert done.exit_code != 0
    assert set((await written(place_of_commands)).values()) == {0}
    assert "has not been founded" in f"{done.exception} {done.stderr}"
