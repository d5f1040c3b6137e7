"""Bad input is refused where it stands, leaves no record, and harms nobody who asks next (security.md §1 row 9)."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from tests.system.appliance import Appliance
from tests.system.client import Client, question
from tests.system.foreign_ids import operations
from tests.system.malformed import INVALID, MAX_BODY, Case, cases
from tests.system.parties import Party, found


def test_every_malformed_body_is_a_problem_document_and_leaves_no_record(
    client: Client, record_property: Callable[[str, object], None]
) -> None:
    before = client.size()
    table = cases()
    wrong = [f"{case.name}: {fault}" for case in table if (fault := _fault(client, case))]
    print(f"\nmalformed requests: {len(table)}, answered wrongly: {len(wrong)}")
    record_property("malformed_requests", len(table))
    assert not wrong, "\n".join(wrong)
    assert len(table) >= 45
    assert client.size() == before
    assert client.govern(question()).json()["ledger"]["seq"] == before


def test_every_malformed_body_is_refused_by_every_route_that_takes_one(
    shared: Appliance, record_property: Callable[[str, object], None]
) -> None:
    party = found(shared, f"malformed-{uuid4()}", 1)
    owner = Client(shared.port, party.owner)
    before, sent, wrong = standing(party), 0, []
    for method, path, operation in operations(owner.get("/openapi.json").json()):
        if "requestBody" not in operation:
            continue
        place = path.replace("{user_id}", party.uuids["user viewer"]).replace("{key_id}", party.uuids["key audit"])
        for case in cases():
            if _is_refused(case, operation):
                sent += 1
                wrong += [f"{method} {path} {case.name}: {fault}" for fault in _wrong(owner, method, place, case)]
                assert str(case.answer[0]) in operation["responses"], (path, case.name)
    owner.close()
    print(f"\nmalformed requests to all routes: {sent}, answered wrongly: {len(wrong)}")
    record_property("malformed_requests_to_all_routes", sent)
    assert not wrong, "\n".join(wrong[:20])
    assert sent >= 1_000
    assert standing(party) == before


def _is_refused(case: Case, operation: dict[str, Any]) -> bool:
    """Whether the corpus, made for one route, says what this one answers."""
    # Signing out needs no body.
    if case.name in {"nothing", "top level null"} and not operation["requestBody"].get("required", True):
        return False
    # Where nobody has to say who asks, nobody is asked twice.
    return case.name != "two different credentials" or bool(operation["security"])


def _wrong(client: Client, method: str, path: str, case: Case) -> Iterator[str]:
    try:
        client.ask(method, path, case.body, case.headers).problem(*case.answer)
    except (AssertionError, ValueError) as error:
        yield str(error)


def standing(party: Party) -> dict[str, bytes]:
    """Return what the organization has."""
    paths = ("/v1/users", "/v1/keys", "/v1/organization", "/v1/auth/sessions", "/v1/ledger")
    return {path: party.ask("GET", path).body for path in paths}


def _fault(client: Client, case: Case) -> str:
    """Return what is wrong with the answer to *case*, or nothing."""
    try:
        document = client.ask("POST", "/v1/govern", case.body, case.headers).problem(*case.answer)
    except (AssertionError, ValueError) as error:
        return str(error)
    pointers = [fault["pointer"] for fault in document.get("errors", ())]
    if case.answer == INVALID and case.pointer not in pointers:
        return f"pointers are {pointers}, not {case.pointer!r}"
    return ""


def test_a_body_of_exactly_the_limit_is_served(client: Client) -> None:
    shell = len(b'{"stage":"input","agent":{"id":"a"},"action":{"name":"chat"}}')
    body = b'{"stage":"input","agent":{"id":"a"},"action":{"name":"chat"}}' + b" " * (MAX_BODY - shell)
    for sent in (body, iter([body[:1000], body[1000:]])):
        answer = client.ask("POST", "/v1/govern", sent, {"Content-Type": "application/json; charset=UTF-8"})
        assert answer.status == 200, answer.body


def test_what_is_odd_but_well_formed_is_served(client: Client) -> None:
    odd = {
        "n": [2**53 - 1, -(2**53 - 1), 1.5, -0.0, 1e300],
        "t": "\U0001f600\u2028\ufeff\ufffe\x7f",
        "": {"a/b~c": None},
        "d": [[[[[[]]]]]],
    }
    answer = client.govern(question(action={"name": "chat", "arguments": odd}))
    assert answer.status == 200, answer.body


def test_each_error_code_has_a_page(client: Client) -> None:
    for code in {case.answer[1] for case in cases()}:
        page = client.get(f"/problems/{code}")
        assert page.status == 200
        assert page.body.decode().startswith(code)
