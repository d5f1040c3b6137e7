"""The OpenAPI document is true to the letter: statuses, schemas, references."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from governlayer_server.domain.access import Rule
from governlayer_server.web.access_table import access_rules
from governlayer_server.web.problems import KINDS

from tests.server.web.conftest import Site

# What any request may be answered: not HTTP, too slow, a head too large, a fault inside.
ANY_HEALTH = {400, 408, 431, 500}
ANY = {*ANY_HEALTH, 429}
CREDENTIAL = {401, 403, 503}
BODY = {409, 413, 415, 422}
SIGN_IN = {401, 503, *BODY}
STATUSES = {
    ("post", "/v1/govern"): {200, *ANY, *CREDENTIAL, 409, 413, 415, 422},
    ("get", "/v1/ledger"): {200, *ANY, *CREDENTIAL},
    ("get", "/v1/ledger/records"): {200, *ANY, *CREDENTIAL, 422},
    ("get", "/v1/ledger/records/{seq}"): {200, *ANY, *CREDENTIAL, 404, 422},
    ("get", "/v1/ledger/records/{seq}/receipt"): {200, *ANY, *CREDENTIAL, 404, 422},
    ("get", "/v1/ledger/checkpoint"): {200, *ANY, *CREDENTIAL, 404, 422},
    ("post", "/v1/ledger/verify"): {200, *ANY, *CREDENTIAL, 409, 413, 415, 422},
    ("get", "/v1/ledger/proofs/inclusion"): {200, *ANY, *CREDENTIAL, 422},
    ("get", "/v1/ledger/proofs/consistency"): {200, *ANY, *CREDENTIAL, 422},
    ("get", "/v1/ledger/tile/{level}/{number}"): {200, *ANY, *CREDENTIAL, 404, 422},
    ("get", "/v1/ledger/tile/entries/{number}"): {200, *ANY, *CREDENTIAL, 404, 422},
    ("get", "/v1/ledger/dump"): {200, 206, *ANY, *CREDENTIAL, 422},
    ("post", "/v1/auth/register"): {201, *ANY, *CREDENTIAL, 409, 413, 415, 422},
    ("get", "/v1/me"): {200, *ANY, *CREDENTIAL},
    ("get", "/v1/users"): {200, *ANY, *CREDENTIAL, 422},
    ("post", "/v1/users"): {201, *ANY, *CREDENTIAL, 409, 413, 415, 422},
    ("get", "/v1/users/{user_id}"): {200, *ANY, *CREDENTIAL, 404, 422},
    ("patch", "/v1/users/{user_id}"): {200, *ANY, *CREDENTIAL, 404, 409, 413, 415, 422},
    ("delete", "/v1/users/{user_id}"): {204, *ANY, *CREDENTIAL, 404, 409, 422},
    ("post", "/v1/users/{user_id}/invitation"): {201, *ANY, *CREDENTIAL, 404, 409, 422},
    ("get", "/v1/organization"): {200, *ANY, *CREDENTIAL},
    ("patch", "/v1/organization"): {200, *ANY, *CREDENTIAL, 409, 413, 415, 422},
    ("get", "/v1/organization/usage"): {200, *ANY, *CREDENTIAL, 422},
    ("post", "/v1/auth/login"): {200, *ANY, *SIGN_IN},
    ("post", "/v1/auth/refresh"): {200, *ANY, *SIGN_IN},
    ("post", "/v1/auth/forgot"): {202, *ANY, *SIGN_IN},
    ("post", "/v1/auth/reset"): {204, *ANY, *SIGN_IN},
    ("post", "/v1/auth/logout"): {204, *ANY, *CREDENTIAL, *BODY},
    ("post", "/v1/auth/password"): {204, *ANY, *CREDENTIAL, *BODY},
    ("post", "/v1/auth/step-up"): {200, *ANY, *CREDENTIAL, *BODY},
    ("get", "/v1/auth/sessions"): {200, *ANY, *CREDENTIAL},
    ("delete", "/v1/auth/sessions/{session_id}"): {204, *ANY, *CREDENTIAL, 404, 422},
    ("post", "/v1/auth/totp"): {200, *ANY, *CREDENTIAL, *BODY},
    ("post", "/v1/auth/totp/confirm"): {200, *ANY, *CREDENTIAL, *BODY},
    ("delete", "/v1/auth/totp"): {204, *ANY, *CREDENTIAL, *BODY},
    ("post", "/v1/keys"): {201, *ANY, *CREDENTIAL, *BODY},
    ("get", "/v1/keys"): {200, *ANY, *CREDENTIAL, 422},
    ("get", "/v1/keys/{key_id}"): {200, *ANY, *CREDENTIAL, 404, 422},
    ("post", "/v1/keys/{key_id}/rotate"): {200, *ANY, *CREDENTIAL, 404, *BODY},
    ("delete", "/v1/keys/{key_id}"): {204, *ANY, *CREDENTIAL, 404, 422},
    ("get", "/v1/keys/{key_id}/events"): {200, *ANY, *CREDENTIAL, 404, 422},
    ("get", "/v1/privacy/processing-records"): {200, *ANY, *CREDENTIAL, 422},
    ("get", "/v1/privacy/log-keeping"): {200, *ANY, *CREDENTIAL, 422},
    ("post", "/v1/privacy/erasures"): {201, *ANY, *CREDENTIAL, 404, *BODY},
    ("get", "/v1/privacy/erasures"): {200, *ANY, *CREDENTIAL, 422},
    ("get", "/v1/privacy/erasures/{erasure_id}"): {200, *ANY, *CREDENTIAL, 404, 422},
    ("post", "/v1/privacy/legal-holds"): {201, *ANY, *CREDENTIAL, *BODY},
    ("get", "/v1/privacy/legal-holds"): {200, *ANY, *CREDENTIAL, 422},
    ("get", "/v1/privacy/legal-holds/{hold_id}"): {200, *ANY, *CREDENTIAL, 404, 422},
    ("post", "/v1/privacy/legal-holds/{hold_id}/release"): {200, *ANY, *CREDENTIAL, 404, *BODY},
    ("post", "/v1/privacy/subject-exports"): {200, *ANY, *CREDENTIAL, 404, *BODY},
    ("get", "/livez"): {200, *ANY_HEALTH},
    ("get", "/readyz"): {200, 422, 503, *ANY_HEALTH},
    ("get", "/.well-known/governlayer"): {200, *ANY},
    ("get", "/problems/{code}"): {200, *ANY, 404, 422},
    ("get", "/metrics"): {200, *ANY, 401},
    ("get", "/.well-known/security.txt"): {200, *ANY, 404},
    ("get", "/docs/security-policy"): {200, *ANY, 404},
    ("get", "/docs"): {200, *ANY},
    ("get", "/setup"): {200, *ANY},
    ("get", "/join"): {200, *ANY},
    ("get", "/reset"): {200, *ANY},
    ("get", "/static/{name}"): {200, *ANY, 404, 422},
}


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/openapi.json")
    assert answer.headers["content-type"].startswith("application/json")
    found = answer.json()
    assert isinstance(found, dict)
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): one for path, item in document["paths"].items() for method, one in item.items()}


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (item for name, item in value.items() if name == "$ref")
        yield from (found for item in value.values() for found in references(item))
    elif isinstance(value, list):
        yield from (found for item in value for found in references(item))


def followed(document: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/components/")
    place: Any = document
    for step in reference.removeprefix("#/").split("/"):
        place = place[step]
    return place


def reachable(document: dict[str, Any], start: object) -> dict[str, Any]:
    """All that *start* leads to, by reference."""
    found: dict[str, Any] = {}
    waiting = list(references(start))
    while waiting:
        reference = waiting.pop()
        if reference not in found:
            found[reference] = followed(document, reference)
            waiting.extend(references(found[reference]))
    return found


def test_every_operation_names_exactly_its_statuses(document: dict[str, Any]) -> None:
    found = {place: set(map(int, one["responses"])) for place, one in operations(document).items()}
    assert found == STATUSES


def test_every_status_that_a_problem_can_have_is_described(document: dict[str, Any]) -> None:
    # 405 is the answer to a method that is no operation.
    statuses = {kind.status for kind in KINDS.values()} - {405}
    assert {int(status) for status in document["components"]["responses"]} == statuses
    for answer in document["components"]["responses"].values():
        (media_type,) = answer["content"]
        assert media_type == "application/problem+json"
        assert answer["content"][media_type]["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_no_reference_dangles_and_no_component_is_unused(document: dict[str, Any]) -> None:
    found = reachable(document, document["paths"])
    assert {reference for reference in references(document) if reference not in found} == set()
    for kind in ("schemas", "responses", "headers"):
        assert {f"#/components/{kind}/{name}" for name in document["components"][kind]} <= set(found)


def test_answers_with_a_credential_tell_the_limits(document: dict[str, Any]) -> None:
    limits = {"RateLimit-Policy", "RateLimit"}
    for place, one in operations(document).items():
        for status, answer in one["responses"].items():
            headers = set((followed(document, answer["$ref"]) if "$ref" in answer else answer).get("headers", {}))
            if status == "429":
                assert headers == {*limits, "Retry-After"}, place
            elif status.startswith("2"):
                assert (headers & limits == limits) == ({"bearer": []} in one["security"]), place
            elif status in {"403", "404", "409", "413", "415", "422"}:
                assert headers == limits, place


def test_every_operation_names_the_credentials_that_its_rule_admits(document: dict[str, Any], site: Site) -> None:
    rules = {(method.lower(), path): rule for method, path, rule in access_rules(site.app._app)}
    for place, one in operations(document).items():
        rule = rules[place]
        if place == ("get", "/metrics"):
            expected = [{"metrics_token": []}]
        elif isinstance(rule, Rule):
            expected = [{"bearer": []}, {"api_key": []}] if rule.keys else [{"bearer": []}]
        else:
            expected = []
        assert one["security"] == expected, place
    assert operations(document)["post", "/v1/users"]["security"] == [{"bearer": []}]
    assert operations(document)["post", "/v1/govern"]["security"] == [{"bearer": []}, {"api_key": []}]


def test_request_bodies_admit_no_unknown_member(document: dict[str, Any]) -> None:
    bodies = [one["requestBody"] for one in operations(document).values() if "requestBody" in one]
    assert len(bodies) == 22
    schemas = [one for body in bodies for one in reachable(document, body).values() if one.get("type") == "object"]
    assert {one["title"] for one in schemas} >= {"ActionRequest", "Agent", "Action", "Tool", "Resource", "Options"}
    for schema in schemas:
        assert schema["additionalProperties"] is False, schema["title"]
        assert set(schema.get("required", ())) <= set(schema["properties"])


def test_answers_may_gain_members(document: dict[str, Any]) -> None:
    """More members may be added (API contract): no client may be told that there are none."""
    answers = [one["responses"] for one in operations(document).values()]
    requested = reachable(document, [one.get("requestBody") for one in operations(document).values()])
    for reference, schema in reachable(document, answers).items():
        if reference not in requested:
            assert schema.get("additionalProperties") is not False, reference


def test_identifiers_and_types_have_their_grammar(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    identifier = schemas["Agent"]["properties"]["id"]["pattern"]
    kind = schemas["Resource"]["properties"]["type"]["pattern"]
    assert "/" in identifier
    assert "/" not in kind


def test_every_parameter_is_described_where_it_is(document: dict[str, Any]) -> None:
    found = {
        place: {(one["in"], one["name"], one["required"]) for one in operation.get("parameters", ())}
        for place, operation in operations(document).items()
    }
    queries = ("after_seq", "cursor", "limit", "type", "agent", "decision", "from", "to")
    assert {place: parameters for place, parameters in found.items() if parameters} == {
        ("post", "/v1/govern"): {("header", "Idempotency-Key", False)},
        ("delete", "/v1/auth/sessions/{session_id}"): {("path", "session_id", True)},
        ("post", "/v1/keys"): {("header", "Idempotency-Key", False)},
        ("get", "/v1/keys"): {("query", "cursor", False), ("query", "limit", False)},
        **{
            (method, path): {("path", "key_id", True)}
            for method, path in (
                ("get", "/v1/keys/{key_id}"),
                ("delete", "/v1/keys/{key_id}"),
                ("get", "/v1/keys/{key_id}/events"),
            )
        },
        ("post", "/v1/privacy/erasures"): {("header", "Idempotency-Key", False)},
        ("get", "/v1/privacy/erasures"): {("query", "cursor", False), ("query", "limit", False)},
        ("get", "/v1/privacy/erasures/{erasure_id}"): {("path", "erasure_id", True)},
        ("post", "/v1/privacy/legal-holds"): {("header", "Idempotency-Key", False)},
        ("get", "/v1/privacy/legal-holds"): {("query", "cursor", False), ("query", "limit", False)},
        ("get", "/v1/privacy/legal-holds/{hold_id}"): {("path", "hold_id", True)},
        ("post", "/v1/privacy/legal-holds/{hold_id}/release"): {("path", "hold_id", True)},
        ("post", "/v1/privacy/subject-exports"): {("header", "Idempotency-Key", False)},
        ("post", "/v1/keys/{key_id}/rotate"): {("path", "key_id", True), ("header", "Idempotency-Key", False)},
        ("get", "/readyz"): {("query", name, False) for name in ("exclude", "verbose")},
        ("get", "/v1/ledger/checkpoint"): {("query", "cosigned", False)},
        ("get", "/v1/ledger/records"): {("query", name, False) for name in queries},
        ("get", "/v1/ledger/records/{seq}"): {("path", "seq", True)},
        ("get", "/v1/ledger/records/{seq}/receipt"): {("path", "seq", True), ("query", "size", False)},
        ("get", "/v1/ledger/proofs/inclusion"): {("query", "seq", True), ("query", "size", False)},
        ("get", "/v1/ledger/proofs/consistency"): {("query", "from", True), ("query", "to", False)},
        ("get", "/v1/ledger/tile/{level}/{number}"): {("path", "level", True), ("path", "number", True)},
        ("get", "/v1/ledger/tile/entries/{number}"): {("path", "number", True)},
        ("get", "/v1/ledger/dump"): {
            ("header", "Range", False),
            *(("query", name, False) for name in ("first", "last", "payloads")),
        },
        ("get", "/v1/users"): {("query", "cursor", False), ("query", "limit", False)},
        ("get", "/v1/users/{user_id}"): {("path", "user_id", True)},
        ("patch", "/v1/users/{user_id}"): {("path", "user_id", True)},
        ("delete", "/v1/users/{user_id}"): {("path", "user_id", True)},
        ("post", "/v1/users"): {("header", "Idempotency-Key", False)},
        ("post", "/v1/users/{user_id}/invitation"): {("path", "user_id", True), ("header", "Idempotency-Key", False)},
        ("get", "/v1/organization/usage"): {("query", "days", False)},
        ("get", "/v1/privacy/processing-records"): {("query", "format", False)},
        ("get", "/v1/privacy/log-keeping"): {("query", "format", False)},
        ("get", "/problems/{code}"): {("path", "code", True)},
        ("get", "/static/{name}"): {("path", "name", True)},
    }
