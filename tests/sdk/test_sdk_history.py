"""Two sightings of one ledger never contradict each other; each thing that cannot be of one ledger is told by itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from governlayer._history import History, contradiction
from governlayer._note import parse_checkpoint
from governlayer._receipt import Sighting
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.ledger_builder import LedgerBuilder, sha256

LEDGER = LedgerBuilder()
LEDGER.grow(24)
NOTES = [parse_checkpoint(LEDGER.note(size)) for size in range(1, 25)]


def sighting(seq: int, size: int) -> Sighting:
    record = json.loads(LEDGER.records[seq])
    return Sighting(NOTES[size - 1], seq, sha256(LEDGER.records[seq]).hex(), record["prev_hash"], record["time"])


@st.composite
def sightings(draw: st.DrawFn) -> Sighting:
    size = draw(st.integers(1, 24))
    return sighting(draw(st.integers(0, size - 1)), size)


@given(sightings(), sightings())
def test_what_is_of_one_ledger_does_not_contradict_itself(one, other):
    assert contradiction(one, other) is None


BASE = sighting(10, 15)
CANNOT_BE = {
    "two roots": replace(sighting(3, 15), checkpoint=replace(NOTES[14], root=bytes(32))),
    "two records": replace(sighting(10, 20), hash="ab" * 32),
    "does not follow": replace(sighting(11, 20), prev_hash="ab" * 32),
    "is newer": replace(sighting(4, 20), time="2026-11-27T00:00:00.000000Z"),
}


@pytest.mark.parametrize("why", CANNOT_BE)
def test_what_cannot_be_is_told_whichever_was_seen_first(why):
    for pair in ((BASE, CANNOT_BE[why]), (CANNOT_BE[why], BASE)):
        assert why in (contradiction(*pair) or "")


def test_a_ledger_that_was_put_back_says_which_records_are_lost():
    why = contradiction(BASE, CANNOT_BE["is newer"]) or ""
    assert "records 4 to 10 that were there are lost, as after a restore" in why


def test_equal_times_are_no_contradiction():
    assert contradiction(BASE, replace(sighting(4, 20), time=BASE.time)) is None


def test_the_draw_can_fall_on_any_of_those_left_unproven():
    for count, chosen in ((1, 1), (5, 1), (5, 3), (5, 5)):
        turns = iter([0.999 if turn != chosen else 0.0 for turn in range(1, count + 1)])
        history = History(lambda turns=turns: next(turns))
        for seq in range(1, count + 1):
            history.leave_unproven(sighting(seq, 20))
        drawn = history.take_sample()
        assert drawn is not None
        assert drawn.seq == chosen
        assert history.take_sample() is None


def test_memory_does_not_grow_without_end():
    history = History(lambda: 0.5)
    for seq in range(2_000):
        history.add(replace(BASE, seq=seq))
    assert len(list(history.near(replace(BASE, seq=1_998)))) == 4
    assert len(list(history.near(replace(BASE, seq=1_000)))) == 1
