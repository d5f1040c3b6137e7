"""API keys on a real appliance: command line and API, and over replicas (API contract §2, security.md claim 7)."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.cli.common import embedded_settings
from governlayer_server.domain.access import Role
from governlayer_server.wiring import open_appliance

from tests.fakes.appliance import user_token
from tests.system.appliance import Appliance, Tenant, signal_all
from tests.system.client import JSON, Answer, Client
from tests.system.conftest import Start
from tests.system.replicas import running_replicas

WITHIN_S = 1.0
ROUNDS = 5


def admin_token(appliance: Appliance, tenant: Tenant) -> str:
    """An access token of a new admin of *tenant*, written the way a sign-in writes it."""

    async def issue() -> str:
        settings = embedded_settings(DataDirectory.open(appliance.data))
        async with open_appliance(settings) as opened:
            parts = opened.parts
            made: Any = SimpleNamespace(
                accounts=opened.accounts, vault=parts.vault, clock=parts.clock, entropy=parts.entropy,
                tokens=parts.keys.tokens,
            )  # fmt: skip
            async with opened.accounts.tenant(UUID(tenant.id)) as one:
                organization = await one.organization()
            return await user_token(made, organization, Role.ADMIN)

    return asyncio.run(issue())


class Admin(NamedTuple):
    """What an admin asks of one server."""

    client: Client
    token: str

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", **(JSON if body is not None else {})}
        return self.client.ask(method, path, None if body is None else json.dumps(body).encode(), headers)

    def new(self, **members: object) -> dict[str, Any]:
        answer = self.ask("POST", "/v1/keys", {"name": "k", "scopes": ["audit"], **members})
        assert answer.status == 201, answer.body
        made: dict[str, Any] = answer.json()
        return made


def status_with(client: Client, key: str) -> int:
    return client.get("/v1/ledger", {"X-API-Key": key}).status


def refused_after(client: Client, key: str, answered_s: float) -> float:
    """Ask until *key* is refused; return when, after *answered_s*, the last request was sent that it opened."""
    last_s = answered_s
    while True:
        sent_s = time.monotonic()
        if status_with(client, key) == 401:
            return last_s - answered_s
        last_s = sent_s
        assert last_s - answered_s < 30, "never refused"


def new_key(appliance: Appliance, tenant: Tenant, *arguments: str) -> dict[str, Any]:
    return appliance.cli_json("keys", "create", "--org", tenant.id, "--name", "k", "--scopes", "audit", *arguments)


def test_the_operator_creates_rotates_and_revokes(shared: Appliance, acme: Tenant) -> None:
    client = Client(shared.port)
    limits = ("--expires-in", "30", "--rate-limit", "50", "--allow-ip", "127.0.0.0/8", "--allow-ip", "::1")
    made = new_key(shared, acme, *limits)
    assert (made["rate_limit"], made["allowed_ips"]) == (50, ["127.0.0.0/8", "::1/128"])
    assert made["expires_at"] > made["created_at"]
    assert status_with(client, made["key"]) == 200
    second = shared.cli_json("keys", "rotate", "--key", made["id"], "--grace", "600", "--org", acme.id)
    assert (second["id"], second["previous_valid_until"] is not None) == (made["id"], True)
    assert [status_with(client, one["key"]) for one in (made, second)] == [200, 200]
    answered_s = time.monotonic()
    third = shared.cli_json("keys", "rotate", "--key", made["id"], "--grace", "0")
    assert third["previous_valid_until"] is None
    for one in (made, second):
        assert refused_after(client, one["key"], time.monotonic()) < WITHIN_S
    assert status_with(client, third["key"]) == 200
    assert shared.cli_json("keys", "revoke", "--key", made["id"])["status"] == "revoked"
    assert refused_after(client, third["key"], time.monotonic()) < WITHIN_S
    assert shared.cli_json("keys", "revoke", "--key", made["id"])["status"] == "revoked"
    print(f"\nrotated twice and revoked in {time.monotonic() - answered_s:.1f} s of commands")
    (listed,) = [one for one in shared.cli_json("keys", "list", "--org", acme.id)["data"] if one["id"] == made["id"]]
    assert (listed["status"], "key" in listed) == ("revoked", False)
    done = shared.cli("keys", "rotate", "--key", made["id"], "--grace", "0")
    assert (done.returncode != 0, "revoked" in done.stderr) == (True, True)
    shared.assert_verified(shared.dump(acme))


def test_a_grace_ends(shared: Appliance, acme: Tenant) -> None:
    client, made = Client(shared.port), new_key(shared, acme)
    shared.cli_json("keys", "rotate", "--key", made["id"], "--grace", "2")
    ends_s = time.monotonic() + 2
    assert refused_after(client, made["key"], ends_s) < WITHIN_S


def test_people_are_told_the_next_step(shared: Appliance, acme: Tenant) -> None:
    made = shared.cli("keys", "create", "--org", "Acme", "--name", "told", "--scopes", "govern")
    key = made.stdout.strip()
    assert made.returncode == 0
    assert key not in made.stderr
    assert "next:" in made.stderr
    (row,) = [line for line in shared.cli("keys", "list", "--org", "Acme").stdout.splitlines() if line.endswith("told")]
    assert "active" in row
    assert "never used" in row
    revoked = shared.cli("keys", "revoke", "--key", row.split()[0])
    assert (revoked.returncode, revoked.stdout.split()[0]) == (0, "revoked")
    assert "next:" in revoked.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--expires-in", "1", "--expires-at", "2027-01-01T00:00:00Z"), "not both"),
        (("--expires-at", "tomorrow"), "expires_at"),
        (("--expires-at", "2020-01-01T00:00:00Z"), "expires_at"),
        (("--expires-in", "4000"), "expires-in"),
        (("--rate-limit", "0"), "rate_limit"),
        (("--rate-limit", "2001"), "2000"),
        (("--allow-ip", "10.0.0.1/8"), "10.0.0.0/8"),
        (("--allow-ip", "nowhere"), "allowed_ips"),
    ],
)
def test_what_the_operator_gets_wrong_is_said(
    shared: Appliance, acme: Tenant, arguments: tuple[str, ...], word: str
) -> None:
    before = len(shared.cli_json("keys", "list", "--org", acme.id)["data"])
    done = shared.cli("keys", "create", "--org", acme.id, "--name", "k", "--scopes", "audit", *arguments)
    assert done.returncode != 0
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert len(shared.cli_json("keys", "list", "--org", acme.id)["data"]) == before


def test_use_is_seen_after_a_moment(shared: Appliance, acme: Tenant) -> None:
    admin = Admin(Client(shared.port), admin_token(shared, acme))
    made, client = admin.new(), Client(shared.port)
    for _ in range(3):
        assert status_with(client, made["key"]) == 200
    client.ask("POST", "/v1/govern", b"{}", {**JSON, "X-API-Key": made["key"]}).problem(403, "missing_scope")
    path = f"/v1/keys/{made['id']}"

    def seen() -> dict[str, int]:
        return {one["outcome"]: one["requests"] for one in admin.ask("GET", f"{path}/events").json()["usage"]}

    shared.wait_for(lambda: sum(seen().values()) >= 4, 30)
    assert seen() == {"admitted": 3, "forbidden": 1}
    assert admin.ask("GET", path).json()["last_used_at"] > made["created_at"]


@contextmanager
def stopped_redis(appliance: Appliance) -> Iterator[None]:
    signal_all(appliance.redis(), SIGSTOP)
    try:
        yield
    finally:
        signal_all(appliance.redis(), SIGCONT)


class Scene(NamedTuple):
    """Two replicas on one database and Redis: what is changed at one is looked for at the other."""

    appliance: Appliance
    tenant: Tenant
    here: Admin
    there: Client
    errors: Path

    def measure(self, change: Callable[[str], Answer]) -> list[tuple[float, float]]:
        """Return, for some keys, how long *change* took, and how much longer the other replica let the key in."""
        found = []
        for _ in range(ROUNDS):
            made = self.here.new()
            for _ in range(3):
                assert status_with(self.there, made["key"]) == 200
            asked_s = time.monotonic()
            answer = change(made["id"])
            answered_s = time.monotonic()
            assert answer.status in {200, 204}, answer.body
            found.append((answered_s - asked_s, refused_after(self.there, made["key"], answered_s)))
        return found


@pytest.fixture
def scene(new_appliance: Start) -> Iterator[Scene]:
    appliance = new_appliance().start()
    tenant = appliance.tenant("Acme")
    token = admin_token(appliance, tenant)
    with running_replicas(appliance, 2) as (one, other):
        home = appliance.data.with_name("replicas")
        yield Scene(appliance, tenant, Admin(Client(one.port), token), Client(other.port), home)


def _told(what: str, figures: list[tuple[float, float]]) -> None:
    changes = ", ".join(f"{change * 1000:.0f}" for change, _ in figures)
    delays = ", ".join(f"{delay * 1000:.0f}" for _, delay in figures)
    print(f"\n{what}: answered after [{changes}] ms; let in elsewhere until [{delays}] ms after the answer")


def test_revoked_and_rotated_out_is_refused_by_every_replica_within_one_second(scene: Scene) -> None:
    def revoke(key_id: str) -> Answer:
        return scene.here.ask("DELETE", f"/v1/keys/{key_id}")

    def rotate(key_id: str) -> Answer:
        return scene.here.ask("POST", f"/v1/keys/{key_id}/rotate", {"grace_seconds": 0})

    for what, change in (("revoke", revoke), ("rotate", rotate)):
        figures = scene.measure(change)
        _told(what, figures)
        assert all(delay < WITHIN_S for _, delay in figures)
        with stopped_redis(scene.appliance):
            figures = scene.measure(change)
        _told(f"{what}, Redis stopped", figures)
        assert all(delay < WITHIN_S for _, delay in figures)


def test_fifty_rotations_at_once_over_two_replicas_lose_nothing(scene: Scene) -> None:
    made = scene.here.new()
    ports = [scene.here.client._connection.port, scene.there._connection.port]

    def rotate(number: int) -> Answer:
        admin = Admin(Client(ports[number % 2], timeout_s=60), scene.here.token)
        return admin.ask("POST", f"/v1/keys/{made['id']}/rotate", {"grace_seconds": 600})

    async def at_once() -> list[Answer]:
        return list(await asyncio.gather(*(asyncio.to_thread(rotate, number) for number in range(50))))

    answers = asyncio.run(at_once())
    keys = [answer.json()["key"] for answer in answers if answer.status == 200]
    assert {answer.status for answer in answers} <= {200, 503}
    time.sleep(WITHIN_S)
    works = [key for key in (made["key"], *keys) if status_with(scene.there, key) == 200]
    rotated = scene.here.ask("GET", f"/v1/keys/{made['id']}/events").json()["data"][1:]
    print(f"\n50 rotations at once: {len(keys)} answered 200, {len(rotated)} events, {len(works)} secrets work")
    assert len(rotated) >= len(keys)
    assert 1 <= len(works) <= 2
    if len(keys) == 50:
        assert (len(rotated), len(works)) == (50, 2)


def test_no_part_of_a_key_is_stored_or_logged(scene: Scene) -> None:
    once = {"Authorization": f"Bearer {scene.here.token}", "Idempotency-Key": "one", **JSON}
    body = json.dumps({"name": "k", "scopes": ["audit"]}).encode()
    made = [scene.here.client.ask("POST", "/v1/keys", body, once) for _ in range(2)]
    assert made[0].body == made[1].body
    assert made[1].header("Idempotency-Replayed") == "true"
    assert made[0].header("Cache-Control") == "no-store"
    first = made[0].json()
    second = scene.here.ask("POST", f"/v1/keys/{first['id']}/rotate", {"grace_seconds": 60}).json()
    keys = [first["key"], second["key"], scene.tenant.key]
    for key in keys:
        status_with(scene.there, key)
        scene.there.get("/v1/ledger", {"X-API-Key": key[:-1]}).problem(401, "not_authenticated")
        scene.there.get("/v1/ledger", {"X-API-Key": key, "Authorization": f"Bearer {key[:-1]}0"})
    scene.here.ask("DELETE", f"/v1/keys/{first['id']}")
    pieces = {key[start : start + 12] for key in keys for start in range(len(key) - 11)}
    forms = [form for piece in pieces for form in (piece.encode(), piece.encode().hex().encode())]
    tables = [row[0] for row in scene.appliance.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    stored = b""
    for table in tables:
        rows = scene.appliance.query(f'SELECT t::text AS line FROM "{table}" t')
        stored += "\n".join(row["line"] for row in rows).encode()
    logged = b"".join(path.read_bytes() for path in scene.errors.glob("*.err")) + scene.appliance.errors().encode()
    assert b"/v1/keys/{key_id" in logged
    assert first["id"].encode() in stored
    for where, haystack in (("database", stored), ("logs", logged)):
        assert not any(form in haystack for form in forms), where
    print(f"\nsearched {len(stored)} bytes of rows, {len(logged)} of logs for {len(forms)} pieces: none found")
