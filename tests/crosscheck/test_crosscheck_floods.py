"""A line that is made to keep the verifier busy is refused at once: its work grows with the length of the line."""

import json
import time

import pytest
from governlayer_verifier.reader import MAX_LINE_BYTES

from tests.crosscheck.ledgers import Written, write_decisions

MEMBERS = 300_000
# Seconds of processor time. It takes about one; comparing each name with each would take an hour.
ENOUGH_S = 60.0


@pytest.fixture(scope="module")
def written() -> Written:
    return write_decisions("allow")


def flood(*duplicates: str) -> bytes:
    """A record of 300,000 members, and *duplicates* after them."""
    names = [*(f"n{number:012}" for number in range(MEMBERS)), *duplicates]
    line = ("{" + ",".join(f'"{name}":1' for name in names) + "}\n").encode()
    assert 5_000_000 < len(line) < MAX_LINE_BYTES
    return line


@pytest.mark.timeout(300)
@pytest.mark.parametrize("place", [0, 1, -2, -1], ids=["header", "record", "checkpoint", "trailer"])
@pytest.mark.parametrize("duplicates", [(), ("n000000299999",), ("n000000000000",)], ids=["none", "late", "early"])
def test_a_line_of_three_hundred_thousand_names_is_refused_in_time(
    written: Written, place: int, duplicates: tuple[str, ...]
) -> None:
    lines = written.dump.splitlines(keepends=True)
    lines[place] = flood(*duplicates)
    before_s = time.process_time()
    report = written.verdict(b"".join(lines))
    assert report.verdict == "invalid"
    assert time.process_time() - before_s < ENOUGH_S


def test_a_duplicate_member_is_named_and_cut_short(written: Written) -> None:
    long = "x" * 100_000
    lines = written.dump.splitlines(keepends=True)
    for name in ("actor", long):
        value = json.dumps(name) + ":1"
        lines[1] = ("{" + value + "," + value + "}\n").encode()
        report = written.verdict(b"".join(lines))
        assert report.verdict == "invalid"
        assert "duplicate member" in report.as_text()
        assert len(report.as_text()) < 10_000
