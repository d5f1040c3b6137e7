"""Who may do what: keys, scopes, headers, and organizations that never see each other (API contract §1, §2)."""

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.system.appliance import Appliance, Tenant
from tests.system.client import Answer, Client, question

AUDIT_PATHS = (
    "/v1/ledger",
    "/v1/ledger/records",
    "/v1/ledger/records/0",
    "/v1/ledger/checkpoint",
    "/v1/ledger/dump",
)
PAGES = ("/docs", "/setup", "/join", "/reset")
PUBLIC_PATHS = ("/livez", "/readyz", "/.well-known/governlayer", "/openapi.json", *PAGES, "/problems/not_found")
# A replica keeps a principal for half a second; what is changed behind its back shows then.
KEPT_S = 0.7
UNKNOWN_KEY = "gl_0000000000000000000000000000001bh4Mj"  # well formed, and of nobody


@pytest.fixture
def nobody(shared: Appliance) -> Iterator[Client]:
    one = Client(shared.port)
    yield one
    one.close()


def _asked(client: Client, headers: dict[str, str | bytes]) -> list[Answer]:
    return [client.govern(question(), headers), *(client.get(path, headers) for path in AUDIT_PATHS)]


def test_without_a_valid_key_there_is_one_answer_for_all(nobody: Client, acme: Tenant, client: Client) -> None:
    before = client.size()
    flipped = acme.key[:-1] + ("0" if acme.key[-1] != "0" else "1")
    other = acme.key[:10] + ("0" if acme.key[10] != "0" else "1") + acme.key[11:]
    wrong: list[dict[str, str | bytes]] = [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": UNKNOWN_KEY},
        {"X-API-Key": flipped},
        {"X-API-Key": other},
        {"X-API-Key": acme.key.lower()},
        {"X-API-Key": acme.key[:-1]},
        {"X-API-Key": acme.key + "0"},
        {"X-API-Key": acme.key + ", " + acme.key},
        {"X-API-Key": b"gl_" + "é".encode() * 18},
        {"X-API-Key": "Bearer " + acme.key},
        {"Authorization": acme.key},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer " + UNKNOWN_KEY},
        {"Authorization": "Basic " + acme.key},
        {"Authorization": "Digest x", "X-API-Key": acme.key},
        {"Cookie": f"key={acme.key}; X-API-Key={acme.key}"},
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    ]  # fmt: skip
    said = set()
    for headers in wrong:
        for answer in _asked(nobody, headers):
            document = answer.problem(401, "not_authenticated")
            assert answer.header("WWW-Authenticate").startswith("Bearer")
            if headers.get("X-API-Key"):
                said.add(document["detail"])
    assert len(said) == 1, said
    assert client.size() == before


def test_a_key_in_the_query_is_no_credential(nobody: Client, acme: Tenant) -> None:
    for name in ("key", "api_key", "access_token", "X-API-Key", "authorization"):
        for path in ("/v1/ledger", "/v1/ledger/dump"):
            nobody.get(f"{path}?{name}={acme.key}").problem(401, "not_authenticated")


def test_both_headers_are_accepted_and_may_agree(nobody: Client, acme: Tenant) -> None:
    accepted: tuple[dict[str, str | bytes], ...] = (
        {"X-API-Key": acme.key},
        {"x-api-key": f"  {acme.key} "},
        {"Authorization": f"Bearer {acme.key}"},
        {"Authorization": f"bearer  {acme.key}"},
        {"Authorization": f"Bearer {acme.key}", "X-API-Key": acme.key},
    )
    for headers in accepted:
        assert [answer.status for answer in _asked(nobody, headers)] == [200] * 6, headers


def test_two_different_keys_are_refused_even_of_one_organization(nobody: Client, acme: Tenant) -> None:
    both: dict[str, str | bytes] = {"Authorization": f"Bearer {acme.key}", "X-API-Key": acme.keys["govern"]}
    for answer in _asked(nobody, both):
        answer.problem(400, "ambiguous_credentials")


def test_a_missing_scope_is_refused_on_every_route(nobody: Client, acme: Tenant, client: Client) -> None:
    before = client.size()
    for scope in ("govern", "audit", "scan", "risk"):
        govern, *audit = _asked(nobody, {"X-API-Key": acme.keys[scope]})
        # A checkpoint holds hashes only: an agent's own SDK keeps watch with it.
        needed = [("audit", "govern") if path.endswith("/checkpoint") else ("audit",) for path in AUDIT_PATHS]
        for answer, either in ((govern, ("govern",)), *zip(audit, needed, strict=True)):
            if scope in either:
                assert answer.status == 200
            else:
                assert either[0] in answer.problem(403, "missing_scope")["detail"]
    # One decision by the key for it, one dump by the key for it: two records.
    assert client.size() == before + 2


def test_public_routes_need_no_key_and_take_no_harm_from_a_wrong_one(nobody: Client) -> None:
    for path in PUBLIC_PATHS:
        assert nobody.get(path).status == 200
        assert nobody.get(path, {"X-API-Key": "nonsense"}).status == 200


def test_organizations_see_their_own_ledger_only(shared: Appliance, acme: Tenant, umbrella: Tenant) -> None:
    ours, theirs = Client(shared.port, acme.key), Client(shared.port, umbrella.key)
    mark = f"umbrella-{uuid4()}"
    decision = theirs.govern(question(agent={"id": mark}), {"Idempotency-Key": "shared-key"}).json()
    assert decision["ledger"]["origin"].endswith(umbrella.id)
    states = [client.get("/v1/ledger").json() for client in (ours, theirs)]
    assert states[0]["origin"] != states[1]["origin"]
    assert states[0]["genesis_hash"] != states[1]["genesis_hash"]
    for path in (f"/v1/ledger/records?limit=200&agent={mark}", "/v1/ledger/records?limit=200", "/v1/ledger/dump"):
        seen = ours.get(path)
        assert seen.status == 200
        for foreign in (mark, umbrella.id, decision["decision_id"], decision["ledger"]["hash"]):
            assert foreign.encode() not in seen.body, path
    assert mark.encode() in theirs.get("/v1/ledger/dump").body


def test_an_idempotency_key_of_another_organization_means_nothing(
    shared: Appliance, acme: Tenant, umbrella: Tenant
) -> None:
    once = {"Idempotency-Key": str(uuid4())}
    answers = [Client(shared.port, tenant.key).govern(question(), once) for tenant in (acme, umbrella)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[1].all("Idempotency-Replayed") == []
    first, second = (answer.json() for answer in answers)
    assert first["decision_id"] != second["decision_id"]
    assert first["ledger"]["origin"] != second["ledger"]["origin"]


def test_a_record_that_another_organization_has_is_as_absent_as_one_that_nobody_has(
    shared: Appliance, acme: Tenant, umbrella: Tenant
) -> None:
    ours, theirs = Client(shared.port, acme.key), Client(shared.port, umbrella.key)
    while theirs.size() <= ours.size():
        theirs.govern(question())
    absent = [ours.get(f"/v1/ledger/records/{seq}") for seq in (theirs.size() - 1, 2**53 - 1)]
    documents = [answer.problem(404, "not_found") for answer in absent]
    assert documents[0]["detail"] == documents[1]["detail"]


def test_a_new_key_is_shown_once_and_listed_without_itself(shared: Appliance, acme: Tenant) -> None:
    listed = shared.cli_json("keys", "list", "--org", acme.id)["data"]
    assert {tuple(key["scopes"]) for key in listed} >= {("audit", "govern"), ("govern",)}
    for key in listed:
        assert set(key) >= {"id", "name", "prefix", "scopes", "created_at"}
        assert "key" not in key
        assert len(key["prefix"]) <= 7
    # Other tests of this appliance make keys for the organization too.
    for real in acme.keys.values():
        assert any(real.startswith(key["prefix"]) for key in listed)
    plain = shared.cli("keys", "list", "--org", acme.name)
    for text in (str(listed), plain.stdout, plain.stderr):
        assert not any(real[7:] in text for real in acme.keys.values())


def test_what_the_operator_gets_wrong_is_said_and_changes_nothing(
    shared: Appliance, acme: Tenant, client: Client
) -> None:
    wrong = [
        ("keys", "create", "--org", "Acme", "--name", "k", "--scopes", "admin"),
        ("keys", "create", "--org", "Acme", "--name", "k", "--scopes", ""),
        ("keys", "create", "--org", "nobody", "--name", "k", "--scopes", "govern"),
        ("keys", "create", "--org", "Acme", "--name", "", "--scopes", "govern"),
        ("orgs", "create", "--name", "Acme", "--owner-email", "new@acme.example"),
        ("orgs", "create", "--name", "New", "--owner-email", "owner@acme.example"),
        ("orgs", "create", "--name", "New", "--owner-email", "OWNER@ACME.example"),
        ("orgs", "create", "--name", "New", "--owner-email", "no address"),
        ("orgs", "create", "--name", "New\n", "--owner-email", "new@acme.example"),
        ("orgs", "create", "--name", "New", "--owner-email", "new@acme.example", "--plan", "gold"),
        ("ledger", "dump", "--org", "nobody"),
    ]
    before = client.size(), shared.cli("orgs", "list").stdout
    for arguments in wrong:
        done = shared.cli(*arguments)
        assert done.returncode in {1, 2}, arguments
        assert done.stdout == "", arguments
        assert done.stderr, arguments
        assert "Traceback" not in done.stderr, arguments
    client.close()  # the commands took longer than the server keeps a connection that nobody uses
    assert (client.size(), shared.cli("orgs", "list").stdout) == before


@pytest.mark.parametrize(
    "widened",
    [
        "scopes = ARRAY['govern', 'audit', 'scan', 'risk']",
        "scopes = scopes, expires_us = 9007199254740991",
        "organization_id = (SELECT id FROM organization WHERE name = 'Acme')",
        "seal = ''",
    ],
)
def test_a_key_that_was_changed_in_the_table_opens_nothing(shared: Appliance, acme: Tenant, widened: str) -> None:
    organization = shared.tenant(f"Sealed-{uuid4()}", "govern")
    client = Client(shared.port, organization.keys["govern"])
    assert client.govern(question()).status == 200
    before = Client(shared.port, acme.key).size()
    shared.query(
        f"UPDATE api_key SET {widened} WHERE organization_id = '{organization.id}' AND scopes = ARRAY['govern']"
    )
    time.sleep(KEPT_S)
    for answer in _asked(client, {}):
        answer.problem(401, "not_authenticated")
    assert Client(shared.port, acme.key).size() == before
    assert Client(shared.port, organization.key).govern(question()).status == 200
