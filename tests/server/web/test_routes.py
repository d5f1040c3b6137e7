"""Who may go where, and what the OpenAPI document says of it."""

import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from governlayer_server.domain.access import ANY_PRINCIPAL, MEMBERS, Role, Rule, Scope, dual, only
from governlayer_server.domain.organization import Organization
from governlayer_server.web.authenticate import PUBLIC

from tests.server.web.conftest import QUESTION, Site, assert_problem, bearer

STEPPED_UP = Rule(roles=frozenset(Role), step_up=True)
# What the API contract promises so far: path, method and who may use it.
TABLE = {
    ("/v1/govern", "POST"): dual(Scope.GOVERN),
    ("/v1/ledger", "GET"): dual(Scope.AUDIT),
    ("/v1/ledger/records", "GET"): dual(Scope.AUDIT),
    ("/v1/ledger/records/{seq}", "GET"): dual(Scope.AUDIT),
    ("/v1/ledger/records/{seq}/receipt", "GET"): dual(Scope.AUDIT),
    ("/v1/ledger/checkpoint", "GET"): dual(Scope.AUDIT, Scope.GOVERN),
    ("/v1/ledger/verify", "POST"): dual(Scope.AUDIT),
    ("/v1/ledger/proofs/inclusion", "GET"): dual(Scope.AUDIT, Scope.GOVERN),
    ("/v1/ledger/proofs/consistency", "GET"): dual(Scope.AUDIT, Scope.GOVERN),
    ("/v1/ledger/tile/{level}/{number}", "GET"): dual(Scope.AUDIT, Scope.GOVERN),
    ("/v1/ledger/tile/entries/{number}", "GET"): dual(Scope.AUDIT),
    ("/v1/ledger/dump", "GET"): dual(Scope.AUDIT),
    ("/v1/auth/register", "POST"): PUBLIC,
    ("/v1/me", "GET"): ANY_PRINCIPAL,
    ("/v1/users", "GET"): only(Role.ADMIN),
    ("/v1/users", "POST"): only(Role.ADMIN, step_up=True),
    ("/v1/users/{user_id}", "GET"): only(Role.ADMIN),
    ("/v1/users/{user_id}", "PATCH"): only(Role.ADMIN, step_up=True),
    ("/v1/users/{user_id}", "DELETE"): only(*Role, step_up=True),  # anybody may leave
    ("/v1/users/{user_id}/invitation", "POST"): only(Role.ADMIN, step_up=True),
    ("/v1/organization", "GET"): MEMBERS,
    ("/v1/organization", "PATCH"): only(Role.ADMIN, step_up=True),
    ("/v1/organization/usage", "GET"): only(Role.ADMIN, Role.AUDITOR, Role.DEVELOPER),
    ("/v1/auth/login", "POST"): PUBLIC,
    ("/v1/auth/refresh", "POST"): PUBLIC,
    ("/v1/auth/forgot", "POST"): PUBLIC,
    ("/v1/auth/reset", "POST"): PUBLIC,
    ("/v1/auth/logout", "POST"): MEMBERS,
    ("/v1/auth/password", "POST"): MEMBERS,
    ("/v1/auth/step-up", "POST"): MEMBERS,
    ("/v1/auth/sessions", "GET"): MEMBERS,
    ("/v1/auth/sessions/{session_id}", "DELETE"): MEMBERS,
    ("/v1/auth/totp", "POST"): STEPPED_UP,
    ("/v1/auth/totp/confirm", "POST"): MEMBERS,
    ("/v1/auth/totp", "DELETE"): STEPPED_UP,
    ("/v1/privacy/processing-records", "GET"): only(Role.ADMIN),
    ("/v1/privacy/log-keeping", "GET"): only(Role.ADMIN),
    ("/v1/privacy/erasures", "POST"): only(Role.ADMIN, step_up=True),
    ("/v1/privacy/erasures", "GET"): only(Role.ADMIN, Role.AUDITOR),
    ("/v1/privacy/erasures/{erasure_id}", "GET"): only(Role.ADMIN, Role.AUDITOR),
    ("/v1/privacy/legal-holds", "POST"): only(Role.ADMIN, step_up=True),
    ("/v1/privacy/legal-holds", "GET"): only(Role.ADMIN),
    ("/v1/privacy/legal-holds/{hold_id}", "GET"): only(Role.ADMIN),
    ("/v1/privacy/legal-holds/{hold_id}/release", "POST"): only(Role.ADMIN, step_up=True),
    ("/v1/privacy/subject-exports", "POST"): only(Role.ADMIN, step_up=True),
    ("/v1/keys", "POST"): only(Role.ADMIN, Role.DEVELOPER, step_up=True),
    ("/v1/keys", "GET"): only(Role.ADMIN, Role.DEVELOPER),
    ("/v1/keys/{key_id}", "GET"): only(Role.ADMIN, Role.DEVELOPER),
    ("/v1/keys/{key_id}", "DELETE"): only(Role.ADMIN, Role.DEVELOPER, step_up=True),
    ("/v1/keys/{key_id}/rotate", "POST"): only(Role.ADMIN, Role.DEVELOPER, step_up=True),
    ("/v1/keys/{key_id}/events", "GET"): only(Role.ADMIN, Role.AUDITOR),
    ("/livez", "GET"): PUBLIC,
    ("/readyz", "GET"): PUBLIC,
    ("/.well-known/governlayer", "GET"): PUBLIC,
    ("/problems/{code}", "GET"): PUBLIC,
    ("/.well-known/security.txt", "GET"): PUBLIC,
    ("/docs/security-policy", "GET"): PUBLIC,
    ("/metrics", "GET"): PUBLIC,
    ("/docs", "GET"): PUBLIC,
    ("/setup", "GET"): PUBLIC,
    ("/join", "GET"): PUBLIC,
    ("/reset", "GET"): PUBLIC,
    ("/static/{name}", "GET"): PUBLIC,
}
# Public for authentication, which knows principals only: it asks for a token of its own.
OWN_TOKEN = {("/metrics", "GET")}

QUERIES = {"/v1/ledger/proofs/inclusion": "?seq=0", "/v1/ledger/proofs/consistency": "?from=1"}


def handlers(site: Site) -> dict[tuple[str, str], Any]:
    return {
        (re.sub(r":\w+", "", route.path_format), method): handler
        for route in site.app._app.routes
        for handler in getattr(route, "route_handlers", [])
        for method in handler.http_methods - {"OPTIONS", "HEAD"}
    }


def filled(path: str) -> str:
    """The path of something, whether or not it exists."""
    examples = {
        "{seq}": "0",
        "{code}": "not_found",
        "{session_id}": str(UUID(int=1)),
        "{key_id}": str(UUID(int=1)),
        "{erasure_id}": str(UUID(int=1)),
        "{hold_id}": str(UUID(int=1)),
        "{user_id}": str(UUID(int=1)),
        "{name}": "x.css",
        "{level}": "0",
        "{number}": "000.p/1",
    }
    return re.sub(r"{\w+}", lambda found: examples[found[0]], path) + QUERIES.get(path, "")


def test_every_route_has_an_access_rule_and_that_of_the_contract(site: Site) -> None:
    rules = {place: handler.opt.get("access") for place, handler in handlers(site).items()}
    assert None not in rules.values()
    assert {place: rule for place, rule in rules.items() if place in TABLE} == TABLE
    documentation = {path for (path, _), rule in rules.items() if (path, _) not in TABLE and rule == PUBLIC}
    assert documentation <= {"/", "/{path}", "/openapi.json"}
    assert len(rules) == len(TABLE) + len(documentation)


async def test_the_openapi_document_lists_every_route(client: httpx.AsyncClient) -> None:
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    listed = {
        (path, method.upper())
        for path, item in document["paths"].items()
        for method in item
        if method in {"get", "put", "post", "delete", "patch", "head"}
    }
    assert listed == set(TABLE)
    for place, rule in TABLE.items():
        operation = document["paths"][place[0]][place[1].lower()]
        assert bool(operation["security"]) == (rule != PUBLIC or place in OWN_TOKEN)
        for status, response in operation["responses"].items():
            assert response.get("$ref") or response.get("content") or status == "204"


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("place", [place for place, rule in TABLE.items() if rule != PUBLIC], ids=" ".join)
async def test_a_key_opens_exactly_the_routes_of_its_scopes(
    site: Site, acme: Organization, client: httpx.AsyncClient, place: tuple[str, str], scope: Scope
) -> None:
    path, method = place
    key = await site.appliance.key_for(acme, scope)
    body = {"/v1/ledger/verify": {}}.get(path, QUESTION) if method == "POST" else None
    answer = await client.request(method, filled(path), json=body, headers=bearer(key))
    rule = TABLE[place]
    if scope in rule.scopes or rule == ANY_PRINCIPAL:
        assert answer.status_code == 200, answer.text
    elif not rule.keys:
        assert_problem(answer, 403, "forbidden")
    else:
        assert_problem(answer, 403, "missing_scope" if TABLE[place].keys else "forbidden")


@pytest.mark.parametrize("place", [place for place, rule in TABLE.items() if rule != PUBLIC], ids=" ".join)
async def test_without_a_valid_key_no_route_says_why(
    client: httpx.AsyncClient, place: tuple[str, str], key: str
) -> None:
    path, method = place
    seen = set()
    wrong = key[:-1] + ("a" if key[-1] != "a" else "b")
    for headers in (bearer("x"), bearer(wrong), {"X-API-Key": wrong}, bearer(""), {"Authorization": f"Basic {key}"}):
        answer = await client.request(method, filled(path), headers=headers)
        body = assert_problem(answer, 401, "not_authenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        seen.add(body["detail"])
    assert seen == {"the credential is not valid"}
    assert_problem(await client.request(method, filled(path)), 401, "not_authenticated")


@pytest.mark.parametrize("place", TABLE, ids=" ".join)
@pytest.mark.parametrize("headers", [{}, bearer("x"), {"X-API-Key": ""}], ids=["none", "wrong", "empty"])
async def test_options_shows_the_methods_to_anyone_and_nothing_else(
    site: Site, client: httpx.AsyncClient, place: tuple[str, str], headers: dict[str, str]
) -> None:
    path = filled(place[0])
    before = len(site.log)
    answer = await client.options(path, headers={**headers, "Origin": "https://other.example"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert {method.strip() for method in answer.headers["allow"].split(",")} == {"OPTIONS"} | {
        method for path, method in TABLE if path == place[0]
    }
    assert set(answer.headers) <= {"allow", "x-request-id", "content-length"}
    (line,) = site.log[before:]
    assert (line["key_id"], line["organization_id"]) == (None, None)


@pytest.mark.parametrize("path", ["/nowhere", "/v1", "/v1/ledger/records/x"])
async def test_options_of_nothing_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    assert_problem(await client.options(path), 404, "not_found")


async def test_two_different_keys_are_refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.get("/v1/ledger", headers={**bearer(key), "X-API-Key": "other"})
    assert_problem(answer, 400, "ambiguous_credentials")


async def test_a_route_without_a_rule_is_refused_whoever_asks(site: Site, client: httpx.AsyncClient, key: str) -> None:
    handler = handlers(site)["/v1/ledger", "GET"]
    rule = handler.opt.pop("access")
    try:
        assert_problem(await client.get("/v1/ledger", headers=bearer(key)), 403, "forbidden")
    finally:
        handler.opt["access"] = rule
