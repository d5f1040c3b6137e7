"""
`governlayer backup` and `restore` as an operator runs them: beside decisions, killed, on another machine.

One appliance for all of it: each step begins with what the one before left.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.canaries import Canaries, Search
from tests.system.appliance import GOVERNLAYER, Appliance, Tenant
from tests.system.client import JSON, Client, question
from tests.system.conftest import appliance_in_new_place
from tests.system.writers import Writer

PASSPHRASE, PASSWORD = "five random words are plenty", "a long password of the owner 42"
EMAIL = "owner@acme.example"
LIMIT_S = 60.0


class Site:
    """An appliance, the destination of its backups, and the directory that one is restored to."""

    def __init__(self, appliance: Appliance) -> None:
        self.appliance = appliance
        place = appliance.data.parent
        self.to, self.new = place / "backups", Appliance(place / "new")
        self.passphrase = place / "passphrase"
        self.passphrase.write_text(PASSPHRASE, "utf-8")
        self.passphrase.chmod(0o600)
        self.canaries = Canaries()
        password = place / "password"
        password.write_text(PASSWORD, "utf-8")
        made = appliance.cli_json(
            "orgs", "create", "--name", "Acme", "--plan", "enterprise", "--owner-email", EMAIL,
            "--owner-password-file", password,
        )  # fmt: skip
        key = appliance.cli_json("keys", "create", "--org", made["id"], "--name", "k", "--scopes", "govern,audit")
        self.acme = Tenant(made["id"], "Acme", {"govern,audit": key["key"]})

    def decide(self, count: int) -> None:
        client = Client(self.appliance.port, self.acme.key)
        for number in range(count):
            text = self.canaries.new(f"content {number}")
            subject = self.canaries.new(f"data subject {number}")
            asked = question(content=[{"role": "user", "text": text}], data_subjects=[subject])
            assert client.govern(asked).status == 200
        client.close()

    def launch(self, *arguments: str | Path) -> "subprocess.Popen[str]":
        """Start `governlayer …`; it knows the destination and the passphrase, and no appliance but the one named."""
        environment = {
            "HOME": str(self.appliance.data.parent),
            "PATH": os.environ["PATH"],
            "GOVERNLAYER_BACKUP_TO": str(self.to),
            "GOVERNLAYER_BACKUP_PASSPHRASE_FILE": str(self.passphrase),
        }
        return subprocess.Popen(
            [GOVERNLAYER, *arguments, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def run(self, *arguments: str | Path, status: int = 0) -> Any:
        """Run `governlayer …` to its end; return what it printed, or what it said where it fails."""
        done = self.launch(*arguments)
        out, err = done.communicate(timeout=LIMIT_S)
        assert done.returncode == status, out + err
        return json.loads(out) if out else err

    def kill_when(self, condition: Callable[[], bool], *arguments: str | Path) -> None:
        """Run `governlayer …`, and kill -9 it once *condition* holds."""
        process, deadline = self.launch(*arguments), time.monotonic() + LIMIT_S
        while not condition():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def backups(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.run("backup", "list")["data"]
        return found

    def files(self, pattern: str) -> int:
        return sum(1 for _ in self.to.glob(pattern))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with appliance_in_new_place() as appliance:
        appliance.start()
        one = Site(appliance)
        one.decide(40)
        yield one
        assert one.new.end() == []


def test_a_backup_that_is_killed_beside_decisions_is_gone_on_with(site: Site) -> None:
    data = site.appliance.data
    writer = Writer(site.appliance, site.acme.key, "online", patient=True)
    writer.start()
    try:
        site.kill_when(lambda: site.files("backups/*/parts/*") >= 12, "backup", "--data", data)
        (cut,) = site.backups()
        assert not cut["whole"]
        made = site.run("backup", "--data", data)
    finally:
        writer.stop()
        writer.join(LIMIT_S)
    assert made["id"] == cut["id"]
    assert writer.unexpected == []
    assert len(writer.acks) > 10
    assert 0 < made["ledgers"][site.acme.id] < Client(site.appliance.port, site.acme.key).size()
    verified = site.run("backup", "verify")
    assert (verified["sound"], verified["subject_keys"]) == (True, 40)
    assert site.backups()[0]["verified"]
    # At home the key-encryption key does without the passphrase.
    assert site.appliance.cli_json("backup", "verify", "--from", site.to)["sound"]


def test_nothing_in_the_destination_can_be_read(site: Site) -> None:
    for secret in ("key-encryption-key", "pepper", "jwt-secret"):
        text = (site.appliance.data / "secrets" / secret).read_bytes().strip()
        assert not any(text in file.read_bytes() for file in site.to.rglob("*") if file.is_file())
    search = Search(site.canaries)
    search.look_below("destination", site.to)
    assert search.hits == [], search
    assert search.looked_at["destination"] > 50_000
    planted = site.to / "planted"
    planted.write_text(f"x{site.canaries.mark}00003", "ascii")
    search.look_below("destination", site.to)
    assert search.hits == [("destination", site.canaries.places[3])]
    planted.unlink()


def test_a_restore_that_is_killed_serves_nothing_and_goes_on(site: Site, tmp_path: Path) -> None:
    site.decide(5)
    note = site.appliance.cli_json("ledger", "checkpoint", "--org", site.acme.id)["checkpoint"]
    lost = tmp_path / "lost.note"
    lost.write_text(note, "utf-8")
    vkey = site.appliance.ledger_key()
    assert site.appliance.stop() == 0
    new, command = site.new.data, ("restore", "--data", site.new.data, "--checkpoint", lost)
    site.kill_when((new / "postgres" / "postmaster.pid").exists, *command)
    assert "did not come to its end" in site.new.cli("doctor").stdout
    assert "did not come to its end" in site.new.cli("up", "--port", "0").stderr
    restored = site.run(*command)
    acme = restored["ledgers"][site.acme.id]
    assert restored["closed"] == []
    assert acme["lost"] == int(note.split("\n")[1]) > acme["size"]
    assert "not empty" in site.run(*command, status=1)
    site.new.start()
    client = Client(site.new.port, site.acme.key)
    assert client.govern(question()).status == 200
    signed_in = client.ask("POST", "/v1/auth/login", json.dumps({"email": EMAIL, "password": PASSWORD}).encode(), JSON)
    assert signed_in.status == 200
    assert site.new.ledger_key() == vkey
    dump = site.new.dump(site.acme, "--payloads", "all")
    site.new.assert_verified(dump)
    judged = site.new.verify(dump, "--checkpoint", lost)
    assert judged.returncode == 1
    assert f"records {acme['size']} to {acme['lost'] - 1}" in judged.stdout
