"""What each step of ledger-v1 §8 finds in dumps made for it."""

import json
from collections.abc import Callable
from datetime import datetime

import pytest
import rfc8785
from governlayer_verifier import ArgumentError, record, verify
from governlayer_verifier.findings import KEPT_PER_STEP
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.verifier.ledger_writer import KEY, Ledger, sample_ledger, to_line
from tests.verifier.verdicts import check, found, joined, lines_of, what

NAMES = ("content", "context")
GOOD = sample_ledger(20).dump(names=NAMES)


def test_a_good_dump_is_valid_and_counted() -> None:
    report = check(GOOD)
    assert (report.verdict, report.exit_status) == ("valid", 0)
    assert (report.records, report.payloads, report.checkpoints) == (20, 11, 1)
    assert [step.step for step in report.steps] == list(range(1, 13))
    assert report.step(10).status == "not_asked"


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_byte_is_never_accepted(at: int, difference: int) -> None:
    # The time of the dump itself is signed by nobody.
    start = GOOD.index(b'"created":"')
    assume(not start <= at < start + 40)
    changed = GOOD[:at] + bytes([GOOD[at] ^ difference]) + GOOD[at + 1 :]
    # A dump that is whole but for its very last newline is still whole.
    assume(at != len(GOOD) - 1 or changed[-1:] not in b"\r\t ")
    assert check(changed).verdict == "invalid"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD) - 2))
def test_a_removed_byte_is_never_accepted(at: int) -> None:
    start = GOOD.index(b'"created":"')
    assume(not start <= at < start + 40)
    assert check(GOOD[:at] + GOOD[at + 1 :]).verdict == "invalid"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD) - 2))
def test_a_dump_cut_anywhere_is_never_accepted(at: int) -> None:
    assert check(GOOD[:at]).verdict == "invalid"


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_moved_removed_or_repeated_lines_are_never_accepted(data: st.DataObject) -> None:
    lines = lines_of(GOOD)
    at = data.draw(st.integers(0, len(lines) - 1))
    to = data.draw(st.integers(0, len(lines) - 1))
    without = lines[:at] + lines[at + 1 :]
    assert check(joined(without)).verdict == "invalid"
    moved = [*without[:to], lines[at], *without[to:]]
    assume(moved != lines)
    assert check(joined(moved)).verdict == "invalid"
    # A checkpoint may be given twice; nothing else may.
    assume(not lines[at].startswith(b'{"checkpoint":'))
    assert check(joined([*lines[:to], lines[at], *lines[to:]])).verdict == "invalid"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_invalid_and_never_an_exception(garbage: bytes) -> None:
    assert check(garbage).verdict == "invalid"
    assert check(lines_of(GOOD)[0] + b"\n" + garbage).verdict == "invalid"


def with_lines(change: Callable[[list[bytes]], object]) -> bytes:
    lines = lines_of(GOOD)
    change(lines)
    return joined(lines)


def replaced(old: bytes, new: bytes) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


@pytest.mark.parametrize(
    ("dump", "text"),
    [
        (b"", "empty"),
        (b"\n", "no header"),
        (b"not a dump\n", "no header"),
        (b"\xff\xfe\n", "not UTF-8"),
        (b"[1]\n", "no header"),
        (lines_of(GOOD)[1] + b"\n", "header"),
        (with_lines(lambda lines: lines.insert(5, b"")), "not JSON"),
        (with_lines(lambda lines: lines.insert(5, b"{}")), "not a JSON object with members"),
        (with_lines(lambda lines: lines.insert(5, b'{"what":1}')), "no known kind"),
        (with_lines(lambda lines: lines.insert(5, b'{"\\u001b[2J":1}')), "no known kind"),
        (with_lines(lambda lines: lines.insert(5, lines[0])), "second header"),
        (with_lines(lambda lines: lines.append(lines[-1])), "after the trailer"),
        (with_lines(lambda lines: lines.pop()), "no trailer"),
        (replaced(b'"v":1}}', b'"v":2}}'), "version is not 1"),
        (replaced(b'"v":1}}', b'"v":true}}'), "version is not 1"),
        (replaced(b'"last":19', b'"last":-2'), "last is not a seq"),
        (replaced(b'"first":0', b'"first":-1'), "first is not a seq"),
        (replaced(b'"first":0', b'"first":0,"more":1'), "exactly the members"),
        (replaced(b'["content","context"]', b'["context","content"]'), "not sorted"),
        (replaced(b'["content","context"]', b'["content","content"]'), "not sorted"),
        (replaced(b'["content","context"]', b'["Content"]'), "not a list of names"),
        (replaced(b"gl.example.com/ledgers/test", b"gl.example.com/ledgers/t st"), "origin"),
        (replaced(b"+374391ee+", b"+374391ef+"), "key id"),
        (replaced(b'"keys":["gl', b'"keys":["\\ud800'), "verifier key"),
        (replaced(b'{"end":{', b'{"end":{"x":1,'), "exactly the members"),
        (replaced(b'{"payload":{', b'{"payload":{"seq":0,'), "duplicate member"),
        (with_lines(lambda lines: lines.insert(-1, b'{"checkpoint":1}')), "as a string"),
        (with_lines(lambda lines: lines.insert(-1, b'{"checkpoint":"x"}')), "not a signed note"),
        (with_lines(lambda lines: lines.insert(-1, b'{"checkpoint":"\\ud800"}')), "not UTF-8"),
        (with_lines(lambda lines: lines.insert(-1, b'{"end":[],"x":1}')), "one member"),
        (with_lines(lambda lines: lines.insert(-1, b"[" * 5000)), "deeply"),
        (with_lines(lambda lines: lines.insert(3, b'{"x":"' + b"y" * 7_000_000)), "too long"),
    ],
)
def test_step_1_says_what_is_wrong_with_a_line(dump: bytes, text: str) -> None:
    report = check(dump)
    assert report.step(1).status == "fail"
    assert text in what(report, 1)
    assert "\x1b" not in report.as_text()


def test_a_line_that_is_too_long_does_not_hide_those_after_it() -> None:
    lines = lines_of(GOOD)
    lines.insert(5, b"x" * 7_000_000)
    lines[7] = lines[7].replace(b'"deny"', b'"pass"')
    assert found(check(joined(lines))) == {(1, None), (5, 4), (8, 19)}


@pytest.mark.parametrize(
    ("member", "value", "text"),
    [
        ("v", 2, "v is not 1"),
        ("v", True, "v is not 1"),
        ("seq", "3", "seq is not an integer"),
        ("seq", -1, "seq is not an integer"),
        ("seq", True, "seq is not an integer"),
        ("type", "Decision", "type breaks"),
        ("type", "a." + "b" * 63, "type breaks"),
        ("type", "a..b", "type breaks"),
        ("type", "decision\n", "type breaks"),
        ("type", 5, "type breaks"),
        ("time", "2026-11-23T00:00:03Z", "time is not"),
        ("time", "2026-02-30T00:00:03.000000Z", "time is not"),
        ("time", "2026-11-23T24:00:03.000000Z", "time is not"),
        ("time", "2026-11-23T24:00:00.000000Z", "time is not"),
        ("time", "２026-11-23T00:00:03.000000Z", "time is not"),
        ("time", None, "time is not"),
        ("prev_hash", "AB" * 32, "prev_hash is not"),
        ("prev_hash", None, "prev_hash is not"),
        ("body", [], "body is not"),
        ("actor", {"id": "x", "kind": "robot"}, "actor breaks"),
        ("actor", {"id": "x", "kind": ["user"]}, "actor breaks"),
        ("actor", {"id": 5, "kind": "user"}, "actor breaks"),
        ("actor", {"id": "x"}, "actor does not"),
        ("actor", "x", "actor does not"),
        ("commitments", {"Name": "ab" * 32}, "commitments break"),
        ("commitments", {"name": "ab"}, "commitments break"),
        ("commitments", {"name": 5}, "commitments break"),
        ("commitments", {"n" * 33: "ab" * 32}, "commitments break"),
        ("commitments", {chr(97 + i): "ab" * 32 for i in range(17)}, "commitments break"),
        ("commitments", None, "commitments break"),
        ("extra", 1, "unknown member"),
        ("body", {"deep": [[[[[[[1]]]]]]]}, "deeper"),
        ("body", {"long": "x" * 16_384}, "longer"),
    ],
)
def test_step_3_refuses_a_record_that_breaks_its_grammar(member: str, value: object, text: str) -> None:
    ledger = sample_ledger(3)
    record = {**json.loads(ledger.lines[2]), "seq": 3, "prev_hash": ledger.head(3), member: value}
    ledger.add_line(to_line(dict(sorted(record.items()))))
    report = check(ledger.dump())
    assert text in what(report, 3)
    assert report.verdict == "invalid"


class LenientDatetime(datetime):
    """As of Python 3.14: 24:00 is the midnight that ends a day."""

    @classmethod
    def fromisoformat(cls, text: str) -> "LenientDatetime":
        return super().fromisoformat(text.replace("T24:00:00.000000", "T00:00:00.000000"))


def test_step_3_refuses_midnight_as_24_00_whatever_the_interpreter_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "datetime", LenientDatetime)
    assert record.is_time("2026-11-23T23:59:59.999999Z")
    assert record.is_time("2026-11-24T00:00:00.000000Z")
    assert not record.is_time("2026-11-23T24:00:00.000000Z")


@pytest.mark.parametrize("member", ["actor", "body", "commitments", "prev_hash", "seq", "time", "type", "v"])
def test_step_3_refuses_a_record_without_a_member(member: str) -> None:
    ledger = sample_ledger(3)
    record = json.loads(ledger.lines[2])
    del record[member]
    ledger.lines[2] = rfc8785.dumps(record)
    report = check(ledger.dump())
    # Without its first member a line is no record at all.
    assert report.step(1 if member == "actor" else 3).status == "fail"


def test_unknown_types_and_members_of_bodies_are_accepted() -> None:
    ledger = sample_ledger(3)
    ledger.add("something.new", {"whatever": [1, {"x": None}]})
    assert check(ledger.dump()).verdict == "valid"


def test_the_longest_record_is_accepted() -> None:
    ledger = Ledger()
    short = len(sample_line({"x": ""}))
    ledger.add(body={"x": "y" * (16_384 - short)})
    assert len(ledger.lines[0]) == 16_384
    assert check(ledger.dump()).verdict == "valid"


def sample_line(body: object) -> bytes:
    ledger = Ledger()
    ledger.add(body=body)
    return ledger.lines[0]


def test_a_record_with_white_space_before_its_first_member_is_still_a_record() -> None:
    report = check(with_lines(lambda lines: lines.__setitem__(4, lines[4].replace(b'{"actor"', b'{ "actor"', 1))))
    assert report.step(3).status == "fail"
    assert report.records == 20


@pytest.mark.parametrize("member", ["decision", "prev_hash", "time", "id"])
def test_every_edited_member_breaks_the_next_link_and_the_tree(member: str) -> None:
    edits = {
        "decision": (b'"deny"', b'"pass"'),
        "prev_hash": (b'"prev_hash":"', b'"prev_hash":"00'),
        "time": (b":05.000000Z", b":05.000001Z"),
        "id": (b"key_1", b"key_2"),
    }
    ledger = sample_ledger(10)
    old, new = edits[member]
    ledger.lines[5] = ledger.lines[5].replace(old, new, 1)
    # The checkpoint was signed over the leaves as they were.
    assert {(5, 6), (8, 9)} <= found(check(ledger.dump()))


def test_every_failure_is_counted_and_the_first_hundred_are_kept() -> None:
    ledger = Ledger()
    for _ in range(250):
        ledger.add(v=2)
    result = check(ledger.dump()).step(3)
    assert (result.count, len(result.failures)) == (250, KEPT_PER_STEP)
    assert [each.seq for each in result.failures] == list(range(100))
    assert result.failures[7].line == 9


def test_step_2_holds_the_ledger_to_what_the_user_named() -> None:
    ledger = sample_ledger(2)
    asked = {"origin": ledger.origin, "genesis": ledger.genesis}
    assert check(ledger.dump(), **asked).verdict == "valid"
    assert found(check(ledger.dump(), origin="gl.example.com/ledgers/other")) == {(2, None)}
    assert found(check(ledger.dump(), genesis="00" * 32)) == {(2, None)}


@pytest.mark.parametrize(
    "asked",
    [
        {"keys": ["nonsense"]},
        {"keys": [KEY.vkey.replace("374391ee", "374391ef")]},
        {"keys": [KEY.vkey[:-4]]},
        {"keys": ["\ud800+374391ee+AAAA"]},
        {"origin": "has space"},
        {"origin": ""},
        {"origin": "x" * 256},
        {"genesis": "xyz"},
        {"genesis": "AB" * 32},
        {"checkpoints": [""]},
        {"checkpoints": ["not a note"]},
        {"receipts": ["not a receipt"]},
    ],
)
def test_malformed_arguments_are_an_error_before_anything_is_read(asked: dict[str, object]) -> None:
    class Unread:
        def readline(self, size: int) -> bytes:
            raise AssertionError

    with pytest.raises(ArgumentError):
        verify(Unread(), **asked)  # type: ignore[arg-type]  # a stream that must not be touched


def test_an_empty_ledger_needs_no_checkpoint() -> None:
    assert check(Ledger().dump()).verdict == "valid"


def test_records_that_do_not_reach_the_announced_end_fail_step_4() -> None:
    ledger = sample_ledger(6)
    lines = lines_of(ledger.dump(0, 4))
    lines[0] = ledger.header(0, 5)
    assert found(check(joined(lines))) == {(4, 4)}


def test_a_report_is_plain_json_and_its_members_are_stable() -> None:
    report = json.loads(json.dumps(check(GOOD).as_json()))
    assert list(report) == [
        "verdict", "exit_status", "limits", "origin", "first", "last", "head_hash", "lines", "records", "payloads",
        "checkpoints", "outside_size", "steps", "trust", "activity", "restores",
    ]  # fmt: skip
    assert list(report["steps"][0]) == ["step", "name", "status", "count", "reason", "failures"]
