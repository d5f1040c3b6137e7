"""Keys and secrets are rotated while people sign in and agents ask: nobody notices, and kill -9 stops none of it."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.system.appliance import Appliance
from tests.system.client import Client
from tests.system.conftest import Start
from tests.system.test_system_sign_in import Person, login, person, post
from tests.system.writers import Writer

# Sign-ins of one account and acts of one user are limited by the minute.
_PAUSE_S = 3.0
ROOT = Path(__file__).parents[2]
KINDS = ("data", "master", "pepper", "jwt")


def rotate(appliance: Appliance, kind: str, times: int = 1_000) -> dict[str, Any]:
    """Rotate by processes that are killed behind every step; return how many, and whether one came through."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.system.killed_rotation", appliance.data, kind, str(times)],
        cwd=ROOT, env={**os.environ, "HOME": str(appliance.data.parent)}, capture_output=True, text=True, timeout=180,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


class Visitor(threading.Thread):
    """Signs in, reads and refreshes, again and again; ``failed`` is every answer but 200."""

    def __init__(self, appliance: Appliance, who: Person) -> None:
        super().__init__(daemon=True)
        self.failed: list[str] = []
        self.visits = 0
        self._appliance, self._who = appliance, who
        self.ended = threading.Event()

    def run(self) -> None:
        client = Client(self._appliance.port)
        while not self.ended.is_set():
            signed_in = login(client, self._who)
            self._note(signed_in.status)
            tokens = signed_in.json()
            read = client.get("/v1/users", headers={"Authorization": f"Bearer {tokens['access_token']}"})
            self._note(read.status)
            self._note(post(client, "/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}).status)
            self.visits += 1
            self.ended.wait(_PAUSE_S)
        client.close()

    def _note(self, status: int) -> None:
        if status != 200:
            self.failed.append(str(status))


def test_every_rotation_under_load_is_killed_at_every_step_and_no_request_fails(new_appliance: Start) -> None:
    appliance = new_appliance().start()
    ann, acme = person(appliance), appliance.tenant("Acme")
    visitor = Visitor(appliance, ann)
    writers = [Writer(appliance, acme.key, f"w{number}", patient=False) for number in range(2)]
    for one in (visitor, *writers):
        one.start()
    kills = {}
    for kind in KINDS:
        told = rotate(appliance, kind)
        assert told["through"], kind
        kills[kind] = told["kills"]
    visitor.ended.set()
    for writer in writers:
        writer.stop()
    for one in (visitor, *writers):
        one.join(30)
    assert visitor.failed == []
    assert visitor.visits > 0
    for writer in writers:
        assert (writer.unexpected, writer.given_up, set(writer.outcomes)) == ([], set(), {"200"})
    print(
        f"rotations under load: killed {sum(kills.values())} times ({kills}); {visitor.visits} visits and "
        f"{sum(len(writer.acks) for writer in writers)} decisions beside them, 0 failed"
    )
    assert min(kills.values()) >= 2
    appliance.assert_verified(appliance.dump(acme))
    again = writers[0].again(writers[0].acks[0])
    assert again.json()["decision_id"] == writers[0].acks[0].decision_id, "the answer is kept across all of them"
