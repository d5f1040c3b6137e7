"""``/setup``, ``/join`` and ``/reset`` in a browser, under both Content-Security-Policies."""

from pathlib import Path

import pytest
from litestar import Response
from selenium.webdriver.common.keys import Keys

from tests.browser.stand_in import REGISTERED, StandIn
from tests.browser.visitor import GOOD_PASSWORD, NARROW, TOKEN, WIDE, Visitor

PAGES = ("/setup", "/join", "/reset")
ENTRIES = {
    "/setup": {
        "organization": "Acme Bikes",
        "email": "owner@acme.example",
        "password": GOOD_PASSWORD,
        "repeat": GOOD_PASSWORD,
    },
    "/join": {"email": "new@acme.example", "password": GOOD_PASSWORD},
    "/reset": {"new_password": GOOD_PASSWORD, "repeat": GOOD_PASSWORD},
}
SENT = {
    "/setup": ("/v1/auth/register", {"organization": "Acme Bikes", "email": "owner@acme.example",
                                     "password": GOOD_PASSWORD, "invite": TOKEN}),
    "/join": ("/v1/auth/register", {"email": "new@acme.example", "password": GOOD_PASSWORD, "invite": TOKEN}),
    "/reset": ("/v1/auth/reset", {"new_password": GOOD_PASSWORD, "token": TOKEN}),
}  # fmt: skip


def answered(path: str) -> Response[object]:
    return Response(None, status_code=204) if path == "/reset" else Response(REGISTERED, status_code=201)


@pytest.mark.parametrize("path", PAGES)
def test_without_a_token_the_page_says_so_and_how_to_get_one(visitor: Visitor, path: str) -> None:
    visitor.open(path, token=None)
    assert visitor.sees("#no-link")
    assert not visitor.sees("form")
    expected = {
        "/setup": ("governlayer up", "governlayer orgs invite"),
        "/join": ("governlayer up", "governlayer orgs invite"),
        "/reset": ("governlayer users reset-password",),
    }
    for command in expected[path]:
        assert command in visitor.text("#no-link")


@pytest.mark.parametrize("path", PAGES)
def test_the_token_leaves_the_address_and_goes_to_the_server_in_one_body_only(
    visitor: Visitor, stand_in: StandIn, path: str
) -> None:
    stand_in.answer = answered(path)
    visitor.open(path)
    assert visitor.driver.current_url == f"{visitor.url}{path}"
    visitor.fill(**ENTRIES[path])
    visitor.submit()
    visitor.done()
    assert stand_in.posted == [SENT[path]]
    assert stand_in.heads
    assert TOKEN not in "".join(stand_in.heads)
    assert (
        visitor.driver.execute_script("return localStorage.length + sessionStorage.length + document.cookie.length")
        == 0
    )
    assert TOKEN not in visitor.driver.page_source
    assert GOOD_PASSWORD not in [visitor.value(name) for name in ENTRIES[path]]


def test_after_setup_the_page_says_what_next(visitor: Visitor, stand_in: StandIn) -> None:
    stand_in.answer = answered("/setup")
    visitor.open("/setup")
    visitor.fill(**ENTRIES["/setup"])
    visitor.submit()
    said = visitor.done()
    organization = REGISTERED["organization"]["id"]
    assert f"governlayer keys create \\\n  --org {organization} \\\n  --name first --scopes govern,audit" in said
    for word in ("Acme Bikes", "free", "owner", "POST /v1/auth/login"):
        assert word in said
    assert not visitor.sees("form")
    assert visitor.focused() == "Your organization is ready"


def test_what_the_server_answers_stays_text(visitor: Visitor, stand_in: StandIn) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    stand_in.answer = Response({"organization": {"id": evil, "name": evil, "plan": evil}, "user": {"role": evil}})
    visitor.open("/setup")
    visitor.fill(**ENTRIES["/setup"])
    visitor.submit()
    assert visitor.done().count(evil) == 5
    assert not visitor.driver.execute_script("return document.querySelectorAll('#done img, #done script').length")


def test_a_second_link_in_the_same_tab_counts(visitor: Visitor, stand_in: StandIn) -> None:
    stand_in.answer = answered("/join")
    visitor.open("/join", token=None)
    visitor.driver.get(f"{visitor.url}/join#invite={TOKEN}")
    visitor.wait(lambda: visitor.sees("form"))
    assert visitor.driver.current_url == f"{visitor.url}/join"
    visitor.fill(**ENTRIES["/join"])
    visitor.submit()
    visitor.done()
    assert stand_in.posted == [SENT["/join"]]


def test_the_keyboard_is_enough(visitor: Visitor, stand_in: StandIn) -> None:
    stand_in.answer = answered("/setup")
    visitor.open("/setup")
    for name, value in ENTRIES["/setup"].items():
        visitor.press(Keys.TAB)
        assert visitor.focused() == name
        visitor.press(value)
    assert visitor.walk(2) == ["show", "send"]
    visitor.press(Keys.ENTER)
    visitor.done()
    assert stand_in.posted == [SENT["/setup"]]


@pytest.mark.parametrize("path", PAGES)
def test_everything_has_a_name_and_a_role(visitor: Visitor, path: str) -> None:
    visitor.open(path)
    for name in ENTRIES[path]:
        field = visitor.find(f"[name={name}]")
        assert field.accessible_name == visitor.text(f"label[for={name}]")
        assert field.aria_role == "textbox"
    assert visitor.find("#show").accessible_name == "Show password"
    assert visitor.find("#problem").aria_role == "alert" or not visitor.sees("#problem")
    assert visitor.find("main").aria_role == "main"
    assert visitor.driver.title.endswith("– GovernLayer")


def test_the_password_is_shown_on_demand_and_hidden_when_it_is_sent(visitor: Visitor, stand_in: StandIn) -> None:
    stand_in.answer = answered("/setup")
    stand_in.may_answer.clear()
    visitor.open("/setup")
    visitor.fill(**ENTRIES["/setup"])

    def kinds() -> set[str | None]:
        return {visitor.find(f"[name={name}]").get_attribute("type") for name in ("password", "repeat")}

    assert kinds() == {"password"}
    visitor.find("#show").click()
    assert (kinds(), visitor.text("#show")) == ({"text"}, "Hide password")
    visitor.find("#show").click()
    assert (kinds(), visitor.text("#show")) == ({"password"}, "Show password")
    visitor.find("#show").click()
    visitor.submit()
    visitor.wait(lambda: stand_in.posted)
    assert kinds() == {"password"}
    stand_in.may_answer.set()
    visitor.done()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("path", PAGES)
def test_it_is_readable(
    visitor: Visitor, stand_in: StandIn, path: str, size: tuple[int, int], scheme: str, screenshots: Path | None
) -> None:
    visitor.look(size, scheme)
    stand_in.answer = answered(path)

    def check(state: str) -> None:
        if screenshots is not None and stand_in.csp == "strict":
            name = f"{path[1:]}-{state}-{size[0]}-{scheme}.png"
            visitor.picture(screenshots / name)
        assert visitor.overflow() == 0
        assert visitor.worst_contrast()[0] >= 4.5, visitor.worst_contrast()

    visitor.open(path, token=None)
    check("no-link")
    visitor.open(path)
    check("empty")
    visitor.submit()
    visitor.problem()
    check("errors")
    visitor.fill(**ENTRIES[path])
    visitor.submit()
    visitor.done()
    check("done")


def test_a_breach_of_the_policy_would_be_noticed(visitor: Visitor) -> None:
    visitor.open("/setup")
    visitor.driver.execute_script(
        "document.head.append(Object.assign(document.createElement('style'), {textContent: 'p {}'}))"
    )
    assert any("Content Security Policy" in one for one in visitor.complaints())
