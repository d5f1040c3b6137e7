"""Partial dumps (ledger-v1 §7 and §8 step 8): inclusion and consistency proofs stand for what is missing."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.verifier.ledger_writer import KEY, SECOND_KEY, Ledger, b64, sample_ledger, sign_note, to_line
from tests.verifier.verdicts import check, found, joined, lines_of, what

LEDGER = sample_ledger(60)
NAMES = ("content", "context")


def partial(first: int, last: int, *extra: bytes, names: Sequence[str] = NAMES) -> bytes:
    return LEDGER.dump(first, last, names=names, extra=extra)


GOOD = partial(21, 40, LEDGER.inclusion(21, 41), LEDGER.checkpoint(41))
BEYOND = partial(21, 40, LEDGER.inclusion(21, 60), LEDGER.consistency(41, 60), LEDGER.checkpoint(60))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_range_is_valid_with_the_proofs_it_needs(data: st.DataObject) -> None:
    first = data.draw(st.integers(1, 59))
    last = data.draw(st.integers(first, 59))
    proven_in = data.draw(st.integers(last + 1, 60))
    extra = [LEDGER.inclusion(first, proven_in), LEDGER.checkpoint(proven_in)]
    if proven_in > last + 1:
        extra.insert(0, LEDGER.consistency(last + 1, proven_in))
    report = check(partial(first, last, *extra))
    assert report.verdict == "valid", report.as_text()
    assert report.records == last - first + 1


def test_checkpoints_inside_the_range_are_held_against_it() -> None:
    extra = [LEDGER.inclusion(21, 30), *map(LEDGER.checkpoint, (21, 22, 30, 41))]
    assert check(partial(21, 40, *extra)).verdict == "valid"
    false = to_line({"checkpoint": sign_note(LEDGER.origin, 30, bytes(32), KEY)})
    assert found(check(partial(21, 40, *extra, false))) == {(8, 29)}


def test_the_inclusion_line_may_stand_at_the_beginning() -> None:
    lines = lines_of(GOOD)
    inclusion = lines.pop(-3)
    assert check(joined([lines[0], inclusion, *lines[1:]])).verdict == "valid"


def test_the_inclusion_line_must_stand_before_the_last_checkpoint() -> None:
    dump = partial(21, 40, LEDGER.checkpoint(41), LEDGER.inclusion(21, 41))
    assert found(check(dump)) == {(1, 21)}


def test_without_an_inclusion_line_step_8_fails() -> None:
    assert found(check(partial(21, 40, LEDGER.checkpoint(41)))) == {(8, 21)}
    other = partial(21, 40, LEDGER.inclusion(22, 41), LEDGER.checkpoint(41))
    assert found(check(other)) == {(8, 21)}


def test_without_a_checkpoint_step_8_fails() -> None:
    assert (8, None) in found(check(partial(21, 40, LEDGER.inclusion(21, 41))))


def test_records_that_no_checkpoint_covers_are_named_and_the_status_is_3() -> None:
    report = check(partial(21, 40, LEDGER.inclusion(21, 30), LEDGER.checkpoint(30)))
    assert (report.exit_status, report.step(8).status) == (3, "not_checked")
    assert "records 30 to 40" in str(report.step(8).reason)


def test_an_inclusion_beyond_the_range_shows_the_first_record_alone() -> None:
    report = check(partial(21, 40, LEDGER.inclusion(21, 60), LEDGER.checkpoint(60)))
    assert (report.exit_status, found(report)) == (3, set())
    false = to_line({"checkpoint": sign_note(LEDGER.origin, 60, bytes(32), KEY)})
    assert found(check(partial(21, 40, LEDGER.inclusion(21, 60), false))) == {(8, 59)}


def test_an_edited_record_is_found_though_its_checkpoint_lies_beyond() -> None:
    assert check(BEYOND).verdict == "valid"
    other = sample_ledger(60)
    other.lines[:41] = [line.replace(b'"score":40', b'"score":41') for line in other.lines[:41]]
    lines = lines_of(BEYOND)
    at = lines.index(LEDGER.lines[40])
    lines[at] = other.lines[40]
    assert (8, 40) in found(check(joined(lines)))


@pytest.mark.parametrize("good", [GOOD, BEYOND], ids=["inside", "beyond"])
@settings(max_examples=250, deadline=None)
@given(st.data())
def test_a_changed_byte_of_a_partial_dump_is_never_accepted(good: bytes, data: st.DataObject) -> None:
    # Most of a dump is records; half of the changes go to the proofs.
    proofs = good.index(b'{"consistency"') if b'{"consistency"' in good else good.index(b'{"inclusion"')
    at = data.draw(st.integers(0, len(good) - 2) | st.integers(proofs, len(good) - 2))
    start = good.index(b'"created":"')
    assume(not start <= at < start + 40)
    changed = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    assert check(changed).exit_status in (1, 3)
    assert check(changed).verdict != "valid"


def test_an_older_checkpoint_from_outside_is_reached_by_consistency() -> None:
    for older in (5, 16, 20):
        dump = partial(21, 40, LEDGER.inclusion(21, 41), LEDGER.consistency(older, 41), LEDGER.checkpoint(41))
        report = check(dump, checkpoints=[LEDGER.note(older)])
        assert (report.verdict, report.outside_size) == ("valid", older)
        other = sign_note(LEDGER.origin, older, bytes(32), KEY)
        assert found(check(dump, checkpoints=[other])) == {(9, older - 1)}


def test_an_older_checkpoint_is_reached_through_one_beyond_the_range() -> None:
    extra = [LEDGER.inclusion(21, 60), LEDGER.consistency(41, 60), LEDGER.consistency(8, 60), LEDGER.checkpoint(60)]
    assert check(partial(21, 40, *extra), checkpoints=[LEDGER.note(8)]).verdict == "valid"


def test_an_older_checkpoint_without_a_proof_cannot_be_checked() -> None:
    report = check(GOOD, checkpoints=[LEDGER.note(8)])
    assert (report.exit_status, report.step(9).status) == (3, "not_checked")
    report = check(partial(21, 40, LEDGER.inclusion(21, 41), LEDGER.checkpoint(8), LEDGER.checkpoint(41)))
    assert (report.exit_status, report.step(8).status) == (3, "not_checked")


def test_a_checkpoint_from_outside_beyond_the_range_is_a_cut_tail_unless_proven() -> None:
    assert found(check(GOOD, checkpoints=[LEDGER.note(60)])) == {(9, 59)}
    assert check(BEYOND, checkpoints=[LEDGER.note(60)]).verdict == "valid"
    assert found(check(BEYOND, checkpoints=[LEDGER.note(50)])) == {(9, 49)}


def test_receipts_are_held_against_the_range() -> None:
    assert check(GOOD, receipts=[LEDGER.receipt(25, 41)]).verdict == "valid"
    report = check(GOOD, receipts=[LEDGER.receipt(5, 41)])
    assert (report.exit_status, report.step(10).status) == (3, "not_checked")


@pytest.mark.parametrize(
    "proof",
    [
        LEDGER.consistency(25, 41).replace(b'"to":41', b'"to":40'),
        LEDGER.consistency(25, 50).replace(b'"to":50', b'"to":41'),
        to_line({"consistency": {"from": 41, "hashes": [], "to": 60}}),
        LEDGER.inclusion(25, 41).replace(b'"seq":25', b'"seq":26'),
        LEDGER.inclusion(5, 41),
        LEDGER.inclusion(50, 60),
        to_line({"inclusion": {"hashes": [], "seq": 30, "size": 41}}),
    ],
)
def test_a_proof_that_does_not_hold_fails_step_8(proof: bytes) -> None:
    extra = [LEDGER.inclusion(21, 41), proof, LEDGER.checkpoint(41), LEDGER.checkpoint(60)]
    assert check(partial(21, 40, *extra)).step(8).status == "fail"


@pytest.mark.parametrize(
    "proof",
    [LEDGER.consistency(8, 41), LEDGER.consistency(41, 60), LEDGER.consistency(50, 60), LEDGER.inclusion(21, 60)],
)
def test_a_proof_that_leads_to_no_checkpoint_is_said_to_be_unchecked(proof: bytes) -> None:
    report = check(partial(21, 40, LEDGER.inclusion(21, 41), proof, LEDGER.checkpoint(41)))
    assert (report.exit_status, found(report)) == (3, set())


def test_proof_lines_in_a_full_dump_are_checked_as_well() -> None:
    extra = [LEDGER.inclusion(3, 60), LEDGER.consistency(20, 60), LEDGER.checkpoint(60)]
    assert check(LEDGER.dump(extra=extra)).verdict == "valid"
    extra[1] = LEDGER.consistency(20, 50).replace(b'"to":50', b'"to":60')
    assert found(check(LEDGER.dump(extra=extra))) == {(8, 19)}


@pytest.mark.parametrize(
    "line",
    [
        {"inclusion": {"hashes": [], "seq": 5, "size": 5}},
        {"inclusion": {"hashes": ["AAAA"], "seq": 1, "size": 5}},
        {"inclusion": {"hashes": [5], "seq": 1, "size": 5}},
        {"inclusion": {"hashes": "x", "seq": 1, "size": 5}},
        {"inclusion": {"seq": 1, "size": 5}},
        {"consistency": {"from": 0, "hashes": [], "to": 5}},
        {"consistency": {"from": 6, "hashes": [], "to": 5}},
        {"consistency": {"from": True, "hashes": [], "to": 5}},
    ],
)
def test_a_malformed_proof_line_fails_step_1(line: object) -> None:
    extra = [LEDGER.inclusion(21, 41), to_line(line), LEDGER.checkpoint(41)]
    assert found(check(partial(21, 40, *extra))) == {(1, None)}


def test_the_number_of_proof_lines_is_bounded() -> None:
    extra = [LEDGER.inclusion(21, 41)] * 1025
    assert "more than 1024" in what(check(partial(21, 40, *extra, LEDGER.checkpoint(41))), 1)


def test_an_empty_range_that_does_not_begin_at_0_proves_nothing() -> None:
    report = check(partial(21, 20, LEDGER.checkpoint(21)))
    assert (report.exit_status, found(report)) == (3, set())


def test_a_key_that_was_introduced_in_the_range_is_trusted_when_covered() -> None:
    ledger = Ledger()
    for _ in range(10):
        ledger.add()
    ledger.add("ledger.key", {"event": "introduced", "vkey": SECOND_KEY.vkey})
    ledger.add()
    extra = [ledger.inclusion(5, 11), ledger.checkpoint(11, KEY), ledger.checkpoint(12, SECOND_KEY)]
    assert check(ledger.dump(5, extra=extra)).verdict == "valid"
    assert found(check(ledger.dump(5, extra=[extra[0], extra[2]]))) == {(9, 11)}


def test_the_first_record_of_a_partial_dump_is_bound_by_the_tree_not_by_a_link() -> None:
    lines = lines_of(GOOD)
    lines[1] = lines[1].replace(LEDGER.head(21).encode(), b"00" * 32)
    failures = found(check(joined(lines)))
    assert (5, 21) not in failures
    assert {(5, 22), (8, 40)} <= failures


def test_an_inclusion_proof_that_does_not_hold_is_a_failure_even_where_a_consistency_proof_does() -> None:
    start = BEYOND.index(b'{"inclusion"')
    at = BEYOND.index(b'","', start) + 3
    for replacement in (b"A", b"B"):
        if BEYOND[at : at + 1] != replacement:
            changed = BEYOND[:at] + replacement + BEYOND[at + 1 :]
            assert check(changed).exit_status == 1


def forged(proof: bytes, at: int) -> bytes:
    """*proof* with another hash at place *at*."""
    members = json.loads(proof)
    (body,) = members.values()
    body["hashes"][at] = b64(bytes(32))
    return to_line(members)


def test_a_proof_may_start_where_another_leads() -> None:
    chain = [LEDGER.inclusion(21, 41), LEDGER.consistency(50, 60), LEDGER.consistency(41, 50), LEDGER.checkpoint(60)]
    report = check(partial(21, 40, *chain))
    assert report.verdict == "valid", report.as_text()
    assert check(partial(21, 40, *chain), checkpoints=[LEDGER.note(50)]).verdict == "valid"


@pytest.mark.parametrize("at", [0, 1, -1])
def test_a_forged_proof_beyond_the_range_is_found_though_no_checkpoint_needs_it(at: int) -> None:
    good = [LEDGER.inclusion(21, 41), LEDGER.consistency(41, 50), LEDGER.checkpoint(50)]
    report = check(partial(21, 40, *good, forged(LEDGER.consistency(50, 60), at)))
    assert report.verdict != "valid"


@pytest.mark.parametrize("sizes", [(30, 60), (41, 60)])
@pytest.mark.parametrize("order", [1, -1])
def test_of_two_proofs_to_one_size_both_must_hold(sizes: tuple[int, int], order: int) -> None:
    both = [LEDGER.consistency(35, 60), forged(LEDGER.consistency(*sizes), -1)][::order]
    report = check(partial(21, 40, LEDGER.inclusion(21, 41), *both, LEDGER.checkpoint(60), LEDGER.checkpoint(41)))
    assert (report.step(8).status, report.verdict) == ("fail", "invalid")


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_proofs_from_an_older_size_both_must_hold(order: int) -> None:
    both = [LEDGER.consistency(11, 30), forged(LEDGER.consistency(11, 41), -1)][::order]
    dump = partial(21, 40, LEDGER.inclusion(21, 41), *both, LEDGER.checkpoint(41))
    assert found(check(dump, checkpoints=[LEDGER.note(11)])) == {(9, 10)}
