"""What is refused before it is scanned: floods, and secrets where nothing can replace them."""

import copy
from typing import Any

import msgspec
import pytest
from governlayer_server.domain.action import ActionRequest, Stage
from governlayer_server.domain.admission import MAX_NAME_CHARACTERS, MAX_STRINGS, admit
from governlayer_server.domain.errors import InvalidRequest
from hypothesis import given
from hypothesis import strategies as st

WHOLE: dict[str, Any] = {
    "stage": "tool_call",
    "agent": {"id": "a", "instance": "i", "on_behalf_of": "o"},
    "system": {"id": "s", "version": "1"},
    "action": {"name": "n", "tool": {"name": "t", "server": "s"}, "arguments": {}},
    "resource": {"type": "t", "id": "i", "attributes": {}},
    "data_classes": [],
    "data_subjects": [],
    "session": {"id": "s"},
    "purpose": "p",
}
IDENTIFIERS = ["/agent/id", "/action/name", "/action/tool/name", "/action/tool/server", "/system/id", "/resource/type"]
TEXTS = [
    "/agent/instance", "/agent/on_behalf_of", "/purpose", "/system/version", "/session/id", "/resource/id",
    "/resource/attributes", "/data_subjects",
]  # fmt: skip
SECRETS = {
    "key of a model provider": "sk-ant-api03-" + "aB3dE6gH9j" * 9 + "kLmAA",
    "key of a cloud": "AKIAQ3EGRBT7XJ4M5KPW",
    "token of a forge": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "card": "4111111111111111",
    "account": "DE89370400440532013000",
}
CARD = SECRETS["card"]


def request(**members: Any) -> ActionRequest:
    return msgspec.convert({**WHOLE, **members}, ActionRequest)


def with_text(pointer: str, text: str) -> ActionRequest:
    """The whole question with *text* at *pointer*."""
    value = copy.deepcopy(WHOLE)
    *steps, last = pointer.split("/")[1:]
    place = value
    for step in steps:
        place = place[step]
    if isinstance(place[last], dict):
        place[last] = {"note": text}
    else:
        place[last] = ["other", text] if isinstance(place[last], list) else text
    return msgspec.convert(value, ActionRequest)


def refusal(asked: ActionRequest) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        admit(asked)
    return refused.value


def pointers(asked: ActionRequest) -> list[str]:
    return [fault.pointer for fault in refusal(asked).faults]


def arguments(value: object) -> ActionRequest:
    return request(action={"name": "n", "arguments": {"a": value}})


def test_what_there_is_to_scan_is_counted() -> None:
    asked = request(
        action={"name": "n", "arguments": {"abc": ["12345", {"d": "67"}], "n": 1, "no": None}},
        content=[{"role": "user", "text": "x" * 100}, {"role": "user", "text": "y"}],
    )
    assert admit(asked) == 5 + 2 + 100 + 1
    assert admit(request(content=[{"role": "user", "text": "x" * 1_000_000}])) == 1_000_000


@pytest.mark.parametrize(
    ("most", "too_many"),
    [
        ({"list": ["x"] * (MAX_STRINGS - 2)}, {"list": ["x"] * (MAX_STRINGS - 1)}),
        ({str(number): 1 for number in range(MAX_STRINGS - 1)}, {str(number): 1 for number in range(MAX_STRINGS)}),
        ([[["x"]] * (MAX_STRINGS - 1)], [[["x"]] * MAX_STRINGS]),
        ([{"x": "y"}] * 999, [{"x": "y"}] * 1_000),
    ],
    ids=["list", "names", "nested", "members"],
)
def test_two_thousand_strings_are_admitted_and_one_more_is_refused(most: object, too_many: object) -> None:
    admit(arguments(most))
    assert pointers(arguments(too_many)) == ["/action/arguments"]


@given(st.integers(2_001, 20_000))
def test_every_flood_of_strings_is_refused(count: int) -> None:
    assert pointers(arguments(["x"] * count)) == ["/action/arguments"]


@pytest.mark.parametrize("place", [lambda name: {name: 1}, lambda name: [[{"a": {name: "x"}}]]], ids=["top", "deep"])
def test_a_long_member_name_is_refused(place: Any) -> None:
    admit(arguments(place("é" * MAX_NAME_CHARACTERS)))
    refused = refusal(arguments(place("CANARY" + "n" * (MAX_NAME_CHARACTERS - 5))))
    assert [fault.pointer for fault in refused.faults] == ["/action/arguments"]
    assert "CANARY" not in told(refused)


def told(refused: InvalidRequest) -> str:
    """All that the caller, a log and a debugger would see of it."""
    return repr([refused, str(refused), refused.faults])


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("pointer", [*IDENTIFIERS, *TEXTS])
def test_a_secret_in_an_identifier_or_in_metadata_is_refused_and_not_repeated(pointer: str, kind: str) -> None:
    secret = SECRETS[kind]
    admit(with_text(pointer, "harmless"))
    refused = refusal(with_text(pointer, secret))
    assert [fault.pointer for fault in refused.faults] == [pointer]
    assert secret not in told(refused)
    assert secret[:12] not in told(refused)


@pytest.mark.parametrize("pointer", TEXTS)
def test_a_secret_amid_words_is_refused(pointer: str) -> None:
    assert pointers(with_text(pointer, f"use {SECRETS['key of a cloud']} to pay with 4111 1111 1111 1111")) == [pointer]


@pytest.mark.parametrize("name", ["note", CARD])
def test_attributes_are_refused_for_their_names_and_their_values(name: str) -> None:
    attributes = {name: "x" if name == CARD else CARD}
    asked = request(resource={"type": "t", "id": "i", "attributes": attributes})
    assert pointers(asked) == ["/resource/attributes"]
    assert CARD not in told(refusal(asked))


def test_a_number_among_the_attributes_can_be_a_card_too() -> None:
    asked = request(resource={"type": "t", "id": "i", "attributes": {"card": int(CARD), "sealed": True}})
    assert pointers(asked) == ["/resource/attributes"]


def test_every_place_that_holds_a_secret_is_named() -> None:
    asked = request(purpose=CARD, session={"id": CARD}, data_subjects=["x", CARD])
    assert pointers(asked) == ["/data_subjects", "/purpose", "/session/id"]


def test_a_data_class_of_digits_is_refused_if_it_is_a_card() -> None:
    assert pointers(request(data_classes=["personal", CARD])) == ["/data_classes"]


def test_arguments_and_content_may_hold_secrets_because_they_can_be_redacted() -> None:
    content = [{"role": "user", "text": SECRETS["token of a forge"]}]
    assert admit(request(action={"name": "n", "arguments": {"card": CARD}}, content=content)) > 0


@pytest.mark.parametrize("pointer", TEXTS)
@pytest.mark.parametrize(
    "text",
    [
        "0198c5c0-7f00-7000-8000-00000000000a",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "0198c5c07f0070008000" + "00000000000a",
        "order 2026-000123456",
        "ORD-20261123-000042",
        "4500012345",
        "ann.miller@example.org",
        "+44 20 7946 0958",
        "Straße 7, 10115 Berlin",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "2026-11-23T18:00:00.000001Z",
        "1795456800000000",
    ],
)
def test_ordinary_ids_and_addresses_are_admitted(pointer: str, text: str) -> None:
    assert admit(with_text(pointer, text)) == 0


@pytest.mark.parametrize("pointer", IDENTIFIERS)
@pytest.mark.parametrize(
    "text",
    ["support-agent", "crm.deleteCustomer", "0198c5c0-7f00-7000-8000-00000000000a", "v1.2.3", "order:4500012345"],
)
def test_ordinary_identifiers_are_admitted(pointer: str, text: str) -> None:
    assert admit(with_text(pointer, text)) == 0


@given(st.uuids(), st.integers(1, 10**9))
def test_uuids_and_short_numbers_are_never_taken_for_secrets(identifier: object, number: int) -> None:
    agent = {"id": str(identifier), "on_behalf_of": f"customer {number}"}
    assert admit(request(agent=agent, session={"id": str(identifier)}, purpose=f"order {number}")) == 0


@pytest.mark.parametrize("stage", Stage)
def test_a_tool_is_admitted_only_where_one_is_called(stage: Stage) -> None:
    asked = request(stage=stage.value)
    if stage in {Stage.TOOL_CALL, Stage.TOOL_RESULT}:
        assert admit(asked) == 0
    else:
        assert pointers(asked) == ["/action/tool"]
        assert admit(request(stage=stage.value, action={"name": "n"})) == 0
