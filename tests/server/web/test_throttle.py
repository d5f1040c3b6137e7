"""Rate limits over HTTP: headers on every authenticated answer, 429 when they are used up, addresses that flood."""

import asyncio
import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from governlayer_server.domain.access import Principal, Role, Scope
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.domain.network import address_group
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.quota import Mode
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.usecases.limit_requests import USER_LIMIT, LimitRequests
from governlayer_server.web.throttle import GoodCredentials
from msgspec.structs import replace

from tests.fakes.appliance import ADDRESS_LIMIT, principal_of, user_token
from tests.fakes.clock import FakeClock, FakeEntropy
from tests.fakes.people import PASSWORD, add_user, sign_in
from tests.fakes.quota_store import MemoryQuotaStore
from tests.server.web.conftest import QUESTION, Site, assert_problem, bearer

BAD = {"Authorization": "Bearer gl_" + "0" * 36}
MINUTE_US = 60_000_000
PRO = Plan.PRO.requests_per_minute
FREE = Plan.FREE.requests_per_minute


def limits(answer: httpx.Response) -> dict[str, tuple[int, int, int]]:
    """Return limit, remaining and seconds by name; the two headers must stand once and name the same limits."""
    (policy,), (left,) = (answer.headers.get_list(name) for name in ("RateLimit-Policy", "RateLimit"))
    quotas = re.findall(r'"(\w+)";q=(\d+);w=60(?:, |$)', policy)
    remaining = re.findall(r'"(\w+)";r=(\d+);t=(\d+)(?:, |$)', left)
    assert [name for name, _ in quotas] == [name for name, *_ in remaining]
    return {name: (int(q), int(r), int(t)) for (name, q), (_, r, t) in zip(quotas, remaining, strict=True)}


def client_at(site: Site, host: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=site.app, client=(host, 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://test")


@pytest.fixture
async def free(site: Site, acme: Organization) -> Organization:
    return await site.appliance.create_organization("Free", Plan.FREE, "free@example.com", None)


ASKS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "answer": ("GET", "/v1/ledger", {}, 200),
    "decision": ("POST", "/v1/govern", {"json": QUESTION}, 200),
    "not_found": ("GET", "/v1/ledger/records/99", {}, 404),
    "invalid": ("POST", "/v1/govern", {"json": {**QUESTION, "unknown": 1}}, 422),
    "malformed": ("POST", "/v1/govern", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
    "media_type": ("POST", "/v1/govern", {"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415),
    "too_large": (
        "POST", "/v1/govern", {"content": b" " * 1_100_000, "headers": {"Content-Type": "application/json"}}, 413,
    ),
}  # fmt: skip


@pytest.mark.parametrize("ask", ASKS)
async def test_every_answer_to_a_valid_credential_tells_the_limits(
    client: httpx.AsyncClient, key: str, ask: str
) -> None:
    method, path, options, status = ASKS[ask]
    headers = {**bearer(key), **options.pop("headers", {})} if "headers" in options else bearer(key)
    for number in (1, 2):
        answer = await client.request(method, path, headers=headers, **options)
        assert answer.status_code == status
        assert limits(answer) == {"key": (PRO, PRO - number, 60), "org": (PRO, PRO - number, 60)}


async def test_what_a_rule_refuses_costs_the_caller_and_not_the_organization(
    site: Site, free: Organization, client: httpx.AsyncClient
) -> None:
    auditor = bearer(await site.appliance.key_for(free, Scope.AUDIT))
    viewer = bearer(await user_token(site.appliance, free, Role.VIEWER))
    answer = await client.post("/v1/govern", json=QUESTION, headers=auditor)
    assert_problem(answer, 403, "missing_scope")
    assert limits(answer) == {"key": (FREE, FREE - 1, 60)}
    for number in range(1, USER_LIMIT + 1):
        answer = await client.get("/v1/ledger", headers=viewer)
        assert_problem(answer, 403, "forbidden")
        assert limits(answer) == {"user": (USER_LIMIT, USER_LIMIT - number, 60)}
    assert_problem(await client.get("/v1/ledger", headers=viewer), 429, "rate_limited")
    assert limits(await client.get("/v1/ledger", headers=auditor))["org"] == (FREE, FREE - 1, 60)


async def test_what_spends_from_no_plan_is_as_much_as_the_plan_if_that_is_more(
    site: Site, acme: Organization, client: httpx.AsyncClient
) -> None:
    owner = bearer(await user_token(site.appliance, acme, Role.OWNER))
    answer = await client.delete(f"/v1/auth/sessions/{UUID(int=0)}", headers=owner)
    assert limits(answer) == {"user": (PRO, PRO - 1, 60)}


OWN_ACTS: dict[str, tuple[str, str, Any, int]] = {
    "revoke a key": ("DELETE", "/v1/keys/{key}", None, 204),
    "disable a member": ("PATCH", "/v1/users/{member}", {"disabled": True}, 200),
    "remove a member": ("DELETE", "/v1/users/{member}", None, 204),
    "sign out": ("POST", "/v1/auth/logout", {"all": True}, 204),
    "end a session": ("DELETE", "/v1/auth/sessions/{nothing}", None, 404),
    "change the password": ("POST", "/v1/auth/password", {"password": "x", "new_password": PASSWORD}, 401),
    "step up": ("POST", "/v1/auth/step-up", {"password": "x"}, 401),
    "begin a second factor": ("POST", "/v1/auth/totp", None, 200),
    "confirm a second factor": ("POST", "/v1/auth/totp/confirm", {"code": "000000"}, 422),
    "remove a second factor": ("DELETE", "/v1/auth/totp", {"code": "000000"}, 401),
}


@pytest.mark.parametrize("act", OWN_ACTS)
async def test_who_uses_up_the_organizations_limit_keeps_nobody_from_taking_rights_away(
    site: Site, free: Organization, client: httpx.AsyncClient, act: str
) -> None:
    stolen = await site.appliance.new_key(free)
    owner = bearer(await sign_in(site.appliance, await add_user(site.appliance, free, Role.OWNER)))
    member = await add_user(site.appliance, free, Role.VIEWER)
    for _ in range(21):
        answer = await client.post("/v1/govern", json=QUESTION, headers=bearer(stolen.key))
    assert_problem(answer, 429, "rate_limited")
    assert_problem(await client.get("/v1/keys", headers=owner), 429, "rate_limited")
    method, path, body, status = OWN_ACTS[act]
    path = path.format(key=stolen.stored.id, member=member.id, nothing=UUID(int=0))
    answer = await client.request(method, path, json=body, headers=owner)
    assert answer.status_code == status, answer.text
    assert limits(answer) == {"user": (USER_LIMIT, USER_LIMIT - 1, 60)}


async def test_what_spends_from_no_plan_is_limited_by_user(
    site: Site, free: Organization, client: httpx.AsyncClient
) -> None:
    ann, bob = [bearer(await user_token(site.appliance, free, Role.OWNER)) for _ in range(2)]
    nothing = f"/v1/auth/sessions/{UUID(int=0)}"
    for _ in range(USER_LIMIT):
        assert_problem(await client.delete(nothing, headers=ann), 404, "not_found")
    refused = await client.delete(nothing, headers=ann)
    assert_problem(refused, 429, "rate_limited")
    assert refused.json()["detail"] == "too many requests in 60 seconds for this user"
    assert limits(refused) == {"user": (USER_LIMIT, 0, 60)}
    assert_problem(await client.delete(nothing, headers=bob), 404, "not_found")
    assert limits(await client.get("/v1/keys", headers=ann)) == {"org": (FREE, FREE - 1, 60)}
    site.appliance.clock.advance(MINUTE_US)
    assert_problem(await client.delete(nothing, headers=ann), 404, "not_found")


async def test_an_error_inside_and_a_late_answer_tell_the_limits(
    site: Site, client: httpx.AsyncClient, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def hang(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(site.appliance.ledger, "head", fail)
    answer = await client.get("/v1/ledger", headers=bearer(key))
    assert_problem(answer, 500, "internal_error")
    assert limits(answer)["key"][1] == PRO - 1
    monkeypatch.setattr(site.appliance.ledger, "head", hang)
    monkeypatch.setattr("governlayer_server.web.deadline.ANSWER_S", 0.05)
    answer = await client.get("/v1/ledger", headers=bearer(key))
    assert_problem(answer, 503, "unavailable")
    assert limits(answer)["key"][1] == PRO - 2


async def test_what_is_over_the_limit_is_refused_and_told_when_to_come_back(
    site: Site, free: Organization, client: httpx.AsyncClient
) -> None:
    keys = [await site.appliance.key_for(free) for _ in range(2)]
    for number in range(20):
        answer = await client.get("/v1/ledger", headers=bearer(keys[number % 2]))
        assert answer.status_code == 200
        site.appliance.clock.advance(1_000_000)
    for key in keys:
        refused = await client.get("/v1/ledger", headers=bearer(key))
        assert_problem(refused, 429, "rate_limited")
        assert refused.json()["detail"] == "too many requests in 60 seconds for this organization"
        assert refused.headers["retry-after"] == "40"
        assert limits(refused) == {"key": (20, 10, 40 + keys.index(key)), "org": (20, 0, 40)}
    site.appliance.clock.advance(39_999_999)
    assert (await client.get("/v1/ledger", headers=bearer(keys[0]))).status_code == 429
    site.appliance.clock.advance(1)
    assert (await client.get("/v1/ledger", headers=bearer(keys[0]))).status_code == 200
    assert (await client.get("/v1/ledger", headers=bearer(keys[0]))).status_code == 429


async def test_what_is_refused_reaches_nothing(site: Site, free: Organization, client: httpx.AsyncClient) -> None:
    key = await site.appliance.key_for(free)
    for _ in range(25):
        answer = await client.post("/v1/govern", json=QUESTION, headers=bearer(key))
    assert answer.status_code == 429
    head = await site.appliance.ledger.head(str(free.id))
    decisions = [
        one
        for one in await site.appliance.ledger.records(str(free.id), -1, 200, RecordFilter())
        if one.type == "decision"
    ]
    assert len(decisions) == 20
    assert head.size >= 20


async def test_health_and_other_organizations_go_on(
    site: Site, free: Organization, client: httpx.AsyncClient, key: str
) -> None:
    spent = await site.appliance.key_for(free)
    for _ in range(21):
        await client.get("/v1/ledger", headers=bearer(spent))
    assert (await client.get("/v1/ledger", headers=bearer(key))).status_code == 200
    for _ in range(ADDRESS_LIMIT + 5):
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
    assert "ratelimit" not in (await client.get("/livez")).headers


@pytest.mark.parametrize("headers", [BAD, {}, {"Authorization": "Basic x"}, {"X-API-Key": "a", **BAD}])
async def test_a_flood_without_a_valid_credential_is_refused_before_anything_is_looked_up(
    site: Site, acme: Organization, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = 0
    found = site.appliance.accounts.organization_of_key

    async def counted(fingerprint: bytes) -> Any:
        nonlocal looked_up
        looked_up += 1
        return await found(fingerprint)

    monkeypatch.setattr(site.appliance.accounts, "organization_of_key", counted)
    async with client_at(site, "192.0.2.7") as client:
        statuses = [(await client.get("/v1/ledger", headers=headers)).status_code for _ in range(ADDRESS_LIMIT)]
        assert set(statuses) <= {400, 401}
        before = looked_up
        for _ in range(5):
            # Whatever the client says of itself: the address is the socket's.
            spoofed = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"}
            refused = await client.get("/v1/ledger", headers={**headers, **spoofed})
            assert_problem(refused, 429, "rate_limited")
            assert refused.headers["retry-after"] == "60"
            assert limits(refused) == {"address": (ADDRESS_LIMIT, 0, 60)}
        assert looked_up == before
        assert (await client.get("/.well-known/governlayer")).status_code == 429
        assert (await client.get("/openapi.json")).status_code == 429
        assert (await client.get("/livez")).status_code == 200
    async with client_at(site, "192.0.2.8") as another:
        assert (await another.get("/v1/ledger", headers=headers)).status_code in {400, 401}
    site.appliance.clock.advance(MINUTE_US)
    async with client_at(site, "192.0.2.7") as client:
        assert (await client.get("/v1/ledger", headers=headers)).status_code in {400, 401}


async def test_a_customer_is_not_shut_out_by_a_stranger_at_the_same_address(
    site: Site, client: httpx.AsyncClient, key: str
) -> None:
    assert (await client.get("/v1/ledger", headers=bearer(key))).status_code == 200
    for _ in range(ADDRESS_LIMIT + 1):
        last = await client.get("/v1/ledger", headers=BAD)
    assert last.status_code == 429
    assert (await client.get("/v1/ledger", headers=bearer(key))).status_code == 200
    # One request of the customer, the first, cost the address.
    assert site.appliance.addresses.calls == ADDRESS_LIMIT + 2


async def test_a_credential_that_is_good_no_more_costs_the_address(
    site: Site, client: httpx.AsyncClient, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await client.get("/v1/ledger", headers=bearer(key))).status_code == 200

    async def gone(*_: object) -> None:
        return None

    monkeypatch.setattr(site.appliance.accounts, "organization_of_key", gone)
    before = site.appliance.addresses.calls
    for _ in range(3):
        assert (await client.get("/v1/ledger", headers=bearer(key))).status_code == 401
    assert site.appliance.addresses.calls == before + 2


def test_good_credentials_are_few_short_lived_and_not_kept_in_the_clear() -> None:
    class Standing(FakeClock):
        def monotonic_us(self) -> int:
            return self.time_us

    clock = Standing(0)
    good = GoodCredentials(clock, FakeEntropy())
    good.keep("gl_secret")
    assert "gl_secret" in good
    assert "gl_secret" not in repr(vars(good))
    clock.advance(MINUTE_US)
    assert "gl_secret" not in good
    for number in range(10_001):
        good.keep(str(number))
    assert ("0" in good, "1" in good, len(good._until_us)) == (False, True, 10_000)
    good.forget("1")
    assert "1" not in good


async def test_local_counting_is_told(site: Site, client: httpx.AsyncClient) -> None:
    assert (await client.get("/readyz")).json() == {"status": "ok"}
    site.degraded.append("rate_limits")
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "degraded": ["rate_limits"]})
    site.probes["redis"] = False
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "failing": ["redis"], "degraded": ["rate_limits"]}


@pytest.mark.parametrize(
    ("plan", "own", "of_key", "of_org"),
    [
        (Plan.FREE, None, 20, 20), (Plan.STARTER, None, 100, 100), (Plan.PRO, None, 500, 500),
        (Plan.ENTERPRISE, None, 2_000, 2_000), (Plan.PRO, 7, 7, 500), (Plan.FREE, 21, 20, 20),
    ],
)  # fmt: skip
async def test_a_key_has_the_limit_of_the_plan_or_its_own_lower_one(
    acme: Organization, plan: Plan, own: int | None, of_key: int, of_org: int
) -> None:
    clock = FakeClock()
    limit = LimitRequests(organizations=MemoryQuotaStore(clock), addresses=MemoryQuotaStore(clock), address_limit=1)
    principal: Principal = replace(principal_of(acme), plan=plan, rate_limit=own)
    verdicts = [await limit.principal(principal) for _ in range(of_key + 1)]
    assert [one.admitted for one in verdicts] == [True] * of_key + [False]
    assert [(one.name, one.limit) for one in verdicts[0].standings] == [("key", of_key), ("org", of_org)]
    assert limit.mode is Mode.SHARED


async def test_users_spend_from_the_organization_alone_and_share_it_with_its_keys(acme: Organization) -> None:
    clock = FakeClock()
    limit = LimitRequests(organizations=MemoryQuotaStore(clock), addresses=MemoryQuotaStore(clock), address_limit=1)
    key = replace(principal_of(acme), plan=Plan.FREE)
    users = [replace(key, kind=ActorKind.USER, id=name) for name in ("ann", "bob")]
    assert [one.name for one in (await limit.principal(users[0])).standings] == ["org"]
    admitted = [(await limit.principal(one)).admitted for one in [*users, key] * 7]
    assert sum(admitted) == 19


@pytest.mark.parametrize(
    ("hosts", "same"),
    [
        (("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"), True),
        (("2001:db8:0:1::1", "2001:db8:0:2::1"), False),
        (("192.0.2.1", "::ffff:192.0.2.1"), True),
        (("192.0.2.1", "192.0.2.2"), False),
        (("fe80::1%eth0", "fe80::2"), True),
        ((None, "no address"), True),
    ],
)
def test_a_client_is_an_address_or_a_network_of_64_bits(hosts: tuple[str | None, ...], same: bool) -> None:
    assert (address_group(hosts[0]) == address_group(hosts[1])) is same


def test_nothing_spends_before_it_is_known_who_asks(site: Site) -> None:
    stack = [type(one).__name__ for one in site.app._app.middleware]
    assert stack == ["Throttle", "Deadline", "Authentication", "Spending", "Authorization"]
