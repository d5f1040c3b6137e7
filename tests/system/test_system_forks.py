"""A ledger that is set back or altered on purpose, with real processes: who finds it, and how it goes on (claim 1)."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system.appliance import GL_VERIFY, Appliance, Tenant
from tests.system.client import Client, question
from tests.system.conftest import Start
from tests.system.witness import WitnessProcess


def decide(appliance: Appliance, tenant: Tenant, times: int) -> None:
    client = Client(appliance.port, tenant.key)
    for _ in range(times):
        assert client.govern(question()).status == 200
    client.close()


def checkpoint(appliance: Appliance, tenant: Tenant, path: Path) -> Path:
    done = appliance.cli("ledger", "checkpoint", "--org", tenant.id)
    assert done.returncode == 0, done.stderr
    path.write_text(done.stdout)
    return path


def copy_of(appliance: Appliance) -> Path:
    """Stop the appliance, and return a copy of its data directory."""
    assert appliance.stop() == 0
    copy = appliance.data.with_name("copy")
    subprocess.run(["cp", "-a", appliance.data, copy], check=True)
    return copy


def put_back(appliance: Appliance, copy: Path) -> None:
    """Stop the appliance, and put the copy in the place of its data directory."""
    assert appliance.stop() == 0
    shutil.rmtree(appliance.data)
    copy.rename(appliance.data)


def verify(dump: Path, key: str, kept: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [GL_VERIFY, dump, "--key", key, "--checkpoint", kept], capture_output=True, text=True, check=False, timeout=120
    )


def failed_step(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 1, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def test_an_older_copy_is_closed_by_the_checkpoints_outside_and_goes_on_once_owned_up_to(
    new_appliance: Start, tmp_path: Path
) -> None:
    appliance = new_appliance()
    outside = appliance.data.with_name("outside")
    outside.mkdir()
    appliance.environment["GOVERNLAYER_CHECKPOINT_DIR"] = str(outside)
    appliance.start()
    tenant = appliance.tenant("Acme")
    decide(appliance, tenant, 3)
    copy = copy_of(appliance)
    appliance.start()
    decide(appliance, tenant, 4)
    lost = checkpoint(appliance, tenant, tmp_path / "lost.txt")
    size = int(lost.read_text().splitlines()[1])
    appliance.wait_for(lambda: list(outside.glob(f"*/{size}.note")))
    put_back(appliance, copy)

    appliance.start()
    client = Client(appliance.port, tenant.key)
    client.govern(question()).problem(503, "ledger_refused")
    assert "decision" not in client.govern(question(), {"Idempotency-Key": "one"}).json()
    assert client.get("/readyz").json() == {"status": "ok", "degraded": ["ledgers"]}
    assert client.get("/v1/ledger/checkpoint").status == 503
    doctor = appliance.cli("doctor", "--json")
    ledgers = {one["name"]: one for one in json.loads(doctor.stdout)["checks"]}["ledgers"]
    assert (doctor.returncode, ledgers["ok"]) == (1, False)
    assert tenant.id in ledgers["detail"]
    assert "accept-restore" in ledgers["mend"]
    evidence = json.loads(next(appliance.data.glob(f"evidence/{tenant.id}-*.json")).read_text())
    assert {one["step"] for one in evidence["findings"]} == {"checkpoint_outside"}
    assert [one["note"].splitlines()[1] for one in evidence["kept"] if one["place"] == "checkpoint_outside"] == [
        str(size)
    ]
    assert appliance.cli("ledger", "fsck", "--org", tenant.id).returncode == 0, "by itself it is whole"

    assert appliance.cli("ledger", "accept-restore", "--org", tenant.id).returncode == 2
    for org in ("system", tenant.id):
        done = appliance.cli("ledger", "accept-restore", "--org", org, "--yes-records-are-lost")
        assert done.returncode == 0, done.stderr
    appliance.wait_for(lambda: Client(appliance.port, tenant.key).govern(question()).status == 200, 20)
    assert appliance.stop() == 0
    appliance.start()
    decide(appliance, tenant, 5)
    dump = appliance.dump(tenant)
    restores = [one for line in dump.read_text().splitlines() if (one := json.loads(line)).get("type") == "restore"]
    assert [one["body"]["lost"].splitlines()[1] for one in restores] == [str(size)]
    appliance.assert_verified(dump)
    assert "9" in failed_step(appliance.verify(dump, "--checkpoint", lost)), "the lost records are not forgiven"


def test_two_histories_are_told_apart_by_any_checkpoint_of_the_other_and_by_a_witness(
    new_appliance: Start, tmp_path: Path
) -> None:
    """Without anything outside, a whole directory that is put back agrees with itself: others have to tell."""
    appliance = new_appliance().start()
    tenant, key = appliance.tenant("Acme"), appliance.ledger_key()
    witness = WitnessProcess(tmp_path / "witness", key).start()
    try:
        appliance.environment["GOVERNLAYER_WITNESSES"] = witness.setting
        copy = copy_of(appliance)
        appliance.start()
        decide(appliance, tenant, 4)
        first = checkpoint(appliance, tenant, tmp_path / "first.txt")
        appliance.wait_for(lambda: cosigned(appliance, tenant), 30)
        first_dump = appliance.dump(tenant).rename(tmp_path / "first.gldump")
        put_back(appliance, copy)

        appliance.start()
        decide(appliance, tenant, 9)
        second = checkpoint(appliance, tenant, tmp_path / "second.txt")
        second_dump = appliance.dump(tenant)
        appliance.wait_for(lambda: "ledger.fork" in appliance.errors(), 30)
        assert not cosigned(appliance, tenant), "the witness lends its name to one history only"
        for dump, kept in ((first_dump, second), (second_dump, first)):
            failed_step(verify(dump, key, kept))
        for dump, kept in ((first_dump, first), (second_dump, second)):
            assert verify(dump, key, kept).returncode == 0
    finally:
        witness.kill()


def cosigned(appliance: Appliance, tenant: Tenant) -> bool:
    client = Client(appliance.port, tenant.key)
    answer = client.get("/v1/ledger/checkpoint?cosigned=true")
    client.close()
    return answer.status == 200


@pytest.mark.parametrize(
    ("attack", "step"),
    [
        ("UPDATE ledger_record SET canonical = canonical || ' ' WHERE ledger_id = '{id}' AND seq = 3", "hash"),
        ("DELETE FROM ledger_record WHERE ledger_id = '{id}' AND seq >= 3", "head"),
        ("UPDATE ledger SET size = 3 WHERE id = '{id}'", "head"),
    ],
)
def test_what_a_superuser_did_meanwhile_closes_the_ledger_at_the_next_start(
    new_appliance: Start, attack: str, step: str
) -> None:
    appliance = new_appliance().start()
    tenant, other = appliance.tenant("Acme"), appliance.tenant("Other")
    decide(appliance, tenant, 3)
    for table in ("ledger", "ledger_record"):
        appliance.query(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    appliance.query(attack.format(id=tenant.id))
    assert appliance.stop() == 0
    done = appliance.cli("ledger", "fsck", "--all", "--json")
    assert done.returncode == 1, "on the stopped appliance"
    unsound = {one["ledger_id"]: one for one in json.loads(done.stdout)["ledgers"] if not one["sound"]}
    assert unsound.keys() == {tenant.id}
    assert step in unsound[tenant.id]["counts"]
    appliance.start()
    Client(appliance.port, tenant.key).govern(question()).problem(503, "ledger_refused")
    decide(appliance, other, 1)
    refused = appliance.cli("ledger", "accept-restore", "--org", tenant.id, "--yes-records-are-lost")
    assert (refused.returncode, "damaged" in refused.stderr) == (1, True)
    assert f"ledger {tenant.id} is CLOSED" in appliance.errors()
