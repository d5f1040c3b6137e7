"""``governlayer erase``: where the name of a data subject may come from."""

from typing import Any

import pytest
from click.testing import CliRunner
from governlayer_server.cli import erase as command
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
