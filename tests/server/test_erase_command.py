"""Commands that destroy or keep: where a name may come from, what is asked, which options go together."""

from typing import Any

import click
import pytest
from click.testing import CliRunner
from governlayer_server.cli import erase as command
from governlayer_server.cli import holds, orgs
from governlayer_server.usecases.erase import Extent


def test_a_name_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the arguments everybody on the machine could read it."""
    asked = list[Any]()

    async def extent(*given: Any) -> Extent:
        asked.append(given)
        return Extent(ranges=())

    monkeypatch.setattr(command, "_extent", extent)
    options = ["--org", "Acme", "--data-subject", "-", "--dry-run"]
    done = CliRunner().invoke(command.erase, options, input="ann@example.com\n")
    assert (done.exit_code, asked) == (0, [(None, "Acme", "ann@example.com", None)])


@pytest.mark.parametrize("more", [["--dry-run"], ["--org", "Acme"], ["--basis", "GDPR Art. 17(1)(b)"]])
def test_vacuum_alone_takes_no_options_of_an_erasure(more: list[str]) -> None:
    done = CliRunner().invoke(command.erase, ["--vacuum", *more])
    assert (done.exit_code, "--vacuum" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("asking", "arguments"),
    [
        (command.erase, ["--org", "Acme", "--organization", "--basis", "GDPR Art. 28(3)(g)"]),
        (orgs.orgs, ["close", "--org", "Acme"]),
    ],
)
def test_without_a_terminal_nobody_is_asked(asking: click.Command, arguments: list[str]) -> None:
    done = CliRunner().invoke(asking, arguments, input="y\n")
    assert (done.exit_code, "add --yes" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--first", "9", "--last", "3"], "--last 3 is before --first 9"), (["--whole", "--last", "3"], "needs --first")],
)
def test_a_range_that_ends_before_it_begins_is_a_usage_error(options: list[str], said: str) -> None:
    done = CliRunner().invoke(holds.holds, ["create", "--org", "Acme", "--reason", "claim", *options])
    assert (done.exit_code, said in done.stderr) == (2, True)
