"""
What was erased is gone from the machine, the ledger still verifies, and kill -9 leaves nothing half done.

The search knows what it looks for: wrapped keys and ciphertexts as they stood in the database before.
"""

import base64
import json
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.appliance import Appliance, Tenant
from tests.system.client import Client, question
from tests.system.conftest import appliance_in_new_place

BASIS = "GDPR Art. 17(1)(a)"
# `governlayer` that is killed when it comes to the nth step of an erasure, for the steps that there are.
KILLED = """
import os, signal, sys
from governlayer_server.adapters.postgres import erasures, vacuum
from governlayer_server.adapters.system import tombstone_directory
steps = [
    (erasures.PostgresHeldLedger, "destroy_payloads"), (erasures.PostgresHeldLedger, "append"),
    (erasures.PostgresHeldLedger, "keep"), (tombstone_directory.TombstoneDirectory, "add"),
    (erasures.PostgresErasures, "open_ledgers"), (vacuum, "_drop_log"), (erasures.PostgresErasures, "note_vacuumed"),
]
owner, name = steps[int(sys.argv.pop(1))]
work = getattr(owner, name)
async def killed(*given, **named):
    result = await work(*given, **named)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, name, killed)
from governlayer_server.cli import main
main()
"""
STEPS = 7


NAMES = "arguments,content,context,findings"
SUBJECTS = "SELECT wrapped FROM subject_key"


@pytest.fixture(scope="module")
def appliance() -> Iterator[Appliance]:
    with appliance_in_new_place() as made:
        yield made.start()


@pytest.fixture(scope="module")
def acme(appliance: Appliance) -> Tenant:
    return appliance.tenant("Acme")


def decide(appliance: Appliance, tenant: Tenant, *names: str, times: int = 1) -> list[str]:
    client = Client(appliance.port, tenant.key)
    asked = question(data_subjects=list(names), content=[{"role": "user", "text": "about somebody " * 20}])
    try:
        return [
            client.govern(asked, {"Idempotency-Key": f"{'-'.join(names)}-{n}"}).json()["decision_id"]
            for n in range(times)
        ]
    finally:
        client.close()


def stored(appliance: Appliance, sql: str) -> list[bytes]:
    found = [bytes(row[0]) for row in appliance.query(sql)]
    assert found
    return found


def hits(appliance: Appliance, wanted: list[bytes]) -> list[str]:
    """Return the files of the data directory that hold one of *wanted*, as it is, as hex, or as base64."""
    forms = [form for one in wanted for form in (one, one.hex().encode(), base64.b64encode(one)[:-4])]
    contents = {path: path.read_bytes() for path in appliance.data.rglob("*") if path.is_file()}
    return [str(path.relative_to(appliance.data)) for path, held in contents.items() if any(f in held for f in forms)]


def erase(appliance: Appliance, tenant: Tenant, *arguments: str) -> dict[str, Any]:
    return appliance.cli_json("erase", "--org", tenant.id, "--basis", BASIS, "--yes", *arguments)


def assert_sound(appliance: Appliance, tenant: Tenant, *arguments: str) -> Path:
    """The dump with all payloads verifies, and so does what is stored; return the dump."""
    dump = appliance.dump(tenant, "--payloads", NAMES)
    appliance.assert_verified(dump, *arguments)
    fsck = appliance.cli("ledger", "fsck", "--org", tenant.id)
    assert fsck.returncode == 0, fsck.stdout + fsck.stderr
    return dump


def with_payloads(dump: Path) -> set[int]:
    lines = [json.loads(line) for line in dump.read_bytes().splitlines()]
    return {line["payload"]["seq"] for line in lines if "payload" in line}


def test_nothing_that_was_erased_is_left_in_any_file_of_the_appliance(appliance: Appliance, acme: Tenant) -> None:
    decide(appliance, acme, "bob", times=3)
    bobs = stored(appliance, SUBJECTS)
    decide(appliance, acme, "ann@example.com", times=5)
    decide(appliance, acme, "ann@example.com", "bob")
    (lonely,) = decide(appliance, acme)
    anns = [one for one in stored(appliance, SUBJECTS) if one not in bobs]
    decision = stored(
        appliance,
        "SELECT substr(p.sealed, 7) FROM ledger_payload p JOIN ledger_record r USING (ledger_id, seq) "
        f"WHERE r.record_id = '{lonely}' UNION ALL SELECT substr(sealed, 7) FROM idempotent_answer "
        f"WHERE record_id = '{lonely}'",
    )
    appliance.query("ANALYZE")
    appliance.query("CHECKPOINT")
    assert hits(appliance, anns), "the search finds what is there"
    assert hits(appliance, decision)
    erased = erase(appliance, acme, "--data-subject", "ann@example.com")
    assert (erased["records"], erased["kind"]) == (6, "subject")
    erase(appliance, acme, "--decision", lonely, "--vacuum")
    certificate = appliance.data.with_name("erased.txt")
    certificate.write_text(erased["certificate"], encoding="utf-8")
    assert with_payloads(assert_sound(appliance, acme, "--certificate", str(certificate))) == {3, 4, 5}
    assert appliance.stop() == 0
    assert hits(appliance, anns) == []
    assert hits(appliance, decision) == []
    assert hits(appliance, bobs) != [], "and of others nothing was lost"
    appliance.start()
    (file,) = (one for one in (appliance.data / "tombstones").iterdir() if erased["id"] in one.name)
    assert b"ann" not in file.read_bytes()
    again = erase(appliance, acme, "--data-subject", "ann@example.com")
    assert again["certificate"] == erased["certificate"]
    assert again["remnants_removed_at"] is not None


def test_a_removed_row_alone_would_leave_its_key_in_the_files(appliance: Appliance, acme: Tenant) -> None:
    """What the search would find if tables were not rewritten and the log not let go of."""
    wrapped = secrets.token_bytes(80)
    appliance.query(
        "INSERT INTO subject_key (id, ledger_id, subject_index, wrapped, created_us) "
        f"VALUES (gen_random_uuid(), '{acme.id}', 'eve', '\\x{wrapped.hex()}', 1)"
    )
    appliance.query("DELETE FROM subject_key WHERE subject_index = 'eve'")
    appliance.query("CHECKPOINT")
    found = hits(appliance, [wrapped])
    assert [one for one in found if "/base/" in one]
    assert [one for one in found if "/pg_wal/" in one]


def test_an_erased_organization_leaves_nothing_and_others_everything(appliance: Appliance, acme: Tenant) -> None:
    initech = appliance.tenant("Initech")
    decide(appliance, initech, "ann", times=3)
    of_initech = f"WHERE owner = '{initech.id}'"
    keys = stored(appliance, f"SELECT wrapped FROM data_key {of_initech}")
    people = stored(appliance, f"SELECT email_sealed FROM app_user WHERE organization_id = '{initech.id}'")
    refused = appliance.cli("erase", "--org", initech.id, "--organization", "--basis", BASIS, "--yes")
    assert refused.returncode == 1
    assert "close it first" in refused.stderr
    before = appliance.dump(acme, "--payloads", NAMES).read_bytes().splitlines()
    last = json.loads(before[0])["dump"]["last"]
    assert appliance.cli("orgs", "close", "--org", initech.id, "--yes").returncode == 0
    erased = erase(appliance, initech, "--organization", "--vacuum")
    assert erased["kind"] == "organization"
    after = appliance.dump(acme, "--payloads", NAMES, "--last", str(last)).read_bytes().splitlines()
    assert after[1:] == before[1:], "of the other organization, byte for byte, the time of the dump apart"
    assert with_payloads(assert_sound(appliance, initech)) == set()
    left = appliance.query(f"SELECT name FROM organization WHERE id = '{initech.id}'")
    assert [row["name"] for row in left] == ["erased"]
    assert hits(appliance, [*keys, *people]) == []
    assert hits(appliance, [b"Initech", b"owner@initech.example"]) == []
    reopened = appliance.cli("orgs", "reopen", "--org", initech.id)
    assert (reopened.returncode, "was erased" in reopened.stderr) == (1, True)


def test_killed_at_any_step_it_is_done_or_not_and_then_can_be_done(appliance: Appliance, acme: Tenant) -> None:
    command, committed = appliance.command, []
    of_acme = f"WHERE ledger_id = '{acme.id}'"
    counts = (
        f"SELECT (SELECT count(*) FROM subject_key {of_acme}) AS keys, "
        f"(SELECT count(*) FROM ledger_record {of_acme} AND type = 'erasure') AS records, "
        f"(SELECT count(*) FROM tombstone {of_acme}) AS tombstones"
    )
    (before,) = appliance.query(counts)
    for step in range(STEPS):
        decide(appliance, acme, f"subject-{step}", times=2)
        appliance.command = (sys.executable, "-c", KILLED, str(step))
        try:
            done = appliance.cli(
                "erase", "--org", acme.id, "--data-subject", f"subject-{step}", "--basis", BASIS, "--yes"
            )
        finally:
            appliance.command = command
        assert done.returncode == -9, done.stderr
        (row,) = appliance.query(counts)
        keys, records, tombstones = (row[name] - before[name] for name in ("keys", "records", "tombstones"))
        assert records == tombstones == step + 1 - keys, f"step {step} is half done"
        committed.append(tombstones)
    assert committed == [0, 0, 0, 0, 1, 2, 3]
    listed = {one.stem for one in (appliance.data / "tombstones").glob("*.json")}
    assert {str(row["id"]) for row in appliance.query("SELECT id FROM tombstone")} <= listed
    assert erase(appliance, acme, "--data-subject", "subject-0", "--vacuum")["records"] == 2
    assert_sound(appliance, acme)
    assert appliance.query("SELECT id FROM tombstone WHERE vacuumed_us IS NULL") == []
    print(f"\nkilled at {STEPS} steps")
