"""What is stored of a record is held against its bytes, whatever was changed."""

import json
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from governlayer_server.domain.errors import LedgerFormatError
from governlayer_server.domain.ledger.audit import (
    MAX_OF_A_STEP,
    Finding,
    Findings,
    StoredRow,
    after,
    canonical_findings,
    column_findings,
    facts_of,
    hash_findings,
    place_findings,
)
from governlayer_server.domain.ledger.canonical import canonical_bytes
from governlayer_server.domain.ledger.chain import empty_head
from governlayer_server.domain.ledger.erasure import Erased
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.fakes.stored_rows import ORIGIN, rows_of


def all_findings(rows: list[StoredRow]) -> list[Finding]:
    found, reached, seq = list[Finding](), empty_head(ORIGIN), 0
    for row in rows:
        found += [*canonical_findings(row.seq, row.canonical), *hash_findings(row)]
        facts = facts_of(row.canonical)
        found += [*place_findings(row, facts, reached, seq), *column_findings(row, facts)]
        reached, seq = after(reached, row, facts), row.seq + 1
    return found


def rewritten(row: StoredRow, **members: Any) -> StoredRow:
    """A record that says something else, with the hash of what it says."""
    canonical = canonical_bytes({**json.loads(row.canonical), **members})
    return replace(row, canonical=canonical, hash=sha256(canonical).digest())


def test_rows_as_they_were_written_are_sound() -> None:
    rows, head = rows_of(20)
    assert all_findings(rows) == []
    reached = empty_head(ORIGIN)
    for row in rows:
        reached = after(reached, row, facts_of(row.canonical))
    assert reached == head


@pytest.mark.parametrize(
    ("column", "value"),
    [("type", "scan"), ("agent", "mallory"), ("agent", None), ("decision", "deny"), ("decision", None), ("time_us", 1),
     ("record_id", UUID(int=99)), ("prev_hash", bytes(32))],
)  # fmt: skip
def test_each_column_is_held_against_the_bytes(column: str, value: object) -> None:
    rows, _ = rows_of(3)
    rows[1] = replace(rows[1], **{column: value})
    (finding,) = all_findings(rows)
    assert (finding.step, finding.seq) == ("column", 1)
    assert column in finding.expected
    assert str(value) not in finding.found, "what stands there may be anything"


def test_a_hash_that_is_not_of_the_bytes_is_found() -> None:
    rows, _ = rows_of(3)
    rows[1] = replace(rows[1], hash=bytes(32))
    assert [(one.step, one.seq) for one in all_findings(rows)] == [("hash", 1)]


@given(st.data())
def test_any_byte_that_is_changed_is_found(data: st.DataObject) -> None:
    rows, _ = rows_of(4)
    number = data.draw(st.integers(0, 3))
    canonical = bytearray(rows[number].canonical)
    canonical[data.draw(st.integers(0, len(canonical) - 1))] ^= data.draw(st.integers(1, 255))
    rows[number] = replace(rows[number], canonical=bytes(canonical))
    try:
        steps = {one.step for one in all_findings(rows)}
    except LedgerFormatError:
        return  # it is no record any more
    assert "hash" in steps


def test_a_record_that_was_rewritten_with_its_hash_breaks_the_next_link() -> None:
    rows, _ = rows_of(4)
    rows[1] = rewritten(rows[1], body={**json.loads(rows[1].canonical)["body"], "reason": "other"})
    assert [(one.step, one.seq) for one in all_findings(rows)] == [("link", 2)]


def test_a_gap_is_told_once_with_its_broken_link() -> None:
    rows, _ = rows_of(9)
    assert [(one.step, one.seq) for one in all_findings(rows[:3] + rows[4:])] == [("sequence", 3), ("link", 4)]


def test_rows_that_changed_places_and_times_that_go_back_are_found() -> None:
    rows, _ = rows_of(4)
    swapped = [rows[0], replace(rows[2], seq=1), replace(rows[1], seq=2), rows[3]]
    assert {"sequence", "link", "time"} <= {one.step for one in all_findings(swapped)}


@pytest.mark.parametrize(
    "canonical",
    [b"", b"{}", b"[]", b"null", b"\xff", b'{"a":1}', b"[" * 100_000, b'{"seq":NaN}'],
    ids=lambda value: repr(value[:12]),
)
def test_bytes_that_are_no_record_are_told_and_never_raise(canonical: bytes) -> None:
    with pytest.raises(LedgerFormatError):
        facts_of(canonical)
    (finding,) = canonical_findings(7, canonical)
    assert (finding.step, finding.seq) == ("canonical", 7)


@pytest.mark.parametrize("change", ["space", "twice", "order", "more", "version", "time"])
def test_a_record_in_another_form_is_not_canonical(change: str) -> None:
    row = rows_of(1)[0][0]
    members = json.loads(row.canonical)
    written = {
        "space": json.dumps(members, sort_keys=True).encode(),
        "twice": row.canonical[:-1] + b',"v":1}',
        "order": json.dumps(dict(reversed(members.items())), separators=(",", ":")).encode(),
        "more": canonical_bytes({**members, "w": 1}),
        "version": canonical_bytes({**members, "v": 2}),
        "time": canonical_bytes({**members, "time": "2026-11-23T18:00:00Z"}),
    }[change]
    assert [one.step for one in canonical_findings(0, written)] == ["canonical"]


def test_findings_are_kept_up_to_a_hundred_of_each_step_and_all_are_counted() -> None:
    findings = Findings()
    for number in range(MAX_OF_A_STEP + 5):
        findings.add([Finding(step="hash", seq=number, expected="a", found="b")])
    findings.add([Finding(step="link", seq=1, expected="a", found="b")])
    assert findings.counts == {"hash": MAX_OF_A_STEP + 5, "link": 1}
    assert len(findings.first) == MAX_OF_A_STEP + 1


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=6), st.integers(0, 60), st.sampled_from("ab")
)
def test_what_was_erased_is_known_by_range_and_name(spans: list[tuple[int, int]], seq: int, name: str) -> None:
    erased, body = Erased(), {"ranges": [[first, first + more] for first, more in spans], "names": ["a"]}
    row = rows_of(1)[0][0]
    erased.add(replace(facts_of(row.canonical), seq=45, type="erasure", body=body))
    in_a_range = any(first <= seq <= first + more for first, more in spans)
    assert erased.covers(seq, name) == (name == "a" and seq < 45 and in_a_range)


@pytest.mark.parametrize(
    "body", [{}, {"names": "*"}, {"names": [1], "ranges": [[0, 9]]}, {"names": ["*"], "ranges": [[9, 0], ["0", 9], 3]}]
)
def test_an_erasure_that_says_nothing_erases_nothing(body: dict[str, object]) -> None:
    erased = Erased()
    erased.add(replace(facts_of(rows_of(1)[0][0].canonical), seq=45, body=body))
    assert not erased.covers(3, "content")


def test_an_erasure_of_all_names_covers_each() -> None:
    erased = Erased()
    erased.add(replace(facts_of(rows_of(1)[0][0].canonical), seq=45, body={"names": ["*"], "ranges": [[3, 3]]}))
    assert erased.covers(3, "content")
    assert not erased.covers(4, "content")
