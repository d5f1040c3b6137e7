"""The inventory is printed without an appliance."""

import json

from click.testing import CliRunner
from governlayer_server.cli.commands import governlayer
from governlayer_server.domain.inventory import shipped_inventory
from governlayer_server.domain.inventory_page import inventory_page


def test_the_inventory_needs_no_appliance() -> None:
    page = CliRunner().invoke(governlayer, ["paperwork", "inventory"])
    assert (page.exit_code, page.output) == (0, inventory_page(shipped_inventory()))
    listed = json.loads(CliRunner().invoke(governlayer, ["paperwork", "inventory", "--json"]).output)["data"]
    assert len(listed) == len(list(shipped_inventory().entries()))
    (payload,) = [one for one in listed if (one["place"], one["name"]) == ("ledger_payload", "sealed")]
    assert payload["people"] == shipped_inventory().people["subject"]
    assert payload["basis"] == shipped_inventory().basis["logs"]
    assert payload["stored"] == shipped_inventory().stored["subject"]
