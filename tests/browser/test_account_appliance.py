"""The pages of a real appliance: from the printed link to the first sign-in, under both Content-Security-Policies."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from governlayer_server.web.edge import Csp
from selenium.webdriver import Chrome

from tests.browser.visitor import GOOD_PASSWORD, Visitor
from tests.system.appliance import Appliance
from tests.system.conftest import appliance_in_new_place

USED = "This link has been used or is no longer valid: ask for a new one."
OWNER = "owner@acme.example"


@pytest.fixture(scope="module", params=Csp, ids=lambda csp: f"csp-{csp}")
def house(request: pytest.FixtureRequest, driver: Chrome) -> Iterator[Appliance]:
    with appliance_in_new_place() as appliance:
        appliance.environment["GOVERNLAYER_CSP"] = request.param
        yield appliance.start()


@pytest.fixture
def visitor(driver: Chrome, house: Appliance) -> Iterator[Visitor]:
    one = Visitor(driver, house.url)
    yield one
    one.leave()
    assert one.complaints() == []


@pytest.fixture
def site(house: Appliance) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=house.url) as one:
        yield one


def sign_in(site: httpx.Client, email: str) -> httpx.Response:
    return site.post("/v1/auth/login", json={"email": email, "password": GOOD_PASSWORD})


def follow(visitor: Visitor, link: str) -> None:
    """Follow a printed *link*, as in a new tab."""
    address, name, token = link.replace("#", "=").split("=")
    path = address.removeprefix(visitor.url)
    assert name == ("token" if path == "/reset" else "invite")
    visitor.open(path, token)
    assert visitor.driver.current_url == address


def test_from_the_first_start_to_a_second_member(visitor: Visitor, house: Appliance, site: httpx.Client) -> None:
    link = house.first_line()["setup_url"]
    follow(visitor, link)
    visitor.fill(organization="Acme", email=OWNER, password="acme acme acme 1", repeat="acme acme acme 1")
    visitor.submit()
    visitor.problem()
    assert visitor.focused() == "password"
    assert visitor.error("password")
    visitor.fill(password=GOOD_PASSWORD, repeat=GOOD_PASSWORD)
    visitor.submit()
    said = visitor.done()
    (command,) = re.findall(r"(?m)^governlayer (keys create (?:.*\\\n)*.*)$", said)
    made = house.cli_json(*shlex.split(command.replace("\\\n", " ")))
    assert site.get("/v1/ledger", headers={"X-API-Key": made["key"]}).status_code == 200

    follow(visitor, link)
    visitor.fill(organization="Again", email="b@acme.example", password=GOOD_PASSWORD, repeat=GOOD_PASSWORD)
    visitor.submit()
    assert visitor.problem() == USED

    bearer = {"Authorization": f"Bearer {sign_in(site, OWNER).json()['access_token']}"}
    invited = site.post("/v1/users", json={"email": "new@acme.example", "role": "auditor"}, headers=bearer)
    assert invited.status_code == 201, invited.text
    follow(visitor, invited.json()["invite_url"])
    visitor.fill(email="other@acme.example", password=GOOD_PASSWORD)
    visitor.submit()
    assert "another e-mail address" in visitor.problem()
    visitor.fill(email="new@acme.example")
    visitor.submit()
    said = visitor.done()
    assert "Acme" in said
    assert "auditor" in said
    assert sign_in(site, "new@acme.example").status_code == 200


def test_an_invitation_of_the_operator_founds_an_organization(visitor: Visitor, house: Appliance) -> None:
    name = f"org-{uuid4()}"
    invite = house.cli_json("orgs", "invite", "--plan", "starter")["invite"]
    follow(visitor, f"{house.url}/setup#invite={invite}")
    visitor.fill(organization=name, email=f"a@{name}.example", password=GOOD_PASSWORD, repeat=GOOD_PASSWORD)
    visitor.submit()
    assert "starter" in visitor.done()


def test_a_forgotten_password(visitor: Visitor, house: Appliance, site: httpx.Client) -> None:
    name, password = f"org-{uuid4()}", Path(house.data.with_name("password"))
    password.write_text("correct horse battery", encoding="utf-8")
    password.chmod(0o644)
    email = f"owner@{name}.example"
    house.cli_json("orgs", "create", "--name", name, "--owner-email", email, "--owner-password-file", password)
    printed = ("users", "reset-password", "--org", name, "--email", email, "--public-url", house.url)
    link = house.cli_json(*printed)["url"]
    follow(visitor, link)
    visitor.fill(new_password="password1234", repeat="password1234")
    visitor.submit()
    visitor.problem()
    assert visitor.error("new_password")
    assert visitor.focused() == "new_password"
    visitor.fill(new_password=GOOD_PASSWORD, repeat=GOOD_PASSWORD)
    visitor.submit()
    visitor.done()
    assert sign_in(site, email).status_code == 200

    follow(visitor, link)
    visitor.fill(new_password=GOOD_PASSWORD, repeat=GOOD_PASSWORD)
    visitor.submit()
    assert visitor.problem() == USED
    assert link.partition("=")[2] not in house.errors()
