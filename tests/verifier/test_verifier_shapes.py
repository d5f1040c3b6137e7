"""Records are recognized fast by their shape; that must never accept what the careful check refuses."""

import json
from typing import Any

import pytest
import rfc8785
from governlayer_verifier.canonical import read_canonical
from governlayer_verifier.record import DECISION, Facts, facts_of, fault_of
from governlayer_verifier.records import RecordReader
from governlayer_verifier.shapes import Shape, Shapes, UnlikeError
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

RECORD: dict[str, Any] = {
    "actor": {"id": "key_1", "kind": "api_key"},
    "body": {"decision": "allow", "list": [{"n": 1, "s": "x"}], "ok": True, "score": 7, "system": None},
    "commitments": {"content": "ab" * 32, "context": "0123456789abcdef" * 4},
    "prev_hash": "cd" * 32,
    "seq": 12,
    "time": "2026-11-23T23:59:59.000001Z",
    "type": "decision",
    "v": 1,
}
STRINGS = st.text(max_size=12) | st.sampled_from(["allow", "", '"', "\\", "\n", "\0", "é", "\x7f", "\ud800", "a" * 40])
INTEGERS = st.integers() | st.sampled_from([0, 10**15, 10**15 - 1, 2**53 - 1, 2**53, -(2**53), -1])
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | STRINGS | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcé\n"), inner, max_size=3),
    max_leaves=6,
)
BODIES = st.fixed_dictionaries(
    {"decision": STRINGS | VALUES, "score": INTEGERS}, optional={"list": st.lists(VALUES, max_size=3), "more": VALUES}
)
ODD_MEMBERS = {
    "actor": [{"id": "k", "kind": "user"}, {"id": "k", "kind": "robot"}, {"id": '"', "kind": "user"}],
    "commitments": [
        {}, {"a": "ab" * 32}, *({"content": text, "context": "ab" * 32} for text in ("AB" * 32, " " * 64, "ab" * 31 + "é ")),
    ],
    "prev_hash": ["CD" * 32, "cd" * 31, "c" * 63 + "g", "٠" * 64],
    "seq": [0, -1, 10**15, 2**53, 10**30, True, "5", 1.0],
    "time": [
        "2026-02-29T00:00:00.000000Z", "2024-02-29T00:00:00.000000Z", "2026-11-23T24:00:00.000000Z",
        "2026-11-23T23:59:60.000000Z", "0000-01-01T00:00:00.000000Z", "2026-11-23t00:00:00.000000Z",
        "2026-11-23T00:00:00.00000٠Z",
    ],
    "type": ["decision", "scan", "a..b", "A", "erasure", "decision\n"],
    "v": [1, 2, True, 1.0],
}  # fmt: skip
SPELLINGS = [
    ('":', '": '), (",", ", "), ('"seq":', '"seq":0'), ('"seq":', '"seq":-'), ("1", "1.0"), ("1", "1e0"),
    ("a", "\\u0061"), ('"v":1}', '"v":1,"v":1}'), ('"v":1}', '"v":1} '), ('"v":1}', '"v":1}}'), ('"body"', '"Body"'),
    ('{"actor"', '{"actor":1,"actor"'), ("true", "True"), ("null", "nul"), ("/", "\\/"), ("é", "\\u00e9"), ("[", "[,"),
    ("]", ",]"), ('"', '"\x1f'), ('"', '"\x00'), ("}", "}\n"), ('"b', '"b\\'),
]  # fmt: skip


def spelled(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def carefully(text: str) -> tuple[Facts, str | None]:
    value, fault = read_canonical(text)
    fault = fault_of(value) if fault is None else fault
    return facts_of(value, sound=fault is None), fault


def told(facts: Facts) -> Facts:
    """Without what the fast way may leave out: of the body it tells a decision in words."""
    decision = facts.body.get(DECISION)
    return facts._replace(body={"decision": decision} if decision in ("allow", "deny") else {})


@st.composite
def record_lines(draw: st.DrawFn) -> str:
    record = {**RECORD, "body": draw(BODIES)}
    if draw(st.booleans()):
        member = draw(st.sampled_from(sorted(ODD_MEMBERS)))
        record[member] = draw(st.sampled_from(ODD_MEMBERS[member]))
    text = spelled(record)
    if draw(st.booleans()):
        old, new = draw(st.sampled_from(SPELLINGS))
        text = text.replace(old, new, draw(st.sampled_from([1, 1, 2, -1])))
    return text


@settings(max_examples=150, deadline=None)
@given(st.lists(record_lines(), min_size=2, max_size=8))
def test_the_fast_way_says_what_the_careful_way_says(texts: list[str]) -> None:
    reader, accepted = RecordReader(), Shapes()
    for text in [spelled(RECORD), *texts, *texts]:
        line = text.encode(errors="surrogatepass")
        try:
            expected = carefully(line.decode())
        except ValueError:
            assert accepted.read(text) is None
            with pytest.raises(ValueError):  # noqa: PT011  FormatError or no UTF-8
                reader.read(line)
            continue
        facts, fault = reader.read(line)
        assert (told(facts), fault) == (told(expected[0]), expected[1])
        if expected[1] is None:
            accepted.learn(text, json.loads(text))


def test_every_odd_member_and_spelling_is_seen_by_both_ways() -> None:
    shape, accepted = Shape([RECORD]), 0
    changes = [{}, *({name: value} for name, values in ODD_MEMBERS.items() for value in values)]
    for change in changes:
        for old, new in [("v", "v"), *SPELLINGS]:
            text = spelled({**RECORD, **change}).replace(old, new, 1)
            facts = shape.read(text)
            assert facts is None or (_fault(text), told(facts)) == (None, told(carefully(text)[0])), text
            accepted += facts is not None
    assert accepted > 5


@settings(max_examples=150, deadline=None)
@given(st.lists(BODIES, min_size=1, max_size=4), record_lines())
def test_what_a_shape_accepts_has_no_fault(bodies: list[Any], text: str) -> None:
    learned = [{**RECORD, "body": body} for body in bodies]
    learned = [each for each in learned if _fault(spelled(each)) is None]
    assume(learned)
    try:
        shape = Shape(learned)
    except UnlikeError:
        reject()
    for each in (text, *map(spelled, learned)):
        facts = shape.read(each)
        assert facts is None or (_fault(each), told(facts)) == (None, told(carefully(each)[0]))


def _fault(text: str) -> str | None:
    try:
        text.encode()
        return carefully(text)[1]
    except ValueError:
        return "does not parse"


def test_a_shape_accepts_other_values_in_the_same_places() -> None:
    shapes = Shapes()
    text = spelled(RECORD)
    assert shapes.read(text) is None
    shapes.learn(text, RECORD)
    others: list[dict[str, Any]] = [
        {"body": {**RECORD["body"], "decision": "dény ✓", "list": [], "ok": False, "score": -15}},
        {"body": {**RECORD["body"], "list": [{"n": 0, "s": ""}] * 5}},
        {"seq": 0, "prev_hash": "00" * 32, "time": "2024-02-29T00:00:00.999999Z"},
        {"actor": {"id": "", "kind": "system"}},
    ]
    for other in others:
        record = {**RECORD, **other}
        line = rfc8785.dumps(record).decode()
        facts = shapes.read(line)
        assert facts is not None
        assert told(facts) == told(carefully(line)[0])


def test_shapes_widen_with_what_is_learned() -> None:
    shapes = Shapes()
    for other in (None, "x", [], [1], {"a": 1}):
        record = {**RECORD, "body": {"decision": "allow", "more": other}}
        assert shapes.read(spelled(record)) is None
        shapes.learn(spelled(record), record)
        assert shapes.read(spelled(record)) is not None
    assert shapes.read(spelled({**RECORD, "body": {"decision": "allow", "more": [5, 6]}})) is not None
    assert shapes.read(spelled({**RECORD, "body": {"decision": "allow", "more": [None]}})) is None


def test_names_that_json_escapes_are_never_learned() -> None:
    for name in ('a":1,"b', "a\\", 'a\\u0062"', "a\nb", 'a"'):
        record = {**RECORD, "body": {name: 1}}
        text = spelled(record)
        shapes = Shapes()
        shapes.learn(text, record)
        assert shapes.read(text) is None
        assert shapes.read(spelled({**RECORD, "body": {"a": 1, "b": 1}})) is None
        assert shapes.read(text.replace("\\", "")) is None


def test_learning_ends() -> None:
    shapes = Shapes()
    for number in range(200):
        record = {**RECORD, "body": {f"name_{number}": 1}}
        shapes.learn(spelled(record), record)
    assert shapes.read(spelled({**RECORD, "body": {"name_3": 5}})) is not None
    assert shapes.read(spelled({**RECORD, "body": {"name_150": 1}})) is None


def test_a_record_over_the_limit_is_refused_though_it_has_a_known_shape() -> None:
    reader = RecordReader()
    for length, fault in ((10, None), (17_000, "longer than 16384 bytes")):
        record = {**RECORD, "body": {"text": "x" * length}}
        assert reader.read(spelled(record).encode())[1] == fault
    record = {**RECORD, "body": {"text": "é" * 8_500}}
    assert reader.read(spelled(record).encode())[1] == "longer than 16384 bytes"
