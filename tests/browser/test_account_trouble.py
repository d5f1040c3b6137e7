"""What the pages say and keep when an entry is wrong, the server refuses, or nothing answers."""

import pytest
from litestar import Response

from tests.browser.stand_in import REGISTERED, StandIn, problem
from tests.browser.test_account_pages import ENTRIES, PAGES, SENT
from tests.browser.visitor import GOOD_PASSWORD, Visitor

USED = "This link has been used or is no longer valid: ask for a new one."


@pytest.mark.parametrize("path", PAGES)
def test_an_empty_form_is_not_sent(visitor: Visitor, stand_in: StandIn, path: str) -> None:
    visitor.open(path)
    visitor.submit()
    assert visitor.problem() == "Some entries need a change."
    first = next(iter(ENTRIES[path]))
    assert visitor.focused() == first
    assert visitor.error(first) == "Fill this in."
    assert stand_in.posted == []


@pytest.mark.parametrize(
    ("password", "repeat", "wrong", "said"),
    [
        ("eleven char", "eleven char", "password", "12 to 128 characters; this has 11."),
        ("x" * 129, "x" * 129, "password", "12 to 128 characters; this has 129."),
        (GOOD_PASSWORD, GOOD_PASSWORD + " ", "repeat", "The two are not the same."),
    ],
)
def test_what_the_page_can_see_is_said_at_once(
    visitor: Visitor, stand_in: StandIn, password: str, repeat: str, wrong: str, said: str
) -> None:
    visitor.open("/setup")
    visitor.fill(organization="Acme", email="a@b.example", password=password, repeat=repeat)
    visitor.submit()
    visitor.problem()
    assert {name: visitor.error(name) for name in ENTRIES["/setup"] if visitor.error(name)} == {wrong: said}
    assert visitor.focused() == wrong
    assert stand_in.posted == []


def test_characters_are_counted_as_the_server_counts_them(visitor: Visitor, stand_in: StandIn) -> None:
    """128 of them, of which each takes two units in the browser."""
    stand_in.answer = Response(REGISTERED, status_code=201)
    password = "\N{DUCK}" * 128
    visitor.open("/join")
    visitor.fill(email="a@b.example")
    # The driver's keys are of the Basic Multilingual Plane.
    visitor.driver.execute_script("arguments[0].value = arguments[1]", visitor.find("#password"), password)
    visitor.submit()
    visitor.done()
    assert stand_in.posted[0][1]["password"] == password


def test_faults_that_the_server_finds_stand_next_to_their_fields(visitor: Visitor, stand_in: StandIn) -> None:
    stand_in.answer = problem(
        422, "email: taken; password: common",
        ("/password", "not a common password, nor a variation of one"), ("/email", "it belongs to a user already"),
    )  # fmt: skip
    visitor.open("/setup")
    visitor.fill(**ENTRIES["/setup"])
    visitor.submit()
    assert visitor.problem() == "Some entries need a change."
    assert visitor.focused() == "email"
    assert visitor.error("email") == "It belongs to a user already."
    assert visitor.error("password") == "Not a common password, nor a variation of one."
    assert visitor.error("organization") == ""
    assert {name: visitor.value(name) for name in ENTRIES["/setup"]} == ENTRIES["/setup"]
    stand_in.answer = Response(REGISTERED, status_code=201)
    visitor.submit()
    visitor.done()
    assert stand_in.posted == [SENT["/setup"]] * 2


def test_faults_of_members_without_a_field_are_said_too(visitor: Visitor, stand_in: StandIn) -> None:
    stand_in.answer = problem(422, "invite: too long", ("/invite", "too long"))
    visitor.open("/join")
    visitor.fill(**ENTRIES["/join"])
    visitor.submit()
    assert visitor.problem() == "Invite: too long."
    assert visitor.focused() == "problem"


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("status", "detail"), [(401, "the credential is not valid"), (403, "it takes no new members")])
def test_a_link_that_opens_nothing(visitor: Visitor, stand_in: StandIn, path: str, status: int, detail: str) -> None:
    stand_in.answer = problem(status, detail)
    visitor.open(path)
    visitor.fill(**ENTRIES[path])
    visitor.submit()
    said = visitor.problem()
    assert USED in said
    assert ("It takes no new members." in said) == (status == 403)
    assert "credential" not in said
    assert ("another e-mail address" in said) == (path == "/join" and status == 401)
    assert visitor.focused() == "problem"
    assert {name: visitor.value(name) for name in ENTRIES[path]} == ENTRIES[path]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("retry_after", "said"),
    [
        ("42", "in 42 seconds"),
        ("1", "in a moment"),
        ("900", "in 15 minutes"),
        (None, "in a moment"),
        ("nonsense", "in a moment"),
        ("Fri, 01 Jan 2100 00:00:00 GMT", "minutes"),
    ],
)
def test_when_to_try_again(
    visitor: Visitor, stand_in: StandIn, status: int, retry_after: str | None, said: str
) -> None:
    stand_in.answer = problem(status, "too much at once")
    if retry_after is not None:
        stand_in.answer.headers["Retry-After"] = retry_after
    visitor.open("/reset")
    visitor.fill(**ENTRIES["/reset"])
    visitor.submit()
    assert visitor.problem().startswith("Too much at once. Try again in ")
    assert said in visitor.problem()


def test_an_answer_that_is_no_problem_document(visitor: Visitor, stand_in: StandIn) -> None:
    stand_in.answer = Response("<h1>Bad gateway</h1>", status_code=502, media_type="text/html")
    visitor.open("/reset")
    visitor.fill(**ENTRIES["/reset"])
    visitor.submit()
    assert visitor.problem() == "The server answered 502."


def test_without_a_network_it_says_so_and_goes_on_later(visitor: Visitor, stand_in: StandIn) -> None:
    stand_in.answer = Response(REGISTERED, status_code=201)
    visitor.open("/setup")
    visitor.fill(**ENTRIES["/setup"])
    visitor.offline(away=True)
    visitor.submit()
    assert visitor.problem().startswith("No answer came from the server. Check your connection, then try again")
    assert {name: visitor.value(name) for name in ENTRIES["/setup"]} == ENTRIES["/setup"]
    visitor.offline(away=False)
    visitor.submit()
    visitor.done()
    assert stand_in.posted == [SENT["/setup"]]


def test_it_is_sent_once_however_often_it_is_clicked(visitor: Visitor, stand_in: StandIn) -> None:
    stand_in.answer = Response(REGISTERED, status_code=201)
    stand_in.may_answer.clear()
    visitor.open("/join")
    visitor.fill(**ENTRIES["/join"])
    visitor.submit()
    visitor.wait(lambda: stand_in.posted)
    assert visitor.text("#status") == "Sending…"
    visitor.submit()
    visitor.find("#password").send_keys("\n")
    stand_in.may_answer.set()
    visitor.done()
    assert stand_in.posted == [SENT["/join"]]
