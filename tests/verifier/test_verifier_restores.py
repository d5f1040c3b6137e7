"""Restores: what a ledger owns up to is told, and changes no verdict."""

from typing import Any

import pytest
from governlayer_verifier.restores import MOST, Restored

from tests.verifier.ledger_writer import KEY, Ledger, sample_ledger, sign_note
from tests.verifier.verdicts import check


def restored(lost: Any) -> Ledger:
    ledger = sample_ledger(5)
    ledger.add("restore", {"lost": lost})
    ledger.add()
    return ledger


def test_what_was_lost_is_told() -> None:
    report = check(restored(sample_ledger(9).note(9)).dump())
    assert report.verdict == "valid"
    assert report.restores == (Restored(5, 9),)
    assert "records 5 to 8 of the history before" in report.as_text()
    assert report.as_json()["restores"] == ({"seq": 5, "lost": 9},)


@pytest.mark.parametrize(
    "lost",
    [None, 7, "no note", sign_note("other.example.com/ledgers/x", 9, bytes(32), KEY), sample_ledger(3).note(3)],
    ids=["none", "a number", "no note", "another ledger's", "of records that are there"],
)
def test_where_nothing_is_known_nothing_is_claimed(lost: Any) -> None:
    report = check(restored(lost).dump())
    assert report.verdict == "valid"
    assert "record 5: restored from a backup; no checkpoint of lost records was known" in report.as_text()


def test_a_lost_checkpoint_still_contradicts_the_ledger() -> None:
    lost = sample_ledger(9)
    lost.lines[8] = lost.lines[8].replace(b"deny", b"dent")
    report = check(restored(lost.note(9)).dump(), checkpoints=[lost.note(9)])
    assert report.verdict != "valid"
    assert report.restores == (Restored(5, 9),)


def test_without_a_restore_nothing_is_said_and_many_are_bounded() -> None:
    assert "restored" not in check(sample_ledger().dump()).as_text()
    ledger = Ledger()
    for _ in range(MOST + 5):
        ledger.add("restore", {"lost": None})
    assert len(check(ledger.dump()).restores) == MOST
