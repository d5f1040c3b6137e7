"""Keys of the ledgers, the operator's way: rotate, overlap, retire; and published checkpoints and the system ledger."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from governlayer_verifier.note import parse_checkpoint

from tests.system.appliance import GL_VERIFY, Appliance, Tenant
from tests.system.client import Client, question

Start = Callable[..., Appliance]


def kinds(vkeys: list[str]) -> list[int]:
    return [base64.b64decode(vkey.split("+", 2)[2])[0] for vkey in vkeys]


def verified(dump: Path, key: str) -> int:
    return subprocess.run([GL_VERIFY, dump, "--key", key], capture_output=True, timeout=120, check=False).returncode


@pytest.fixture
def appliance(new_appliance: Start) -> Appliance:
    return new_appliance().start()


def test_a_key_is_rotated_under_traffic_and_every_key_leads_through_the_dump(appliance: Appliance) -> None:
    acme = appliance.tenant("Acme")

    def client() -> Client:
        return Client(appliance.port, acme.key)

    client().govern(question())
    before = appliance.cli_json("ledger", "key")
    assert kinds(before["keys"]) == [1, 6]
    made = appliance.cli_json("ledger", "rotate-key")

    def served() -> list[str]:
        keys: list[str] = client().get("/.well-known/governlayer").json()["ledger_keys"]
        return keys

    # The server was not restarted: it learns of the key by itself.
    appliance.wait_for(lambda: made["key"] in served())
    assert kinds(served()) == [1, 1, 6]
    assert client().get("/v1/ledger").json()["keys"] == served()
    receipt = client().govern(question(options={"receipt": True})).json()["receipt"]
    assert len(receipt.rpartition("\n\n")[2].splitlines()) == 2, "both keys sign"
    young = appliance.cli("ledger", "retire-key")
    assert (young.returncode, young.stdout) == (1, "")
    assert "try again in" in young.stderr
    again = appliance.cli("ledger", "rotate-key")
    assert again.returncode == 1
    assert "retire-key" in again.stderr

    retired = appliance.cli_json("ledger", "retire-key", "--now")
    assert (retired["key"], retired["state"]) == (before["key"], "retired")
    appliance.wait_for(lambda: before["key"] not in served())
    client().govern(question())
    assert appliance.cli_json("ledger", "key")["key"] == made["key"]
    listed = appliance.cli_json("ledger", "keys")["data"]
    assert [(one["algorithm"], one["state"]) for one in listed] == [
        ("ed25519", "retired"), ("ml-dsa-44", "active"), ("ed25519", "active"),
    ]  # fmt: skip
    for org in (acme.id, "system"):
        dump = appliance.data.with_name(f"{org}.gldump")
        assert appliance.cli("ledger", "dump", "--org", org, "-o", dump).returncode == 0
        assert [verified(dump, key) for key in (before["key"], made["key"])] == [0, 0]
    appliance.stop()
    appliance.start()
    assert before["key"] not in served()
    client().govern(question())
    appliance.assert_verified(appliance.dump(acme))


def test_what_has_grown_is_published_and_stays_when_the_appliance_is_stopped(appliance: Appliance) -> None:
    acme = appliance.tenant("Acme")
    client = Client(appliance.port, acme.key)
    size = client.govern(question()).json()["ledger"]["seq"] + 1

    def published() -> list[tuple[int, str]]:
        rows = appliance.query(f"SELECT size, note FROM ledger_checkpoint WHERE ledger_id = '{acme.id}' ORDER BY size")
        return [(row["size"], row["note"]) for row in rows]

    appliance.wait_for(lambda: published() and published()[-1][0] == size)
    first = parse_checkpoint(published()[0][1])
    assert [len(one.blob) for one in first.signatures] == [64, 8 + 2_420]
    dump = appliance.dump(acme)
    for _, note in published():
        kept = appliance.data.with_name("kept.checkpoint")
        kept.write_text(note)
        appliance.assert_verified(dump, "--checkpoint", kept)
    appliance.stop()
    appliance.start()
    # The start itself is published of the system ledger.
    heads = appliance.query("SELECT size FROM ledger WHERE id = 'system'")
    appliance.wait_for(
        lambda: (
            appliance.query("SELECT max(size) AS size FROM ledger_checkpoint WHERE ledger_id = 'system'")[0]["size"]
            >= heads[0]["size"]
        )
    )


def test_the_system_ledger_is_dumped_and_dated_by_the_operator(shared: Appliance, acme: Tenant, tmp_path: Path) -> None:
    note = shared.cli_json("ledger", "checkpoint", "--org", "system")["checkpoint"]
    assert note.splitlines()[0].endswith("/ledgers/system")
    assert [len(one.blob) for one in parse_checkpoint(note).signatures] == [64, 8 + 2_420]
    kept, dump = tmp_path / "system.checkpoint", tmp_path / "system.gldump"
    kept.write_text(note)
    done = shared.cli("ledger", "dump", "--org", "system", "-o", dump)
    assert done.returncode == 0, done.stderr
    shared.assert_verified(dump, "--checkpoint", kept)
    records = [json.loads(line) for line in dump.read_bytes().splitlines() if line.startswith(b'{"actor"')]
    founded = [one["body"]["organization_id"] for one in records if one["type"] == "organization.changed"]
    assert acme.id in founded
    assert records[0]["type"] == "ledger.key"
    assert records[-1]["type"] == "export"
