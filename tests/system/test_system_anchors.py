"""A real appliance and a real witness over TLS: what an auditor gets, what an outage costs, what a rollback shows."""

import asyncio
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from governlayer_server.domain.ledger.note import parse_checkpoint

from tests.fakes.canned_http import canned, http
from tests.fakes.timestamp_authority import OpensslAuthority
from tests.fakes.tls import Pair, server_pair
from tests.system.appliance import GOVERNLAYER, Appliance, Tenant
from tests.system.conftest import Start
from tests.system.witness import WitnessProcess

PATIENCE_S = 60.0


@contextmanager
def stamping(directory: Path) -> Iterator[tuple[OpensslAuthority, int]]:
    """A time stamp authority on loopback, and its port."""
    authority, loop, port = OpensslAuthority(directory), asyncio.new_event_loop(), list[int]()
    listening, over = threading.Event(), asyncio.Event()

    async def stamp(body: bytes) -> bytes:
        return http(200, await authority.answer(body))

    async def serve() -> None:
        async with canned(stamp) as bound:
            port.append(bound)
            listening.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    listening.wait(10)
    try:
        yield authority, port[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


class Anchored:
    """An appliance, its witness, and what is around them."""

    def __init__(self, appliance: Appliance, witness: WitnessProcess, tenant: Tenant) -> None:
        self.appliance = appliance
        self.witness = witness
        self.tenant = tenant

    def decide(self) -> None:
        answer = self.ask()
        assert answer.status_code == 200, answer.text

    def ask(self) -> httpx.Response:
        return httpx.post(
            f"{self.appliance.url}/v1/govern",
            json={"stage": "input", "agent": {"id": "a"}, "action": {"name": "chat.read"}},
            headers={"authorization": f"Bearer {self.tenant.key}"},
        )

    def checkpoint(self, *, cosigned: bool) -> httpx.Response:
        return httpx.get(
            f"{self.appliance.url}/v1/ledger/checkpoint",
            params={"cosigned": "true"} if cosigned else {},
            headers={"authorization": f"Bearer {self.tenant.key}"},
        )

    def wait_until_cosigned(self) -> str:
        """Return the cosigned note of the ledger as it stands."""
        size = parse_checkpoint(self.checkpoint(cosigned=False).text).size

        def is_cosigned() -> bool:
            answer = self.checkpoint(cosigned=True)
            return answer.status_code == 200 and parse_checkpoint(answer.text).size >= size

        self.appliance.wait_for(is_cosigned, PATIENCE_S)
        return self.checkpoint(cosigned=True).text

    def anchors(self) -> dict[str, dict[str, Any]]:
        answer = httpx.get(f"{self.appliance.url}/readyz", params={"verbose": ""})
        assert answer.status_code == 200, "no anchor makes an appliance unready"
        return {one["kind"]: one for one in answer.json()["anchors"]}


@pytest.fixture
def tls(tmp_path: Path) -> Pair:
    return server_pair(tmp_path / "tls")


@pytest.fixture
def anchored(new_appliance: Start, tmp_path: Path, tls: Pair) -> Iterator[Anchored]:
    appliance = new_appliance().start()
    tenant, key = appliance.tenant("Acme"), appliance.ledger_key()
    appliance.stop()
    options = ("--tls-certificate", tls.certificate, "--tls-key", tls.key)
    witness = WitnessProcess(tmp_path / "witness", key, options=options)
    (tmp_path / "notes").mkdir()
    # Whatever fails, the witness ends: it is nobody's child once the test is over.
    with ExitStack() as ending, stamping(tmp_path / "tsa") as (authority, port):
        ending.callback(witness.kill)
        witness.start()
        appliance.environment = {
            "GOVERNLAYER_WITNESSES": witness.setting,
            "GOVERNLAYER_ANCHOR_CA": str(tls.ca),
            "GOVERNLAYER_CHECKPOINT_DIR": str(tmp_path / "notes"),
            "GOVERNLAYER_TSA_URL": f"http://127.0.0.1:{port}",
            "GOVERNLAYER_TSA_CA": str(authority.ca),
            "GOVERNLAYER_TSA_MINUTES": "1",
        }
        appliance.start()
        yield Anchored(appliance, witness, tenant)
        appliance.stop()


def test_an_auditor_gets_what_outsiders_said(anchored: Anchored, tmp_path: Path) -> None:
    anchored.decide()
    note = anchored.wait_until_cosigned()
    kept = [parse_checkpoint(one.read_text()).text for one in (tmp_path / "notes").glob("*/*.note")]
    assert parse_checkpoint(note).text in kept
    trust = tmp_path / "trust"
    trust.write_text(f"log {anchored.appliance.ledger_key()}\nwitness w1 {anchored.witness.key}\nquorum w1\n")
    dump = anchored.appliance.dump(anchored.tenant, "--cosigned")
    anchored.appliance.assert_verified(dump, "--trust", trust)
    whole = anchored.appliance.dump(anchored.tenant)
    assert anchored.appliance.verify(whole, "--trust", trust).returncode == 1, "its end is younger than any cosignature"
    anchored.appliance.assert_verified(whole)
    assert_stamped(anchored, tmp_path)


def assert_stamped(anchored: Anchored, tmp_path: Path) -> None:
    output, ca = tmp_path / "stamps", anchored.appliance.environment["GOVERNLAYER_TSA_CA"]

    def is_stamped() -> bool:
        done = anchored.appliance.cli_json("ledger", "timestamps", "--org", anchored.tenant.id, "--output", output)
        return bool(done["timestamps"])

    anchored.appliance.wait_for(is_stamped, PATIENCE_S)
    token = next(output.glob("*.tsr"))
    checked = subprocess.run(
        ["openssl", "ts", "-verify", "-data", token.with_suffix(".txt"), "-in", token, "-CAfile", ca],
        capture_output=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    dump = anchored.appliance.dump(anchored.tenant)
    note = token.with_suffix(".note")
    anchored.appliance.assert_verified(dump, "--timestamp", token, "--tsa-ca", ca, "--checkpoint", note)


def test_without_its_witness_the_appliance_decides_and_catches_up(anchored: Anchored) -> None:
    anchored.decide()
    anchored.wait_until_cosigned()
    anchored.witness.kill()
    anchored.decide()
    anchored.appliance.wait_for(lambda: anchored.anchors()["witness"]["fault"] == "unreachable", PATIENCE_S)
    anchored.decide()
    anchored.witness.start()
    anchored.wait_until_cosigned()
    assert anchored.anchors()["witness"]["fault"] is None


def test_a_database_put_back_is_found_by_all_that_is_outside(anchored: Anchored, tmp_path: Path) -> None:
    appliance = anchored.appliance
    appliance.stop()
    shutil.copytree(appliance.data, tmp_path / "backup", symlinks=True, ignore=shutil.ignore_patterns("*.sock", ".s.*"))
    appliance.start()
    anchored.decide()
    lost = anchored.wait_until_cosigned()
    appliance.stop()
    shutil.rmtree(appliance.data)
    shutil.copytree(tmp_path / "backup", appliance.data, symlinks=True)
    appliance.start()
    assert anchored.ask().status_code == 503, "the directory closes the ledger at once"
    appliance.wait_for(lambda: anchored.anchors()["directory"]["fault"] == "contradiction", PATIENCE_S)
    done = appliance.cli("ledger", "accept-restore", "--org", anchored.tenant.id, "--yes-records-are-lost")
    assert done.returncode == 0, done.stderr
    appliance.wait_for(lambda: anchored.ask().status_code == 200, PATIENCE_S)
    appliance.wait_for(lambda: anchored.anchors()["witness"]["fault"] == "contradiction", PATIENCE_S)
    alarms = [json.loads(line) for line in appliance.errors().splitlines() if '"ledger.fork"' in line]
    told = {alarm["component"] for alarm in alarms if alarm["organization_id"] == anchored.tenant.id}
    assert told == {"witness:witness.example.com", "directory:checkpoints"}
    note = tmp_path / "lost.note"
    note.write_text(lost)
    dump = appliance.dump(anchored.tenant)
    assert appliance.verify(dump, "--checkpoint", note).returncode == 1


def test_a_witness_refuses_to_be_open_to_others_without_tls(tmp_path: Path) -> None:
    key = "gl.example.com+374391ee+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    base = [GOVERNLAYER, "ledger", "witness", "--directory", tmp_path / "w", "--name", "w.example.com"]
    for arguments, named in (
        (["--log", key, "--host", "0.0.0.0"], "TLS"),
        ([], "--log"),
        (["--log", "nonsense"], "verifier key"),
        (["--logs", tmp_path / "missing"], "missing"),
    ):
        done = subprocess.run([*base, *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert named in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not (tmp_path / "w").exists()
