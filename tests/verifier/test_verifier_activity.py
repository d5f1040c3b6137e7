"""Decisions over time: bounded, and the same in whatever order they are counted."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from governlayer_verifier.activity import DECISIONS, MAX_SPANS, Activity
from governlayer_verifier.record import Facts
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.ledger_writer import sample_ledger
from tests.verifier.verdicts import check

TIMES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001  Hypothesis adds no zone
NEAR = st.integers(0, 10**9).map(lambda seconds: datetime(2026, 1, 1) + timedelta(seconds=seconds))  # noqa: DTZ001


def decision(time: datetime, name: Any = "allow") -> Facts:
    return Facts(
        0, f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond:06}Z".zfill(27), None, "decision", {}, {"decision": name}
    )


def counted(records: list[Facts]) -> Activity:
    activity = Activity()
    for each in records:
        activity.take(each)
    return activity


RECORDS = st.lists(
    st.builds(decision, TIMES | NEAR, st.sampled_from([*DECISIONS, "maybe", 7, None, ["deny"]])), max_size=400
)


@given(RECORDS, st.data())
def test_parts_in_any_order_give_what_one_count_gives(records: list[Facts], data: st.DataObject) -> None:
    whole = counted(records).spans()
    assert counted(data.draw(st.permutations(records))).spans() == whole
    cut = sorted(data.draw(st.lists(st.integers(0, len(records)), min_size=2, max_size=2)))
    parts = [counted(records[: cut[0]]), counted(records[cut[0] : cut[1]]), counted(records[cut[1] :])]
    merged = Activity()
    for part in data.draw(st.permutations(parts)):
        merged.merge(part)
    assert merged.spans() == whole


@given(RECORDS)
def test_nothing_is_lost_and_the_spans_are_bounded(records: list[Facts]) -> None:
    spans = counted(records).spans()
    assert len(spans) <= MAX_SPANS
    assert sum(sum(each.counts) for each in spans) == len(records)
    assert [each.start for each in spans] == sorted({each.start for each in spans})
    names = Counter(each.body["decision"] if each.body["decision"] in DECISIONS else "other" for each in records)
    columns = [sum(each.counts[index] for each in spans) for index in range(5)]
    assert columns == [names[name] for name in (*DECISIONS, "other")]


@pytest.mark.parametrize(
    ("step", "count", "first", "length"),
    [
        (timedelta(seconds=1), 200, "2026-01-01T00:00:00", 200),
        (timedelta(seconds=1), 201, "2026-01-01T00:00:0", 21),
        (timedelta(minutes=1), 201, "2026-01-01T00:0", 21),
        (timedelta(hours=1), 201, "2026-01-01", 9),
        (timedelta(days=1), 365, "2026-01", 12),
        (timedelta(days=400), 201, "202", 23),
    ],
)
def test_the_spans_widen_with_the_time_covered(step: timedelta, count: int, first: str, length: int) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    spans = counted([decision(start + step * index) for index in range(count)]).spans()
    assert (spans[0].start, len(spans)) == (first, length)


def test_other_records_and_records_without_a_time_are_not_counted() -> None:
    at = "2026-01-01T00:00:00.000000Z"
    others = [
        Facts(0, at, None, "decision.outcome", {}, {"decision": "allow"}),
        Facts(0, at, None, None, {}, {"decision": "allow"}),
        Facts(0, None, None, "decision", {}, {"decision": "allow"}),
    ]
    assert counted(others).spans() == ()
    assert counted([Facts(0, at, None, "decision", {}, {})]).spans()[0].counts == (0, 0, 0, 0, 1)


def test_the_report_of_a_dump_counts_its_decisions() -> None:
    report = check(sample_ledger(20).dump())
    assert len(report.activity) == 20
    assert report.activity[3].start == "2026-11-23T00:00:03"
    assert report.activity[3].counts == (0, 1, 0, 0, 0)
    assert report.as_json()["activity"][3] == {"start": "2026-11-23T00:00:03", "counts": (0, 1, 0, 0, 0)}
