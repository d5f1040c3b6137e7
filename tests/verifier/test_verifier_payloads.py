"""Steps 7 and 11: payloads, commitments and erasure."""

import hashlib

import pytest
from governlayer_verifier.erasure import RangeSet
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.ledger_writer import Ledger, sample_ledger, to_line
from tests.verifier.verdicts import check, found, joined, lines_of, what

NAMES = ("content", "context")


def erased_ledger(ranges: object, names: object = ("*",), kind: str = "erasure", **more: object) -> Ledger:
    """Records 0..11, of which 0, 3, 6, 9 commit to content and 0, 6 to context; then the erasing record 12."""
    ledger = sample_ledger(12)
    body = {"basis": "gdpr-art-17", "names": list(names) if isinstance(names, tuple) else names, "ranges": ranges}
    ledger.add(kind, body | more)
    return ledger


def without(ledger: Ledger, *gone: tuple[int, str]) -> Ledger:
    for each in gone:
        del ledger.payloads[each]
    return ledger


def test_lawfully_erased_payloads_are_accepted() -> None:
    for kind in ("erasure", "retention"):
        ledger = without(
            erased_ledger([[0, 0], [6, 7]], kind=kind), (0, "content"), (0, "context"), (6, "content"), (6, "context")
        )
        assert check(ledger.dump(names=NAMES)).verdict == "valid"


def test_a_record_may_say_more_about_an_erasure() -> None:
    ledger = without(erased_ledger([[3, 3]], request="er_1"), (3, "content"))
    assert check(ledger.dump(names=NAMES)).verdict == "valid"


def test_an_erasure_of_one_name_does_not_account_for_another() -> None:
    ledger = without(erased_ledger([[0, 0]], ("context",)), (0, "content"), (0, "context"))
    assert found(check(ledger.dump(names=NAMES))) == {(11, 0)}
    assert "content is withheld" in what(check(ledger.dump(names=NAMES)), 11)


def test_a_payload_that_an_erasure_names_must_be_gone() -> None:
    ledger = erased_ledger([[2, 4]])
    assert found(check(ledger.dump(names=NAMES))) == {(11, 3)}


def test_an_erasure_does_not_reach_records_after_it() -> None:
    ledger = sample_ledger(3)
    ledger.add("erasure", {"basis": "x", "names": ["*"], "ranges": [[0, 100]]})
    ledger.add(payloads={"content": "later"})
    without(ledger, (0, "content"), (0, "context"))
    assert check(ledger.dump(names=NAMES)).verdict == "valid"
    without(ledger, (4, "content"))
    assert found(check(ledger.dump(names=NAMES))) == {(11, 4)}


def test_an_erasure_before_the_record_does_not_account_for_it() -> None:
    ledger = sample_ledger(1)
    ledger.add("erasure", {"basis": "x", "names": ["*"], "ranges": [[2, 2]]})
    ledger.add(payloads={"content": "later"})
    assert found(check(without(ledger, (2, "content")).dump(names=NAMES))) == {(11, 2)}


def test_names_that_are_not_disclosed_are_not_asked_for() -> None:
    ledger = sample_ledger(12)
    assert check(ledger.dump()).verdict == "valid"
    assert check(ledger.dump(names=["context"])).verdict == "valid"


@pytest.mark.parametrize(
    ("ranges", "names"),
    [
        ([[4, 3]], ("*",)),
        ([[6, 7], [0, 1]], ("*",)),
        ([[0]], ("*",)),
        ([[0, 1, 2]], ("*",)),
        ([[-1, 2]], ("*",)),
        ([["0", "1"]], ("*",)),
        ([[True, True]], ("*",)),
        ([0, 1], ("*",)),
        (None, ("*",)),
        ({}, ("*",)),
        ([[0, 1]], ("context", "content")),
        ([[0, 1]], ("*", "content")),
        ([[0, 1]], ("Content",)),
        ([[0, 1]], None),
        ([[0, 1]], "content"),
        ([[0, 1]], [["content"]]),
    ],
)
def test_a_malformed_erasure_record_is_reported(ranges: object, names: object) -> None:
    report = check(erased_ledger(ranges, names).dump())
    assert found(report) == {(11, 12)}


def payload(ledger: Ledger, seq: int, name: str, /, **changed: object) -> bytes:
    nonce, text = ledger.payloads[seq, name]
    return to_line({"payload": {"name": name, "nonce": nonce.hex(), "seq": seq, "text": text, **changed}})


def test_a_payload_or_nonce_of_another_record_does_not_match() -> None:
    ledger = sample_ledger(4)
    nonce, text = ledger.payloads[3, "content"]
    ledger.payloads[3, "content"] = nonce, text + "!"
    assert found(check(ledger.dump(names=NAMES))) == {(7, 3)}
    ledger.payloads[3, "content"] = hashlib.sha256(b"").digest(), text
    assert found(check(ledger.dump(names=NAMES))) == {(7, 3)}


@pytest.mark.parametrize(
    ("order", "failed"), [([1, 0], {(1, 0)}), ([0, 0, 1], {(1, 0)}), ([0, 1, 1], {(1, 0)}), ([0, 1, 2], {(7, 3)})]
)
def test_payloads_stand_once_in_name_order_after_their_record(order: list[int], failed: set[object]) -> None:
    ledger = sample_ledger(4)
    lines = lines_of(ledger.dump(names=NAMES))
    choice = [*lines[2:4], payload(ledger, 3, "content")]
    lines[2:4] = [choice[index] for index in order]
    assert found(check(joined(lines))) == failed


def test_a_payload_for_which_there_is_no_commitment_fails() -> None:
    ledger = sample_ledger(4)
    lines = lines_of(ledger.dump(names=NAMES))
    lines.insert(5, payload(ledger, 3, "content", seq=1))
    assert "does not commit" in what(check(joined(lines)), 7)


def test_a_payload_of_a_name_that_the_header_does_not_disclose_fails() -> None:
    ledger = sample_ledger(4)
    lines = lines_of(ledger.dump(names=["content"]))
    lines.insert(3, payload(ledger, 0, "context"))
    assert "not among those" in what(check(joined(lines)), 1)


def test_a_checkpoint_between_a_record_and_its_payload_separates_them() -> None:
    ledger = sample_ledger(4)
    lines = lines_of(ledger.dump(names=NAMES))
    lines.insert(2, ledger.checkpoint(1))
    assert {(7, 0), (11, 0)} <= found(check(joined(lines)))


@pytest.mark.parametrize(
    ("member", "spelled"),
    [
        ("text", b'"\\ud800"'),
        ("text", b"5"),
        ("nonce", b'"' + b"AB" * 32 + b'"'),
        ("nonce", b'"ab"'),
        ("seq", b"-1"),
        ("seq", b"true"),
        ("name", b'"X"'),
        ("more", b"1"),
    ],
)
def test_a_malformed_payload_line_fails_step_1(member: str, spelled: bytes) -> None:
    ledger = sample_ledger(4)
    lines = lines_of(ledger.dump(names=NAMES))
    lines[2] = payload(ledger, 0, "content", **{member: "@"}).replace(b'"@"', spelled)
    report = check(joined(lines))
    assert [each.line for each in report.step(1).failures] == [3]


def test_any_text_of_a_payload_is_allowed_up_to_a_mebibyte() -> None:
    ledger = Ledger()
    ledger.add(payloads={"content": "\0\x01\u2028 é 😀", "context": "\x01" * (1 << 20)})
    assert check(ledger.dump(names=NAMES)).verdict == "valid"
    ledger = Ledger()
    ledger.add(payloads={"content": "x" * ((1 << 20) + 1)})
    assert "longer than" in what(check(ledger.dump(names=NAMES)), 1)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8)), max_size=30), st.integers(0, 70))
def test_a_set_of_ranges_holds_what_was_added(ranges: list[tuple[int, int]], probe: int) -> None:
    found_set = RangeSet()
    for first, length in ranges:
        found_set.add(first, first + length)
    found_set.compact()
    assert (probe in found_set) == any(first <= probe <= first + length for first, length in ranges)


def test_a_set_of_ranges_stays_small_while_it_is_filled() -> None:
    many = RangeSet()
    for seq in range(100_000):
        many.add(seq, seq)
    assert len(many._ranges) < 3000
    many.compact()
    assert 99_999 in many
    assert 100_000 not in many
