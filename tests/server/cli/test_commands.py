"""The command `governlayer` finds its verbs, and loads none but the one that is asked for."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from governlayer_server.cli.commands import MODULES, governlayer


@pytest.mark.parametrize("verb", MODULES)
def test_every_verb_is_found_and_says_what_it_does(verb: str) -> None:
    command = governlayer.get_command(click.Context(governlayer), verb)
    assert command is not None
    assert command.name == verb
    assert command.get_short_help_str()
    assert verb in CliRunner().invoke(governlayer, ["--help"]).output


def test_what_is_no_verb_is_a_wrong_argument() -> None:
    done = CliRunner().invoke(governlayer, ["commands"])
    assert (done.exit_code, "No such command 'commands'" in done.output) == (2, True)


@pytest.mark.parametrize("module", ["keys", "orgs", "users"])
def test_a_command_that_serves_nothing_loads_no_web_application(module: str) -> None:
    program = f"import sys, governlayer_server.cli.{module}; print('litestar' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
