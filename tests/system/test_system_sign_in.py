"""People sign in to a real appliance: tokens rotate, reuse and signing out end sessions on every replica (claims 5, 6)."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pyotp
import pytest
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from governlayer_server.cli.common import embedded_settings
from governlayer_server.usecases.password_hashes import open_hash
from governlayer_server.wiring import open_appliance
from redis import Redis

from tests.system.appliance import Appliance, Tenant
from tests.system.client import JSON, Answer, Client
from tests.system.conftest import appliance_in_new_place
from tests.system.replicas import running_replicas

# The contract: what was ended is refused on every replica within one second (API contract §2).
EVERYWHERE_S = 1.0
SESSIONS = "/v1/auth/sessions"


class Person(NamedTuple):
    """Somebody with a password, the owner of an organization of their own."""

    tenant: Tenant
    email: str
    password: str


@pytest.fixture(scope="module")
def house() -> Iterator[Appliance]:
    """An appliance of its own: all tests come from one address, whose attempts are counted."""
    with appliance_in_new_place() as appliance:
        yield appliance.start()


@pytest.fixture
def site(house: Appliance) -> Iterator[Client]:
    # Attempts of this address are counted by the minute; each test begins with none.
    forget_attempts(house)
    one = Client(house.port)
    yield one
    one.close()


def hash_of(house: Appliance, person: "Person") -> str:
    """Return the hash of the person's password, opened with the keys of the appliance."""

    async def opened() -> str | None:
        settings = embedded_settings(DataDirectory.open(house.data))
        async with (
            open_appliance(settings, found=False) as appliance,
            appliance.accounts.tenant(UUID(person.tenant.id)) as tenant,
        ):
            (user,) = await tenant.users.all()
            return await open_hash(appliance.parts.vault, user)

    return asyncio.run(opened()) or ""


def forget_attempts(house: Appliance) -> None:
    with Redis(**EmbeddedRedis(DataDirectory.open(house.data)).login.options()) as redis:
        for key in redis.scan_iter("{sign-in}:*"):
            redis.delete(key)


def person(house: Appliance, password: str = "correct horse battery") -> Person:
    name = f"org-{uuid4()}"
    file = house.data.with_name(name)
    file.write_text(password, encoding="utf-8")
    file.chmod(0o644)
    email = f"owner@{name}.example"
    made = house.cli_json(
        "orgs", "create", "--name", name, "--plan", "pro", "--owner-email", email, "--owner-password-file", file
    )
    return Person(Tenant(made["id"], name, {}), email, password)


def post(site: Client, path: str, body: Any = None, token: str = "", method: str = "POST") -> Answer:
    headers = {**JSON, **({"Authorization": f"Bearer {token}"} if token else {})}
    return site.ask(method, path, b"" if body is None else json.dumps(body).encode(), headers)


def login(site: Client, who: Person, **changes: Any) -> Answer:
    return post(site, "/v1/auth/login", {"email": who.email, "password": who.password, **changes})


def sessions(site: Client, token: str) -> Answer:
    return site.get(SESSIONS, {"Authorization": f"Bearer {token}"})


def events(house: Appliance, who: Person) -> list[str]:
    dump = house.dump(who.tenant)
    house.assert_verified(dump)
    bodies = [json.loads(line) for line in dump.read_text().splitlines() if '"user.changed"' in line]
    return [found for body in bodies for found in _events(body)]


def _events(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("event"), str):
            yield value["event"]
        for one in value.values():
            yield from _events(one)
    elif isinstance(value, str) and value.startswith("{"):
        yield from _events(json.loads(value))


def test_tokens_rotate_and_reuse_ends_the_family_and_stands_on_the_ledger(house: Appliance, site: Client) -> None:
    ann = person(house)
    first = login(site, ann).json()
    assert sessions(site, first["access_token"]).status == 200
    second = post(site, "/v1/auth/refresh", {"refresh_token": first["refresh_token"]}).json()
    post(site, "/v1/auth/refresh", {"refresh_token": first["refresh_token"]}).problem(401, "not_authenticated")
    post(site, "/v1/auth/refresh", {"refresh_token": second["refresh_token"]}).problem(401, "not_authenticated")
    for token in (first, second):
        sessions(site, token["access_token"]).problem(401, "not_authenticated")
    assert events(house, ann) == ["signed_in", "refresh_reused"]


def test_of_two_refreshes_at_the_same_time_one_wins_and_the_session_ends(house: Appliance, site: Client) -> None:
    ann = person(house)
    first = login(site, ann).json()
    body = {"refresh_token": first["refresh_token"]}
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: post(Client(house.port), "/v1/auth/refresh", body).status, range(4)))
    assert sorted(answers) == [200, 401, 401, 401]
    sessions(site, first["access_token"]).problem(401, "not_authenticated")


def test_what_was_ended_on_one_replica_is_refused_on_the_other(house: Appliance, site: Client) -> None:
    ann = person(house)
    with running_replicas(house, 1) as (replica,):
        other = Client(replica.port)
        for end in ("/v1/auth/logout", "reuse", "disable", "/v1/auth/password"):
            tokens = login(site, ann).json()
            keeper = login(other, ann).json()["access_token"]
            for _ in range(3):
                assert sessions(other, tokens["access_token"]).status == 200
            if end == "reuse":
                for _ in range(2):
                    post(site, "/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})
            elif end == "disable":
                house.cli_json("users", "disable", "--org", ann.tenant.id, "--email", ann.email)
            elif end == "/v1/auth/password":
                new = {"password": ann.password, "new_password": ann.password + " two"}
                assert post(site, end, new, keeper).status == 204
            else:
                assert post(site, end, None, tokens["access_token"]).status == 204
            time.sleep(EVERYWHERE_S)
            for one in (site, other):
                sessions(one, tokens["access_token"]).problem(401, "not_authenticated")
                post(one, "/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}).problem(
                    401, "not_authenticated"
                )
            house.cli_json("users", "enable", "--org", ann.tenant.id, "--email", ann.email)
        other.close()


def test_every_refusal_is_the_same_and_no_account_is_named(house: Appliance, site: Client) -> None:
    ann, gone = person(house), person(house)
    house.cli_json("users", "disable", "--org", gone.tenant.id, "--email", gone.email)
    answers = [
        login(site, ann, password="wrong wrong wrong"),
        login(site, ann, email="nobody@nowhere.example"),
        login(site, gone),
        login(site, ann, password="short"),
        login(site, ann, password="x" * 1000),
    ]
    seen = set()
    for answer in answers:
        request_id = answer.problem(401, "not_authenticated")["request_id"]
        headers = [(name, value) for name, value in answer.headers if name.lower() not in {"x-request-id", "date"}]
        seen.add((answer.body.decode().replace(request_id, ""), tuple(headers)))
    assert len(seen) == 1


@pytest.mark.parametrize(
    "password",
    [
        "Seven quiet otters vote at eleven, then row home over the grey lake by n!",
        "Sept tièdes crèmes brûlées à volonté, près du très vieux château gris!",
        "".join(chr(0x1F400 + n * n * 37 % 199) for n in range(64)),
        " spaces at both ends ",
    ],
    ids=["73", "76", "emoji", "spaces"],
)
def test_no_password_is_cut_or_trimmed(house: Appliance, site: Client, password: str) -> None:
    ann = person(house, password)
    assert login(site, ann).status == 200
    for other in (password[:-1], password + "x", password[:-1] + "z"):
        login(site, ann, password=other).problem(401, "not_authenticated")


def test_a_hash_is_made_again_when_the_cost_was_raised(house: Appliance, site: Client) -> None:
    ann = person(house)
    assert hash_of(house, ann).startswith("$2b$12$")
    with running_replicas(house, 1, BCRYPT_COST="13") as (replica,):
        other = Client(replica.port)
        assert login(other, ann).status == 200
        other.close()
    assert hash_of(house, ann).startswith("$2b$13$")
    assert login(site, ann).status == 200


def test_a_second_factor_and_the_operators_way_back(house: Appliance, site: Client) -> None:
    ann = person(house)
    token = login(site, ann).json()["access_token"]
    secret = post(site, "/v1/auth/totp", None, token).json()["secret"]
    confirmed = post(site, "/v1/auth/totp/confirm", {"code": pyotp.TOTP(secret).now()}, token).json()
    login(site, ann).problem(401, "not_authenticated")
    codes = confirmed["recovery_codes"]
    assert login(site, ann, totp=codes[0]).status == 200
    login(site, ann, totp=codes[0]).problem(401, "not_authenticated")
    (listed,) = house.cli_json("users", "list", "--org", ann.tenant.id)["data"]
    assert (listed["email"], listed["totp"], listed["status"]) == (ann.email, True, "active")
    house.cli_json("users", "remove-totp", "--org", ann.tenant.id, "--email", ann.email)
    assert login(site, ann).status == 200
    rows = str(house.query("SELECT * FROM app_user"))
    assert secret not in rows
    assert all(code not in rows and code.replace("-", "") not in rows for code in codes)


def test_the_operators_link_sets_a_password_once(house: Appliance, site: Client) -> None:
    ann = person(house)
    tokens = login(site, ann).json()
    made = house.cli_json("users", "reset-password", "--org", ann.tenant.id, "--email", ann.email)
    assert made["url"] == f"http://127.0.0.1:8600/reset#token={made['token']}"
    body = {"token": made["token"], "new_password": "a quite different staple"}
    assert post(site, "/v1/auth/reset", body).status == 204
    post(site, "/v1/auth/reset", body).problem(401, "not_authenticated")
    login(site, ann).problem(401, "not_authenticated")
    sessions(site, tokens["access_token"]).problem(401, "not_authenticated")
    assert login(site, ann, password="a quite different staple").status == 200
    assert made["token"] not in str(house.query("SELECT encode(fingerprint, 'escape'), * FROM one_time_token"))
    assert events(house, ann) == ["signed_in", "reset_link_made", "password_reset", "signed_in"]


def test_without_a_mail_server_the_answer_is_the_same(house: Appliance, site: Client) -> None:
    ann = person(house)
    answers = [post(site, "/v1/auth/forgot", {"email": one}) for one in (ann.email, "nobody@nowhere.example")]
    assert [(answer.status, answer.body) for answer in answers] == [(202, b'{"status":"accepted"}')] * 2


def test_attempts_are_counted_over_replicas_and_failures_stand_on_the_ledger_after_a_stop(
    house: Appliance, site: Client
) -> None:
    ann = person(house)
    with running_replicas(house, 1) as (replica,):
        other = Client(replica.port)
        for one in (other, other, other, site, site):
            login(one, ann, password="wrong wrong wrong").problem(401, "not_authenticated")
        for one in (site, other):
            refused = login(one, ann)
            refused.problem(429, "too_many_attempts")
            assert 0 < int(refused.header("Retry-After")) <= 900
        other.close()
    # The replica was stopped in order: what it counted is written.
    assert events(house, ann) == ["sign_in_failed"]


def test_no_secret_stands_in_the_log_or_in_the_database(house: Appliance, site: Client) -> None:
    ann = person(house, f"canary {uuid4()}")
    tokens = login(site, ann).json()
    post(site, "/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    rows = str([house.query(f"SELECT * FROM {table}") for table in ("app_user", "session", "one_time_token")])
    for secret in (ann.password, ann.email, tokens["access_token"], tokens["refresh_token"]):
        assert secret not in house.errors()
        assert secret not in rows
    assert Path(house.err).exists()
