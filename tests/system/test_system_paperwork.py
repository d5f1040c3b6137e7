"""Papers from the running appliance, by its command."""

import json

from tests.system.appliance import Appliance, Tenant
from tests.system.client import Client, question


def test_the_command_prints_papers_from_live_data(shared: Appliance, acme: Tenant, client: Client) -> None:
    before = shared.cli_json("paperwork", "processing-records", "--org", acme.id)["data"][0]
    for _ in range(2):
        assert client.govern(question()).status == 200
    (after,) = shared.cli_json("paperwork", "processing-records", "--org", acme.id)["data"]
    counts = [{one["type"]: one["count"] for one in paper["stored"]["by_type"]} for paper in (before, after)]
    assert counts[1]["decision"] == counts[0].get("decision", 0) + 2
    assert after["organization"]["name"] == "Acme"
    assert "which is not in the database" in json.dumps(after["measures"])
    assert after["recipients"] == []
    pages = shared.cli("paperwork", "log-keeping")
    assert pages.returncode == 0, pages.stderr
    assert pages.stdout.count("\n# ") + 1 == len(shared.cli_json("orgs", "list")["data"])
    assert f"Acme ({acme.id})" in pages.stdout
