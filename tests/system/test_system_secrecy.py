"""What a customer sends, and what opens doors, stands nowhere in plain: not on disk, not in logs (security.md §1)."""

import base64
import json
import secrets
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.system.appliance import Appliance, Tenant
from tests.system.client import JSON, Client, question
from tests.system.conftest import Start

PASSWORD = f"correct horse {secrets.token_hex(8)}"


class Traffic(NamedTuple):
    """An appliance after traffic, stopped, with all that must not be found."""

    appliance: Appliance
    tenant: Tenant
    canaries: dict[str, str]
    errors: str


def _canaries() -> dict[str, str]:
    places = (
        "content", "argument", "argument_name", "instance", "on_behalf_of", "resource_id", "attribute", "purpose",
        "session", "subject", "system_version", "idempotency_key", "email", "query", "header", "bad_body", "path",
        "wrong_key", "agent_query", "unknown_member", "user_agent",
    )  # fmt: skip
    return {place: f"canary{secrets.token_hex(12)}" for place in places}


@pytest.fixture
def traffic(new_appliance: Start) -> Traffic:
    canaries = _canaries()
    appliance = new_appliance().start()
    password_file = appliance.data.with_name("password")
    password_file.write_text(PASSWORD)
    email = f"{canaries['email']}@acme.example"
    organization = appliance.cli_json(
        "orgs", "create", "--name", "Acme", "--owner-email", email, "--owner-password-file", password_file
    )
    key = appliance.cli_json(
        "keys", "create", "--org", organization["id"], "--name", "k", "--scopes", "govern,audit"
    )["key"]  # fmt: skip
    tenant = Tenant(organization["id"], "Acme", {"govern,audit": key})
    client = Client(appliance.port, key)
    _send(client, canaries)
    appliance.query("CHECKPOINT")
    return Traffic(appliance, tenant, canaries, appliance.errors())


def _send(client: Client, canaries: dict[str, str]) -> None:
    rich = question(
        stage="model_request",
        agent={"id": "a", "instance": canaries["instance"], "on_behalf_of": canaries["on_behalf_of"]},
        system={"id": "s", "version": canaries["system_version"]},
        action={"name": "ask", "arguments": {canaries["argument_name"]: canaries["argument"], "n": 1}},
        resource={"type": "t", "id": canaries["resource_id"], "attributes": {"note": canaries["attribute"]}},
        content=[{"role": "user", "text": f"mail {canaries['content']} to jane.doe@example.com"}],
        data_subjects=[canaries["subject"]],
        session={"id": canaries["session"]},
        purpose=canaries["purpose"],
        options={"receipt": True, "explain": True},
    )
    once = {"Idempotency-Key": canaries["idempotency_key"], "User-Agent": canaries["user_agent"]}
    for _ in range(2):
        assert client.govern(rich, {**once, "X-Any": canaries["header"]}).status == 200
    for mode in ("shadow", "dry_run"):
        assert client.govern({**rich, "options": {"mode": mode}}).status == 200
    client.ask("POST", "/v1/govern", canaries["bad_body"].encode(), JSON).problem(400, "malformed_body")
    client.govern({**rich, canaries["unknown_member"]: 1}).problem(422, "invalid_request")
    client.get(f"/v1/ledger/records?agent={canaries['agent_query']}&x={canaries['query']}")
    client.get(f"/v1/{canaries['path']}").problem(404, "not_found")
    client.get("/v1/ledger", {"X-API-Key": f"gl_{canaries['wrong_key']}"}).problem(401, "not_authenticated")
    assert client.get("/v1/ledger/dump?payloads=content,arguments,context,findings").status == 200


def _forms(text: str) -> Iterator[bytes]:
    """Yield *text* as it is, in hex, and the part of its base64 that does not depend on where it begins."""
    plain = text.encode()
    yield plain
    yield plain.hex().encode()
    yield plain[::-1]
    yield text.encode("utf-16-le")
    for shift in range(3):
        yield base64.b64encode(b"x" * shift + plain)[4:-4]


def _found(haystack: bytes, needles: dict[str, str]) -> list[str]:
    return [name for name, text in needles.items() if any(form in haystack for form in _forms(text))]


def test_content_and_credentials_stand_nowhere_in_plain(traffic: Traffic) -> None:
    appliance, key = traffic.appliance, traffic.tenant.key
    hidden = {**traffic.canaries, "key": key, "head of key": key[7:19], "tail of key": key[-12:], "password": PASSWORD}
    tables = [
        row["tablename"] for row in appliance.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ]
    assert {"ledger_record", "ledger_payload", "idempotent_answer", "api_key", "app_user"} <= set(tables)
    for table in tables:
        rows = appliance.query(f'SELECT t::text AS line FROM "{table}" t')
        # Columns of bytes are shown in hex, which is one of the forms.
        assert _found("\n".join(row["line"] for row in rows).encode(), hidden) == [], table
    assert appliance.stop() == 0
    searched = 0
    for path in appliance.data.rglob("*"):
        if path.is_file():
            contents = path.read_bytes()
            searched += len(contents)
            assert _found(contents, hidden) == [], path
    print(f"\nsearched {searched} bytes of files for {len(hidden)} secrets: none found")
    assert _found(appliance.err.read_bytes() + appliance.out.read_bytes(), hidden) == []


def test_the_search_finds_what_is_there(traffic: Traffic) -> None:
    # Otherwise the test above could pass on anything: names that are stored in plain on purpose are found by it.
    appliance = traffic.appliance
    organization = {"id": traffic.tenant.id}
    files = [path for path in (appliance.data / "postgres").rglob("*") if path.is_file()]
    assert any(_found(path.read_bytes(), organization) for path in files)
    (row,) = appliance.query("SELECT t::text AS line FROM organization t")
    assert _found(row["line"].encode(), {"name": "Acme"}) == ["name"]
    assert _found(base64.b64encode(b"12" + traffic.canaries["content"].encode() + b"34"), traffic.canaries) == [
        "content"
    ]


def test_log_lines_hold_path_latency_and_status_and_nothing_else(traffic: Traffic) -> None:
    lines = [json.loads(line) for line in traffic.errors.splitlines() if line.startswith("{")]
    assert len(lines) >= 10
    allowed = {
        "event", "level", "timestamp", "request_id", "method", "route", "status", "latency_us", "organization_id",
        "key_id",
    }  # fmt: skip
    for line in lines:
        assert set(line) <= allowed, line
        assert line["route"].startswith("/") or line["route"] == ""
    assert {line["status"] for line in lines} >= {200, 400, 401, 404, 422}
    assert "/v1/ledger/records" in {line["route"] for line in lines}


def test_payloads_come_back_through_a_disclosing_dump_only(traffic: Traffic) -> None:
    appliance, tenant, canaries = traffic.appliance, traffic.tenant, traffic.canaries
    sealed = appliance.dump(tenant).read_bytes()
    assert _found(sealed, canaries) == []
    opened = appliance.dump(tenant, "--payloads", "all").read_bytes()
    assert {"content", "argument", "argument_name", "purpose", "session", "subject", "resource_id"} <= set(
        _found(opened, canaries)
    )
    appliance.assert_verified(appliance.dump(tenant, "--payloads", "all"))
