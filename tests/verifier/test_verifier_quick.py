"""--quick: what is left out is said, and what is read from the end of a line is what a parser reads."""

import json
from typing import Any

import pytest
import rfc8785
from governlayer_verifier import cli
from governlayer_verifier.quick import read_end
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.ledger_writer import KEY, Ledger, sample_ledger
from tests.verifier.mutated_dumps import LEDGER, NAMES, WHOLE
from tests.verifier.test_verifier_canonical import VALUES
from tests.verifier.test_verifier_shapes import RECORD
from tests.verifier.verdicts import check, found, what

END = ',"commitments":{},"prev_hash":"' + "0" * 64 + '","seq":99,"time":"2026-01-01T00:00:00.000000Z","type":"x","v":1}'
# Texts and names that try to look like the end of a record.
LURES = [
    END, END.replace('"', '\\"'), END[1:], END[:-1], '"' + END, '{"a":1' + END, "}" + END, ',"commitments":{', "\\", '\\"',
    '"commitments":{"a":"' + "ab" * 32 + '"}', "prev_hash", "commitments",
]  # fmt: skip
NESTED = {**RECORD, "body": {}, "actor": "x"}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(LURES) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=4),
    VALUES,
    st.sampled_from([{}, {"content": "ab" * 32}, {"a": "cd" * 32, "b": "00" * 32}]),
    st.integers(0, 2**53 - 1),
)  # fmt: skip
def test_of_a_canonical_record_the_end_says_what_the_record_says(
    texts: list[str], value: Any, commitments: dict[str, str], seq: int
) -> None:
    # The body holds the lures as strings, as names where they are ASCII, and objects with a record's members.
    names = {text: text for text in texts if text.isascii()}
    body = {"texts": texts, "value": value, "names": names, "record": NESTED, "zz": {**NESTED, "zz": texts}}
    record = {**RECORD, "body": body, "actor": {"id": "".join(texts), "kind": "user"}}
    record |= {"commitments": commitments, "seq": seq}
    facts = read_end(rfc8785.dumps(record).decode())
    if seq >= 10**15:
        assert facts is None
    else:
        assert facts is not None
        assert [*facts[:5]] == [record[name] for name in ("seq", "time", "prev_hash", "type", "commitments")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"v":1}', '"v":1}}'), ('"v":1}', '"v":1} '), ('"v":1}', '"v":2}'), ('"v":1}', '"V":1}'), ('{"actor"', ' {"actor"'),
        ('"seq":12', '"seq":012'), ('"seq":12', '"seq":-1'), ('"seq":12', '"seq":1e3'), ('"seq":12', '"seq": 12'),
        ("cdcd", "CDCD"), ("cdcd", "cd\\u"), ('"type":"decision"', '"type":"erasure"'), ("2026-11-23", "2026-11-31"),
        ('{"content"', '{"Content"'), ("abab", "ABAB"), (',"context"', ',,"context"'), (',"context"', '"context"'),
        ('},"prev_hash"', ',},"prev_hash"'), ('"decision","v"', '"décision","v"'), ('"time"', '"Time"'),
        ('"commitments"', '"comm\\u0069tments"'),
    ],
)  # fmt: skip
def test_an_end_that_is_not_that_of_a_record_is_not_read(old: str, new: str) -> None:
    text = rfc8785.dumps(RECORD).decode()
    assert read_end(text) is not None
    assert old in text
    assert read_end(text.replace(old, new)) is None


def test_what_is_left_out_is_said_and_the_rest_holds(capsys: pytest.CaptureFixture[str]) -> None:
    report = check(sample_ledger(20).dump(), quick=True)
    assert (report.verdict, report.exit_status) == ("valid", 0)
    statuses = {step.step: step.status for step in report.steps if step.status != "pass"}
    assert statuses == {1: "not_asked", 3: "not_asked", 10: "not_asked"}
    assert "--quick" in str(report.step(1).reason)
    assert "--quick" in str(report.step(3).reason)
    assert "form of the records was not checked" in report.conclusion
    assert report.activity == ()


def test_the_command_takes_it(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dump"
    path.write_bytes(sample_ledger(20).dump())
    assert cli.main([str(path), "--key", KEY.vkey, "--quick"]) == 0
    assert "NOT ASKED    3 canonical" in capsys.readouterr().out


@pytest.mark.parametrize(("old", "new"), [(b'"score":7', b'"score":8'), (b'"seq":7', b'"seq":9'), (b"key_1", b"key_2")])
def test_an_edited_record_is_found_all_the_same(old: bytes, new: bytes) -> None:
    dump = sample_ledger(20).dump().replace(old, new, 1)
    report = check(dump, quick=True)
    assert report.verdict == "invalid"
    assert found(report) == found(check(dump))


def test_payloads_erasures_and_keys_are_judged_as_without() -> None:
    quick, full = check(WHOLE, names_checked(), quick=True), check(WHOLE, names_checked())
    for number in (2, 4, 5, 6, 7, 8, 9, 11, 12):
        assert quick.step(number) == full.step(number)
    assert (quick.records, quick.payloads, quick.head_hash) == (full.records, full.payloads, full.head_hash)


def names_checked() -> list[str]:
    assert LEDGER.payloads
    assert NAMES
    return [KEY.vkey]


def test_a_body_that_is_not_canonical_passes_only_quick() -> None:
    ledger = Ledger()
    ledger.add()
    ledger.add_line(ledger_line(ledger).replace(b'"decision":"allow"', b'"decision": "allow"'))
    ledger.add()
    dump = ledger.dump()
    assert check(dump, quick=True).verdict == "valid"
    assert found(check(dump)) == {(3, 1)}


def test_a_record_whose_end_is_wrong_fails_step_3_even_so() -> None:
    ledger = Ledger()
    ledger.add()
    ledger.add_line(ledger_line(ledger).replace(b'"v":1', b'"v": 1'))
    report = check(ledger.dump(), quick=True)
    assert found(report) == {(3, 1)}
    assert "re-serialization" in what(report, 3)


def ledger_line(ledger: Ledger) -> bytes:
    """The next record of *ledger*, which is not added."""
    other = Ledger(ledger.origin, list(ledger.lines), list(ledger.leaves))
    other.add(body={"decision": "allow"})
    assert json.loads(other.lines[-1])["seq"] == len(ledger.lines)
    return other.lines[-1]
