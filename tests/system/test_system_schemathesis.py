"""Schemathesis with all its checks against a real appliance, as everybody who may ask (claim 9)."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from governlayer_server.domain.access import ANY_PRINCIPAL, Role, Rule, Scope
from governlayer_server.web.authenticate import PUBLIC

from tests.server.web.test_routes import TABLE
from tests.system.appliance import Appliance
from tests.system.client import Client
from tests.system.conftest import appliance_in_new_place
from tests.system.parties import PASSWORD, ask, done

ST = Path(sys.executable).parent / "st"
CONFIG = Path(__file__).with_name("schemathesis.toml")
LIMIT_S = 1200
# What ends the one who asks: a run of its own, by somebody who is not needed any more.
FATAL = ("sign_out", "end_session", "remove_user")
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
# All values at the edges of what the document describes: most of the time goes into making them. They are sent by those
# of whom every operation admits one, and to what admits them; what refuses them, before it looks, gets values of chance.
AT_LEAST = {Role.OWNER: 2_000, Scope.GOVERN: 1_100, Scope.AUDIT: 1_100, None: 800}  # None shows no credential
THOROUGH = frozenset(AT_LEAST)
BY_CHANCE = 400
"""Cases of the others at least; 2,785, 1,571, 1,510 and 1,064 were seen of the thorough, 727 of another."""


class Identity(NamedTuple):
    """Who asks; users have an organization of their own, whose members their acts cannot reach the others of."""

    name: str
    credential: str
    is_user: bool
    who: Role | Scope | None

    def is_admitted(self, rule: Rule) -> bool:
        """Whether an operation with *rule* looks at what this one sends."""
        return rule == PUBLIC or (
            self.who is not None and (rule == ANY_PRINCIPAL or self.who in rule.scopes | rule.roles)
        )


class Run(NamedTuple):
    """What one run of Schemathesis found."""

    identity: Identity
    cases: int
    operations: int
    failures: list[Any]
    printed: str


@pytest.fixture(scope="module")
def house() -> Iterator[Appliance]:
    with appliance_in_new_place() as appliance:
        appliance.environment["GOVERNLAYER_ACCESS_TOKEN_MINUTES"] = "60"
        yield appliance.start()


def owner_of(house: Appliance, name: str) -> str:
    """Return an access token of the owner of a new organization."""
    secret = house.data.with_name(f"password-{name}")
    secret.write_text(PASSWORD, encoding="utf-8")
    secret.chmod(0o644)
    email = f"owner@{name}.example"
    house.cli_json(
        "orgs", "create", "--name", name, "--plan", "enterprise", "--owner-email", email,
        "--owner-password-file", secret,
    )  # fmt: skip
    return signed_in(house, email)


def signed_in(house: Appliance, email: str) -> str:
    token = done(ask(Client(house.port), "POST", "/v1/auth/login", {"email": email, "password": PASSWORD}))
    return str(token["access_token"])


def user(house: Appliance, role: Role, name: str) -> Identity:
    """Return somebody with *role*, just signed in."""
    owner, client = owner_of(house, name), Client(house.port)
    if role is Role.OWNER:
        return Identity(name, owner, is_user=True, who=role)
    email = f"{role}@{name}.example"
    member = done(ask(client, "POST", "/v1/users", {"email": email, "role": role}, owner))
    joining = {"email": email, "password": PASSWORD, "invite": member["invite"]}
    done(ask(client, "POST", "/v1/auth/register", joining))
    return Identity(name, signed_in(house, email), is_user=True, who=role)


def configured(house: Appliance, identity: Identity) -> Path:
    """Return a configuration in which the values at the edges go to what admits *identity* alone."""
    paths = done(ask(Client(house.port), "GET", "/openapi.json"))["paths"]
    refusing = [
        paths[path][method.lower()]["operationId"]
        for (path, method), rule in TABLE.items()
        if not identity.is_admitted(rule)
    ]
    file = house.data.with_name(f"{identity.name}.toml")
    without = f"[[operations]]\ninclude-operation-id = {json.dumps(refusing)}\nphases.coverage.enabled = false\n"
    file.write_text(f"{CONFIG.read_text('utf-8')}\n{without if refusing else ''}", encoding="utf-8")
    return file


def run(house: Appliance, identity: Identity, *chosen: str) -> Run:
    """Run Schemathesis over the operations *chosen* by options."""
    report = house.data.with_name(f"{identity.name}{len(chosen)}.json")
    command: list[str | Path] = [
        ST, "--config-file", configured(house, identity), "run", f"{house.url}/openapi.json", "--checks", "all", "--no-color",
        "--phases", "coverage,fuzzing" if identity.who in THOROUGH else "fuzzing", "-n", "15", "--seed", "1",
        "--report", "json", "--report-json-path", report, "--continue-on-failure", *chosen,
    ]  # fmt: skip
    if identity.credential:
        command += ["--header", f"Authorization: Bearer {identity.credential}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=house.data.parent)
    printed = ended.stdout + ended.stderr
    assert report.exists(), printed
    found = json.loads(report.read_text("utf-8"))
    assert (found["complete"], found["errors"]) == (True, []), printed
    assert (ended.returncode == 0) == (found["failures"] == []), printed
    print(f"\n{identity.name}: {found['test_cases']} in {found['running_time']:.0f} s", flush=True)
    return Run(identity, found["test_cases"]["generated"], found["operations"]["tested"], found["failures"], printed)


def operations(house: Appliance) -> int:
    """Return how many operations the appliance describes."""
    paths = done(ask(Client(house.port), "GET", "/openapi.json"))["paths"]
    return sum(len(methods.keys() & METHODS) for methods in paths.values())


def options(name: str) -> list[str]:
    return [word for one in FATAL for word in (name, one)]


# Thirteen runs, two at a time; that a busy machine is slow says nothing about the API.
@pytest.mark.timeout(3600)
def test_no_check_fails_for_anybody(house: Appliance, record_property: Callable[[str, object], None]) -> None:
    keys = house.tenant("keys", *Scope).keys
    # Users first, while they have lately shown their password.
    identities = [
        *(user(house, role, role) for role in Role),
        *(Identity(scope, keys[scope], is_user=False, who=scope) for scope in Scope),
        Identity("nobody", "", is_user=False, who=None),
    ]
    # Before the runs, which use up the attempts to sign in.
    spent = [user(house, role, f"spent-{role}") for role in (Role.OWNER, Role.VIEWER)]
    last = [run(house, one, *options("--include-operation-id")) for one in spent]
    with ThreadPoolExecutor(2) as threads:
        runs = list(threads.map(lambda one: run(house, one, *_leave_out(one)), identities))
    print(f"\nschemathesis: {sum(one.cases for one in (*runs, *last))} cases in all")
    record_property("schemathesis_cases", sum(one.cases for one in (*runs, *last)))
    assert [one.printed for one in (*runs, *last) if one.failures] == []
    described = operations(house)
    for one in runs:
        assert one.operations == described - one.identity.is_user * len(FATAL)
        assert one.cases >= AT_LEAST.get(one.identity.who, BY_CHANCE)
        good = ask(Client(house.port), "GET", "/v1/me", credential=one.identity.credential)
        assert good.status == (200 if one.identity.credential else 401), f"{one.identity.name} did not last"
    assert {one.operations for one in last} == {len(FATAL)}
    assert house.is_running


def test_every_operation_admits_somebody_who_is_thorough() -> None:
    for operation, rule in TABLE.items():
        assert any(Identity("", "", is_user=False, who=who).is_admitted(rule) for who in THOROUGH), operation


def _leave_out(identity: Identity) -> list[str]:
    return options("--exclude-operation-id") if identity.is_user else []
