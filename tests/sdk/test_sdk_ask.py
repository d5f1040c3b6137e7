from __future__ import annotations

import datetime
import decimal
import enum
import inspect
import json
import uuid
from types import MappingProxyType
from typing import Any

import pytest
from governlayer import Action, Agent, ArgumentError, Content, Resource, System, Tool
from governlayer._json import encode
from governlayer.ask import checked_idempotency_key, govern_body
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.sdk_support import unhurried

DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(inspect.signature(govern_body).parameters),
    "stage": "tool_call",
    "agent": "a",
    "action": "b",
    "mode": "enforce",
    "scan": "auto",
    "receipt": False,
    "explain": False,
}


def body(**ask: Any) -> dict[str, Any]:
    return json.loads(govern_body(**{**DEFAULTS, **ask}))


def test_only_what_was_given_is_sent():
    assert body() == {
        "stage": "tool_call",
        "agent": {"id": "a"},
        "action": {"name": "b"},
        "options": {"mode": "enforce", "scan": "auto", "receipt": False, "explain": False},
    }


def test_every_member_of_the_contract_can_be_said():
    sent = body(
        agent=Agent("a", instance="i", on_behalf_of="u"),
        system=System("s", version="2"),
        action=Action("send", tool=Tool("smtp", server="mail", schema_digest="d"), arguments={"to": ["x"]}),
        resource=Resource("mailbox", "m1", attributes={"region": "eu"}),
        content=[Content("user", "hi", provenance="web"), Content("tool", "there")],
        data_classes=["contact"],
        data_subjects=("ds_1",),
        session="run-1",
        purpose="billing",
        approval_id="apr_1",
        mode="shadow",
        scan=["email", "card"],
        receipt=True,
        explain=True,
    )
    assert sent == {
        "stage": "tool_call",
        "agent": {"id": "a", "instance": "i", "on_behalf_of": "u"},
        "system": {"id": "s", "version": "2"},
        "action": {
            "name": "send",
            "tool": {"name": "smtp", "server": "mail", "schema_digest": "d"},
            "arguments": {"to": ["x"]},
        },
        "resource": {"type": "mailbox", "id": "m1", "attributes": {"region": "eu"}},
        "content": [{"role": "user", "text": "hi", "provenance": "web"}, {"role": "tool", "text": "there"}],
        "data_classes": ["contact"],
        "data_subjects": ["ds_1"],
        "session": {"id": "run-1"},
        "purpose": "billing",
        "approval_id": "apr_1",
        "options": {"mode": "shadow", "scan": ["email", "card"], "receipt": True, "explain": True},
    }


def test_short_forms_mean_the_long_ones():
    assert body(action=Action("b", tool="t")) == body(action=Action("b", tool=Tool("t")))
    assert body(agent="x", system="s") == body(agent=Agent("x"), system=System("s"))


@pytest.mark.parametrize(
    ("stage", "role"),
    [
        ("input", "user"),
        ("model_request", "user"),
        ("model_response", "assistant"),
        ("tool_call", "assistant"),
        ("tool_result", "tool"),
        ("output", "assistant"),
    ],
)
def test_a_plain_string_is_said_by_whoever_speaks_at_that_stage(stage, role):
    assert body(stage=stage, content="x")["content"] == [{"role": role, "text": "x"}]


def test_an_empty_text_is_sent_and_not_taken_for_none():
    assert body(content="", purpose="", session="")["content"] == [{"role": "assistant", "text": ""}]
    assert body(content=[])["content"] == []


def test_none_inside_arguments_stays_null():
    assert body(action=Action("b", arguments={"cc": None}))["action"]["arguments"] == {"cc": None}


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize("name", ["data_classes", "data_subjects"])
def test_one_string_in_place_of_several_is_refused(name):
    with pytest.raises(ArgumentError, match=name):
        body(**{name: "email"})


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), -float("inf"), b"bytes", {1, 2}, object(), datetime.datetime.now(datetime.UTC),
        decimal.Decimal("1.1"), uuid.uuid4(), 2**65, 10**5000, "\ud800", {1: "x"}, {None: "x"}, {"\udfff": 1}, int,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_json_would_change_is_refused_by_place_and_not_by_value(value):
    with pytest.raises(ArgumentError, match=r"^/action/arguments/a~1b/1 ") as caught:
        body(action=Action("b", arguments={"a/b": [0, value]}))
    assert caught.value.__context__ is None
    assert "1.1" not in str(caught.value)


def test_a_value_that_holds_itself_is_refused():
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ArgumentError, match="deeper than 64"):
        body(action=Action("b", arguments={"loop": loop}))


def test_depth_64_is_sent_and_65_is_not():
    def nested(depth: int) -> Any:
        return [nested(depth - 1)] if depth else 0

    assert json.loads(encode(nested(64)))
    with pytest.raises(ArgumentError):
        encode(nested(65))


def test_any_mapping_and_text_enumeration_is_carried_as_what_it_says():
    assert encode(MappingProxyType({"c": Colour.RED, "t": (1, 2)})) == b'{"c":"red","t":[1,2]}'


@unhurried
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
        max_leaves=20,
    )
)  # fmt: skip
def test_what_is_sent_reads_back_the_same(value):
    assert json.loads(encode(value)) == value


@pytest.mark.parametrize("key", ["", "a" * 256, "a b", "a\n", "é", "\x7f", "\0"])
def test_an_idempotency_key_that_no_header_can_carry_is_refused(key):
    with pytest.raises(ArgumentError) as caught:
        checked_idempotency_key(key)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("key", ["a", "~!" * 127])
def test_other_idempotency_keys_are_kept(key):
    assert checked_idempotency_key(key) == key
