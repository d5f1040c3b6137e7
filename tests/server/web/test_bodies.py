"""Bodies become structs, or faults with their place."""

import copy
from typing import Any

import pytest
from governlayer_server.domain.action import ActionRequest, Mode
from governlayer_server.domain.errors import InvalidRequest, UnsupportedMediaType
from governlayer_server.web.bodies import check_media_type, convert
from hypothesis import given
from hypothesis import strategies as st

GOOD: dict[str, Any] = {
    "stage": "tool_call",
    "agent": {"id": "agent-1", "instance": "i", "on_behalf_of": "someone"},
    "system": {"id": "s", "version": "1"},
    "action": {"name": "crm.read", "tool": {"name": "t", "server": "s", "schema_digest": "ab" * 32}, "arguments": {}},
    "resource": {"type": "record", "id": "any text", "attributes": {"a": "x", "b": 1, "c": True}},
    "content": [{"role": "user", "text": "x", "provenance": "web"}, {"role": "user", "text": ""}],
    "data_classes": ["personal"],
    "data_subjects": ["someone"],
    "session": {"id": "s"},
    "purpose": "p",
    "options": {"mode": "shadow", "scan": ["email"], "receipt": True, "explain": False},
}


def changed(path: str, value: object) -> dict[str, Any]:
    body = copy.deepcopy(GOOD)
    *steps, last = path.strip("/").split("/")
    place: Any = body
    for step in steps:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = value
    return body


def pointer_of(body: object) -> str:
    with pytest.raises(InvalidRequest) as refused:
        convert(body, ActionRequest)
    (fault,) = refused.value.faults
    assert fault.detail
    return fault.pointer


def test_a_whole_question_is_read() -> None:
    request = convert(GOOD, ActionRequest)
    assert (request.agent.id, request.options.mode, request.content[0].provenance) == ("agent-1", Mode.SHADOW, "web")


def test_the_smallest_question_is_read_with_its_defaults() -> None:
    request = convert({"stage": "input", "agent": {"id": "a"}, "action": {"name": "n"}}, ActionRequest)
    assert (request.options.mode, request.options.scan, request.content) == (Mode.ENFORCE, "auto", [])


@pytest.mark.parametrize("place", ["", "/agent", "/system", "/action", "/action/tool", "/resource", "/content/0",
                                   "/content/1", "/session", "/options"])  # fmt: skip
@pytest.mark.parametrize("name", ["unknown", "Id", "a/b~c", "", " ", "é", "agent_id"])
def test_an_unknown_member_is_named_by_its_pointer(place: str, name: str) -> None:
    body: Any = copy.deepcopy(GOOD)
    target = body
    for step in place.split("/")[1:]:
        target = target[int(step) if isinstance(target, list) else step]
    target[name] = 1
    assert pointer_of(body) == f"{place}/{name.replace('~', '~0').replace('/', '~1')}"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/stage", "Input"), ("/stage", 1), ("/stage", None),
        ("/agent", "a"), ("/agent", []), ("/agent/id", ""), ("/agent/id", "a b"), ("/agent/id", "ann@example.org"),
        ("/agent/id", "a" * 129), ("/agent/id", "a\n"), ("/agent/id", 1), ("/agent/id", "é"), ("/agent/instance", ""),
        ("/agent/on_behalf_of", "x" * 513),
        ("/action/name", "a/b c"), ("/action/arguments", []), ("/action/arguments", "x"), ("/action/tool", 1),
        ("/action/tool/schema_digest", "AB" * 32), ("/action/tool/schema_digest", "ab" * 32 + "\n"),
        ("/resource/type", "@"), ("/resource/id", ""), ("/resource/attributes", []),
        ("/content", {}), ("/content/0", "x"), ("/content/1/text", 1), ("/content/1/text", None),
        ("/content/0/role", "User"), ("/content/0/provenance", "mail"),
        ("/data_classes/0", "Personal"), ("/data_subjects/0", ""), ("/data_classes", "x"),
        ("/purpose", ""), ("/purpose", 5), ("/session/id", ""),
        ("/options/mode", "off"), ("/options/scan", "some"), ("/options/scan", 1), ("/options/scan/0", "E-Mail"),
        ("/options/receipt", 1), ("/options/receipt", "true"), ("/options/explain", None),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_named_by_its_pointer(path: str, value: object) -> None:
    assert pointer_of(changed(path, value)) == path


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        ("/resource/attributes/a", 1.5, "/resource/attributes"),
        ("/resource/attributes/a", None, "/resource/attributes"),
        ("/resource/attributes/a", {}, "/resource/attributes"),
        ("/content", [{"role": "user", "text": "x"}] * 1_001, "/content"),
        ("/data_classes", ["a"] * 65, "/data_classes"),
        ("/data_subjects", ["a"] * 65, "/data_subjects"),
        ("/resource/attributes", {str(number): 1 for number in range(65)}, "/resource/attributes"),
        ("/agent", {}, "/agent"),
        ("/content/0", {"role": "user"}, "/content/0"),
        ("/action/tool", {}, "/action/tool"),
    ],
)
def test_what_is_missing_or_too_much_is_named_by_what_holds_it(path: str, value: object, pointer: str) -> None:
    assert pointer_of(changed(path, value)) == pointer


@pytest.mark.parametrize("body", [None, 1, "x", [], True, 1.5, [GOOD]])
def test_what_is_no_object_is_refused_as_a_whole(body: object) -> None:
    assert pointer_of(body) == ""


@given(st.text(max_size=30))
def test_a_fault_points_at_the_unknown_member_whatever_its_name(name: str) -> None:
    if name not in GOOD:
        assert pointer_of({**GOOD, name: 1}) == "/" + name.replace("~", "~0").replace("/", "~1")


@pytest.mark.parametrize("name", ["x` - at `$.agent", "` - at `$", "a - at `$.b", "x`", "`", "$.a[0]", "\n - at `$.a`"])
@pytest.mark.parametrize("place", ["", "/agent"])
def test_no_name_of_a_member_can_lead_the_pointer_astray(name: str, place: str) -> None:
    body = {**GOOD, "agent": {"id": "a", name: 1}} if place else {**GOOD, name: 1}
    assert pointer_of(body) == f"{place}/{name}"


@pytest.mark.parametrize(
    "path", ["/stage", "/agent/id", "/purpose", "/options/mode", "/options/scan", "/content/0/role"]
)
def test_a_fault_never_repeats_the_value(path: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        convert(changed(path, ["CANARY"] if path == "/purpose" else "CANARY CANARY"), ActionRequest)
    assert "CANARY" not in str(refused.value) + "".join(fault.detail for fault in refused.value.faults)


@pytest.mark.parametrize(
    ("content_type", "coding"),
    [("application/json", ""), ("application/json; charset=utf-8", ""), ('Application/JSON ;charset="UTF-8"', ""),
     ("application/json", "identity")],
)  # fmt: skip
def test_json_in_utf_8_is_admitted(content_type: str, coding: str) -> None:
    check_media_type(content_type, coding)


@pytest.mark.parametrize(
    ("content_type", "coding"),
    [("", ""), ("text/plain", ""), ("text/json", ""), ("application/jsonp", ""), ("application/x-www-form-urlencoded", ""),
     ("multipart/form-data; boundary=x", ""), ("application/json; charset=utf-16", ""), ("application/problem+json", ""),
     ("application/json, text/plain", ""), ("application/json", "gzip"), ("application/json", "br, identity")],
)  # fmt: skip
def test_any_other_media_type_or_coding_is_refused(content_type: str, coding: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        check_media_type(content_type, coding)
