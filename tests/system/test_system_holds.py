"""Legal holds and exports of data subjects from the command line, beside a running appliance."""

import json

from tests.system.appliance import Appliance
from tests.system.client import Client, question

BASIS, SUBJECT = "GDPR Art. 17(1)(a)", "ann@example.org"


def test_what_is_held_is_exported_not_erased_and_after_the_release_it_goes(shared: Appliance) -> None:
    tenant = shared.tenant("Archive")
    client = Client(shared.port, tenant.key)
    client.govern(question(data_subjects=[SUBJECT], content=[{"role": "user", "text": "about a person"}]))
    client.close()
    org = ("--org", tenant.id)
    held = shared.cli_json("holds", "create", *org, "--reason", "a lawsuit", "--data-subject", SUBJECT)
    assert (held["kind"], held["reason"], held["released_at"]) == ("subject", "a lawsuit", None)
    erase = ("erase", *org, "--data-subject", SUBJECT, "--basis", BASIS, "--yes")
    refused = shared.cli(*erase)
    assert refused.returncode == 1
    assert held["id"] in refused.stderr

    output = shared.data.with_name("person.ndjson")
    assert shared.cli_json("subject-export", *org, "--data-subject", SUBJECT, "-o", output)["records"] == 1
    assert output.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [next(iter(line)) for line in lines] == ["subject_export", "record", "end"]
    assert "about a person" in str(lines[1]["record"]["payloads"])

    released = shared.cli_json("holds", "release", *org, "--hold", held["id"], "--reason", "settled")
    assert shared.cli_json("holds", "list", *org)["data"] == [released]
    assert shared.cli_json(*erase)["records"] == 1
