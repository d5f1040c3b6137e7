"""Signing in over HTTP: one refusal for all, bearer tokens that are never stored, forged ones that open nothing."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from governlayer_server.domain.access import STEP_UP_US
from governlayer_server.domain.session_limits import HOUR_US

from tests.fakes.appliance import JWT_SECRET, FakeAppliance
from tests.fakes.forged_tokens import forged_tokens
from tests.server.usecases.sign_in_world import EMAIL, NEW, PASSWORD, World
from tests.server.web.conftest import Site, assert_problem, bearer

US = 1_000_000


@pytest.fixture
async def world(site: Site) -> World:
    return await World(site.appliance).start()


@pytest.fixture
async def client(site: Site, world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=site.app), base_url="http://test") as opened:
        yield opened


async def login(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await client.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD, **changes})


async def signed_in(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await login(client, **changes)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert isinstance(found, dict)
    return found


def as_user(tokens: dict[str, Any]) -> dict[str, str]:
    return bearer(tokens["access_token"])


async def test_the_answer_is_a_bearer_token_that_nobody_stores(client: httpx.AsyncClient) -> None:
    answer = await login(client)
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (body["token_type"], body["expires_in"]) == ("bearer", 900)
    assert body["refresh_token"].startswith("glr_")
    assert answer.headers["cache-control"] == "no-store"
    again = await client.post("/v1/auth/refresh", json={"refresh_token": body["refresh_token"]})
    assert again.status_code == 200
    assert set(again.json()) == set(body)
    assert again.headers["cache-control"] == "no-store"
    assert (await client.get("/v1/auth/sessions", headers=as_user(again.json()))).status_code == 200


async def test_every_refusal_has_the_same_bytes(client: httpx.AsyncClient, world: World) -> None:
    tries: list[dict[str, Any]] = [
        {"email": "nobody@acme.example"}, {"email": "no address"}, {"email": ""}, {"password": "wrong wrong wrong"},
        {"password": "short"}, {"password": "x" * 1024}, {"password": ""},
    ]  # fmt: skip
    answers = [await login(client, **one) for one in tries]
    world.made.clock.advance(900 * US)
    await world.with_totp()
    answers += [await login(client), await login(client, totp="000000"), await login(client, totp="")]
    world.change_user(disabled_us=1)
    answers.append(await login(client))
    seen = set()
    for answer in answers:
        request_id = assert_problem(answer, 401, "not_authenticated")["request_id"]
        headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
        seen.add((answer.text.replace(request_id, ""), tuple(sorted(headers.items()))))
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"email": EMAIL}, ""),
        ({"email": EMAIL, "password": 1}, "/password"),
        ({"email": EMAIL, "password": "x" * 1025}, "/password"),
        ({"email": "x" * 255, "password": PASSWORD}, "/email"),
        ({"email": EMAIL, "password": PASSWORD, "totp": "1" * 65}, "/totp"),
        ({"email": EMAIL, "password": PASSWORD, "role": "owner"}, "/role"),
    ],
)
async def test_a_body_that_does_not_fit_is_named_and_not_repeated(
    client: httpx.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    found = assert_problem(await client.post("/v1/auth/login", json=body), 422, "invalid_request")
    assert [error["pointer"] for error in found["errors"]] == [pointer]
    assert PASSWORD not in str(found)
    assert "xxx" not in str(found)


async def test_too_many_attempts_are_told_when_to_come_again(client: httpx.AsyncClient) -> None:
    known = [await login(client, password="wrong wrong wrong") for _ in range(6)][-1]
    unknown = [await login(client, email="nobody@acme.example") for _ in range(6)][-1]
    for answer in (known, unknown):
        body = assert_problem(answer, 429, "too_many_attempts")
        assert answer.headers["retry-after"] == "900"
        assert body["detail"] == "too many attempts: try again later"


async def test_signing_out_with_or_without_a_body(client: httpx.AsyncClient) -> None:
    first, second, third = [await signed_in(client) for _ in range(3)]
    assert (await client.post("/v1/auth/logout", headers=as_user(first))).status_code == 204
    assert_problem(await client.get("/v1/auth/sessions", headers=as_user(first)), 401, "not_authenticated")
    assert_problem(
        await client.post("/v1/auth/logout", headers=as_user(second), json={"everything": True}), 422, "invalid_request"
    )
    answer = await client.post("/v1/auth/logout", headers=as_user(second), json={"all": True})
    assert (answer.status_code, answer.content) == (204, b"")
    for tokens in (second, third):
        assert_problem(await client.get("/v1/auth/sessions", headers=as_user(tokens)), 401, "not_authenticated")
        answer = await client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert_problem(answer, 401, "not_authenticated")


async def test_sessions_are_listed_and_ended(client: httpx.AsyncClient) -> None:
    first, second = await signed_in(client), await signed_in(client)
    listed = (await client.get("/v1/auth/sessions", headers=as_user(first))).json()
    assert listed["next_cursor"] is None
    (other,) = [one["id"] for one in listed["data"] if not one["current"]]
    assert (await client.delete(f"/v1/auth/sessions/{other}", headers=as_user(first))).status_code == 204
    assert_problem(await client.get("/v1/auth/sessions", headers=as_user(second)), 401, "not_authenticated")
    unknown = [await client.delete(f"/v1/auth/sessions/{one}", headers=as_user(first)) for one in (other, "0" * 32)]
    assert len({assert_problem(answer, 404, "not_found")["detail"] for answer in unknown}) == 1
    assert_problem(await client.delete("/v1/auth/sessions/x", headers=as_user(first)), 404, "not_found")


async def test_a_new_password(client: httpx.AsyncClient) -> None:
    tokens = await signed_in(client)
    weak = {"password": PASSWORD, "new_password": "password1234"}
    body = assert_problem(
        await client.post("/v1/auth/password", headers=as_user(tokens), json=weak), 422, "invalid_request"
    )
    assert [error["pointer"] for error in body["errors"]] == ["/new_password"]
    answer = await client.post(
        "/v1/auth/password", headers=as_user(tokens), json={"password": PASSWORD, "new_password": NEW}
    )
    assert answer.status_code == 204
    assert_problem(await login(client), 401, "not_authenticated")
    await signed_in(client, password=NEW)


async def test_the_second_factor_from_set_up_to_removal(client: httpx.AsyncClient, world: World, site: Site) -> None:
    tokens = await signed_in(client)
    site.appliance.clock.advance(STEP_UP_US + 1)
    stale = await client.post("/v1/auth/totp", headers=as_user(tokens))
    assert_problem(stale, 403, "step_up_required")
    stepped = await client.post("/v1/auth/step-up", headers=as_user(tokens), json={"password": PASSWORD})
    assert set(stepped.json()) == {"access_token", "token_type", "expires_in"}
    assert stepped.headers["cache-control"] == "no-store"
    begun = await client.post("/v1/auth/totp", headers=as_user(stepped.json()))
    assert begun.headers["cache-control"] == "no-store"
    world.secret = begun.json()["secret"]
    confirmed = await client.post("/v1/auth/totp/confirm", headers=as_user(stepped.json()), json={"code": world.code()})
    assert confirmed.headers["cache-control"] == "no-store"
    codes = confirmed.json()["recovery_codes"]
    assert len(codes) == 10
    assert_problem(await login(client), 401, "not_authenticated")
    again = await signed_in(client, totp=codes[0])
    for body in ({}, {"code": codes[0]}):
        refused = await client.post("/v1/auth/totp", headers=as_user(again), json=body)
        assert_problem(refused, 401, "not_authenticated")
    replaced = await client.post("/v1/auth/totp", headers=as_user(again), json={"code": codes[2]})
    assert set(replaced.json()) == {"secret", "uri"}
    wrong = await client.request("DELETE", "/v1/auth/totp", headers=as_user(again), json={"code": codes[0]})
    assert_problem(wrong, 401, "not_authenticated")
    gone = await client.request("DELETE", "/v1/auth/totp", headers=as_user(again), json={"code": codes[1]})
    assert gone.status_code == 204
    await signed_in(client)


async def test_forgot_and_reset(client: httpx.AsyncClient, site: Site) -> None:
    answers = [await client.post("/v1/auth/forgot", json={"email": one}) for one in (EMAIL, "nobody@acme.example", "")]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, '{"status":"accepted"}')}
    await site.appliance.later.now()
    ((_, _, text),) = site.appliance.mailer.sent
    token = text.partition("#token=")[2].split()[0]
    assert (await client.post("/v1/auth/reset", json={"token": token, "new_password": NEW})).status_code == 204
    for wrong in (token, "glt_x", ""):
        answer = await client.post("/v1/auth/reset", json={"token": wrong, "new_password": NEW})
        assert_problem(answer, 401, "not_authenticated")
    await signed_in(client, password=NEW)


async def from_address(site: Site, number: int, authorization: bytes) -> httpx.Response:
    """Ask from an address of its own: without a valid credential an address has few requests a minute."""
    transport = httpx.ASGITransport(app=site.app, client=(f"192.0.2.{number}", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/v1/auth/sessions", headers=[(b"authorization", authorization)])


async def test_no_forged_token_opens_anything(client: httpx.AsyncClient, site: Site) -> None:
    genuine = (await signed_in(client))["access_token"]
    now_s = site.appliance.clock.now_us() // US
    forged = forged_tokens(JWT_SECRET, genuine, now_s)
    tried, seen = 0, set()
    for name, token in forged.items():
        try:
            value = b"Bearer " + token.encode("utf-8", "surrogatepass")
        except UnicodeEncodeError:
            continue
        # What HTTP itself strips is the genuine token again; what no header can hold, a server refuses before.
        if len(value) > 30_000 or token.strip() == genuine or any(one in token for one in "\r\n\0"):
            continue
        answer = await from_address(site, tried // 100, value)
        assert answer.status_code == 401, name
        seen.add(assert_problem(answer, 401, "not_authenticated")["detail"])
        tried += 1
    assert tried >= 300
    assert seen <= {"the credential is not valid", "a credential is needed"}
    assert (await client.get("/v1/auth/sessions", headers=bearer(genuine))).status_code == 200
    site.appliance.clock.advance(900 * US)
    assert_problem(await client.get("/v1/auth/sessions", headers=bearer(genuine)), 401, "not_authenticated")


async def test_a_token_of_another_appliance_opens_nothing(client: httpx.AsyncClient, site: Site) -> None:
    stranger = await World(FakeAppliance()).start()
    stranger.made.clock.advance(HOUR_US)
    site.appliance.clock.advance(HOUR_US)
    pair = await stranger.sign_in()
    # Same secret, same user and session ids by the same entropy: only the store knows better.
    assert_problem(await client.get("/v1/auth/sessions", headers=bearer(pair.access_token)), 401, "not_authenticated")


async def test_no_secret_is_in_the_log(client: httpx.AsyncClient, site: Site) -> None:
    tokens = await signed_in(client)
    await login(client, password="wrong wrong wrong", totp="123456")
    await client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    log = str(site.log)
    for secret in (EMAIL, PASSWORD, "wrong wrong", "123456", tokens["access_token"], tokens["refresh_token"]):
        assert secret not in log
