"""The newest records against the stored head: whatever one of them says otherwise is found."""

from typing import Any

import pytest
from governlayer_server.domain.ledger.audit import StoredLedger, StoredRow
from governlayer_server.domain.ledger.chain import empty_head
from governlayer_server.domain.ledger.tail import TAIL_RECORDS, Tail, check_tail, first_of_tail
from governlayer_server.domain.ledger.tree import root
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.fakes.stored_rows import ORIGIN, rows_of, stored

SIZES = [0, 1, 2, 255, 256, 257, 511, 512, 513, 800]
ROWS, _ = rows_of(max(SIZES))


def tail_of(ledger: StoredLedger, rows: list[StoredRow], sizes: set[int] = frozenset()) -> Tail:  # type: ignore[assignment]
    return check_tail(ledger, rows[first_of_tail(ledger.size) :], sizes)


def steps(tail: Tail) -> set[str]:
    return {one.step for one in tail.findings}


@given(st.integers(0, 2**40))
def test_the_tail_begins_at_a_tile_and_is_never_shorter_than_256(size: int) -> None:
    first = first_of_tail(size)
    assert first % TAIL_RECORDS == 0
    assert size - first >= min(size, TAIL_RECORDS)
    assert size - first < 2 * TAIL_RECORDS


@pytest.mark.parametrize("size", SIZES)
def test_a_ledger_as_it_was_written_is_sound(size: int) -> None:
    rows, head = rows_of(size)
    tail = tail_of(stored(head), rows)
    assert tail.findings == ()
    assert tail.roots.get(size) == (root(head.edge) if first_of_tail(size) == 0 and not size else None)


def test_roots_that_are_asked_for_are_those_the_ledger_had() -> None:
    rows, head = rows_of(20)
    tail = tail_of(stored(head), rows, {0, 7, 20, 21})
    assert tail.roots == {0: root(empty_head(ORIGIN).edge), 7: root(rows_of(7)[1].edge), 20: root(head.edge)}


@pytest.mark.parametrize("size", [1, 20, 300, 800])
@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({"size": 1_000}, "head"),
        ({"hash": bytes(32)}, "head"),
        ({"time_us": 1}, "head"),
        ({"newest_seq": 1_000}, "head"),
    ],
)
def test_each_part_of_the_head_is_held_against_the_records(size: int, change: dict[str, Any], step: str) -> None:
    rows, head = rows_of(size)
    assert step in steps(tail_of(replace(stored(head), **change), rows))


@pytest.mark.parametrize("size", [1, 20, 300, 511])
def test_the_edge_of_a_small_ledger_is_held_against_the_records(size: int) -> None:
    rows, head = rows_of(size)
    ledger = stored(head)
    assert steps(tail_of(replace(ledger, edge=bytes(len(ledger.edge))), rows)) == {"edge"}
    assert steps(tail_of(replace(ledger, edge=b""), rows)) == {"edge"}


@pytest.mark.parametrize("size", [3, 300, 800])
def test_a_head_that_was_set_back_is_found_by_the_record_beyond_it(size: int) -> None:
    _, before = rows_of(size - 1)
    ledger = replace(stored(before), newest_seq=size - 1)
    assert "head" in steps(tail_of(ledger, ROWS[: size - 1]))


@given(st.sampled_from([2, 40, 300, 800]), st.data())
def test_a_record_that_is_missing_from_the_tail_is_found(size: int, data: st.DataObject) -> None:
    rows, head = ROWS[:size], rows_of(size)[1]
    gone = data.draw(st.integers(first_of_tail(size), size - 1))
    assert tail_of(stored(head), [*rows[:gone], *rows[gone + 1 :]]).findings


@given(st.sampled_from([2, 300, 800]), st.data())
def test_a_record_of_the_tail_that_was_changed_is_found(size: int, data: st.DataObject) -> None:
    rows, head = list(ROWS[:size]), rows_of(size)[1]
    number = data.draw(st.integers(first_of_tail(size), size - 1))
    canonical = bytearray(rows[number].canonical)
    canonical[data.draw(st.integers(0, len(canonical) - 1))] ^= data.draw(st.integers(1, 255))
    rows[number] = replace(rows[number], canonical=bytes(canonical))
    assert steps(tail_of(stored(head), rows)) & {"hash", "canonical"}


@pytest.mark.parametrize("size", [300, 800])
def test_a_tail_that_was_cut_off_with_its_head_in_place_is_found(size: int) -> None:
    rows, head = rows_of(size)
    assert "head" in steps(tail_of(replace(stored(head), newest_seq=size - 4), rows[:-3]))


def test_no_rows_at_all_are_found() -> None:
    for size in (3, 800):
        assert "head" in steps(check_tail(replace(stored(rows_of(size)[1]), newest_seq=None), [], set()))
