"""Organizations and their members from outside: set-up, invitations, roles, closing; on a real `governlayer up`."""

import json
import signal
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.system.appliance import Appliance, Tenant
from tests.system.client import JSON, Answer, Client, question
from tests.system.conftest import Start

PASSWORD = "quiet otters vote at nine"
AT_ONCE_S = 1.0


def send(client: Client, method: str, path: str, body: object | None = None, token: str = "") -> Answer:
    given = None if body is None else json.dumps(body).encode()
    headers = {**JSON} if body is not None else {}
    return client.ask(method, path, given, {**headers, **({"Authorization": f"Bearer {token}"} if token else {})})


def register(client: Client, email: str, **members: Any) -> Answer:
    return send(client, "POST", "/v1/auth/register", {"email": email, "password": PASSWORD, **members})


def invitation_in(url: str) -> str:
    place, _, token = url.partition("#invite=")
    assert place.endswith("/setup"), "the token stands behind the #, where no server logs it"
    return token


def sign_in(client: Client, email: str) -> str:
    """Return an access token of a new session."""
    answer = send(client, "POST", "/v1/auth/login", {"email": email, "password": PASSWORD})
    assert answer.status == 200, answer.body
    return str(answer.json()["access_token"])


def wait_until_refused(client: Client, token: str) -> None:
    deadline = time.monotonic() + AT_ONCE_S
    while send(client, "GET", "/v1/me", token=token).status != 401:
        assert time.monotonic() < deadline, "the session goes on"
        time.sleep(0.05)


def started(appliance: Appliance) -> str | None:
    """Start the appliance and return its set-up link."""
    appliance.start()
    url = appliance.first_line()["setup_url"]
    assert url is None or url.startswith(appliance.url + "/setup#invite=glt_")
    return None if url is None else str(url)


def assert_nowhere(appliance: Appliance, secrets: list[str]) -> None:
    """None of *secrets* may stand in any log or file of the appliance."""
    logged = appliance.errors()
    files = [path for path in appliance.data.rglob("*") if path.is_file() and not path.is_symlink()]
    for secret in secrets:
        assert secret not in logged
        assert [path for path in files if secret.encode() in _bytes_of(path)] == []


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_from_the_set_up_link_to_a_closed_organization(new_appliance: Start) -> None:
    appliance = new_appliance()
    setup_url = started(appliance)
    assert setup_url is not None
    client = Client(appliance.port)

    founding = invitation_in(setup_url)
    made = register(client, "owner@acme.example", organization="Acme", invite=founding)
    assert made.status == 201, made.body
    organization, owner = made.json()["organization"], made.json()["user"]
    assert (organization["name"], organization["plan"], owner["role"]) == ("Acme", "free", "owner")
    register(client, "b@acme.example", organization="B", invite=founding).problem(401, "not_authenticated")
    register(client, "b@acme.example", organization="B").problem(403, "registration_closed")
    organization["plan"] = appliance.cli_json("orgs", "set-plan", "--org", "Acme", "--plan", "pro")["plan"]
    token = sign_in(client, "owner@acme.example")
    me = send(client, "GET", "/v1/me", token=token).json()
    assert (me["kind"], me["email"], me["organization"]) == ("user", "owner@acme.example", organization)

    invited = send(client, "POST", "/v1/users", {"email": "ann@acme.example", "role": "viewer"}, token)
    assert (invited.status, invited.header("Cache-Control")) == (201, "no-store")
    member = invited.json()
    register(client, "eve@acme.example", invite=member["invite"]).problem(401, "not_authenticated")
    joined = register(client, "ann@acme.example", invite=member["invite"])
    assert (joined.status, joined.json()["user"]) == (201, {"id": member["id"], "role": "viewer"})
    theirs = sign_in(client, "ann@acme.example")
    assert send(client, "GET", "/v1/users", token=theirs).problem(403, "forbidden")
    changed = send(client, "PATCH", f"/v1/users/{member['id']}", {"role": "admin"}, token)
    assert (changed.status, changed.json()["role"]) == (200, "admin")
    wait_until_refused(client, theirs)
    assert len(send(client, "GET", "/v1/users", token=token).json()["data"]) == 2
    send(client, "DELETE", f"/v1/users/{owner['id']}", token=token).problem(409, "last_owner")

    change = {"settings": {"store_payloads": "redacted", "default_decision": "require_approval"}}
    assert send(client, "PATCH", "/v1/organization", change, token).status == 200
    created = appliance.cli_json("keys", "create", "--org", "Acme", "--name", "k", "--scopes", "govern,audit")
    keyed = Client(appliance.port, created["key"])
    asked = keyed.govern(question(content=[{"role": "user", "text": "I am canary@acme.example"}]))
    assert asked.status == 200

    closed = appliance.cli_json("orgs", "close", "--org", "Acme", "--yes")
    assert closed["status"] == "closed"
    wait_until_refused(client, token)
    keyed.get("/v1/ledger").problem(401, "not_authenticated")
    assert "closed" in appliance.cli("orgs", "list").stdout
    assert appliance.cli_json("orgs", "reopen", "--org", organization["id"])["status"] == "open"
    assert keyed.get("/v1/ledger").status == 200
    wait_until_refused(client, token)

    tenant = Tenant(organization["id"], "Acme", {"govern,audit": created["key"]})
    dump = appliance.dump(tenant, "--payloads", "content")
    appliance.assert_verified(dump)
    assert b"canary@" not in dump.read_bytes()
    assert b"I am [EMAIL]" in dump.read_bytes()
    lines = [json.loads(line) for line in dump.read_bytes().splitlines()]
    events = [line["body"].get("event", "-") for line in lines if str(line.get("type")).startswith(("user", "org"))]
    assert events == [
        "created", "-", "plan_changed", "signed_in", "-", "joined", "signed_in", "role_changed", "settings_changed",
        "closed", "reopened",
    ]  # fmt: skip
    appliance.stop()
    assert started(appliance) is None
    assert_nowhere(appliance, [founding, member["invite"], token, PASSWORD, "ann@acme.example"])


def test_each_start_without_an_organization_makes_a_new_set_up_link_and_ends_the_old(new_appliance: Start) -> None:
    appliance = new_appliance()
    links = [started(appliance)]
    appliance.kill()
    appliance.wait_for(lambda: not appliance.left())
    links.append(started(appliance))
    appliance.stop(signal.SIGINT)
    links.append(started(appliance))
    tokens = [invitation_in(str(link)) for link in links]
    assert len(set(tokens)) == 3
    client = Client(appliance.port)
    for old in tokens[:-1]:
        register(client, "a@acme.example", organization="A", invite=old).problem(401, "not_authenticated")
    assert register(client, "a@acme.example", organization="A", invite=tokens[-1]).status == 201
    appliance.kill()
    appliance.wait_for(lambda: not appliance.left())
    assert started(appliance) is None
    assert_nowhere(appliance, tokens)


def test_a_set_up_link_is_good_for_nothing_after_half_an_hour_or_once_there_is_an_organization(
    new_appliance: Start,
) -> None:
    appliance = new_appliance()
    token = invitation_in(str(started(appliance)))
    client = Client(appliance.port)
    (row,) = appliance.query("SELECT * FROM one_time_token WHERE purpose = 'setup'")
    assert row["expires_us"] - row["created_us"] == 30 * 60 * 1_000_000
    appliance.query("UPDATE one_time_token SET expires_us = expires_us - 30 * 60 * 1000000 - 60000000")
    register(client, "a@acme.example", organization="A", invite=token).problem(401, "not_authenticated")
    appliance.query("UPDATE one_time_token SET expires_us = expires_us + 30 * 60 * 1000000 + 60000000")
    appliance.tenant("Acme")
    register(client, "a@acme.example", organization="A", invite=token).problem(401, "not_authenticated")
    assert appliance.query("SELECT * FROM one_time_token") == []


def test_the_operator_invites_founders_and_tells_organizations_of_one_name_apart(
    shared: Appliance, acme: Tenant
) -> None:
    client = Client(shared.port)
    name = f"Twins {uuid4()}"
    ids = []
    for number in range(2):
        invited = shared.cli_json("orgs", "invite", "--plan", "starter")
        assert set(invited) == {"invite", "plan"}
        made = register(client, f"{number}@{uuid4()}.example", organization=name, invite=invited["invite"])
        assert (made.status, made.json()["organization"]["plan"]) == (201, "starter")
        ids.append(made.json()["organization"]["id"])
    for command in (("orgs", "set-plan", "--plan", "pro"), ("orgs", "close", "--yes"), ("keys", "list")):
        done = shared.cli(*command, "--org", name)
        assert (done.returncode, done.stdout) == (1, "")
        assert all(one in done.stderr for one in ids)
    assert shared.cli_json("orgs", "set-plan", "--org", ids[0], "--plan", "pro")["id"] == ids[0]
    plans = {one["id"]: one["plan"] for one in shared.cli_json("orgs", "list")["data"]}
    assert (plans[ids[0]], plans[ids[1]]) == ("pro", "starter")


@pytest.mark.parametrize(
    "arguments", [("orgs", "close", "--org", "Acme"), ("orgs", "close", "--org", "Acme", "--json")]
)
def test_closing_asks_and_without_a_terminal_does_nothing(
    shared: Appliance, acme: Tenant, arguments: tuple[str, ...]
) -> None:
    done = shared.cli(*arguments)
    assert (done.returncode, done.stdout, "add --yes" in done.stderr) == (2, "", True)
    assert Client(shared.port, acme.key).get("/v1/ledger").status == 200
