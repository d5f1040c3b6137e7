"""The sliding-window log against a brute-force model; what its headers say; what a replica does alone."""

import pytest
from governlayer_server.domain.quota import (
    Bucket,
    Mode,
    Standing,
    Verdict,
    policy_field,
    standing,
    standing_field,
)
from governlayer_server.domain.quota_mirror import Mirror, Trace
from hypothesis import given
from hypothesis import strategies as st

W = 1_000
GAPS = st.one_of(st.integers(0, 3), st.integers(0, W + 2), st.sampled_from([W - 1, W, W + 1]))


def most_in_any_window(times: list[int], window_us: int = W) -> int:
    """The most of *times* in any half-open window: each such window can be moved to start at one of them."""
    return max((sum(start <= one < start + window_us for one in times) for start in times), default=0)


@given(st.lists(st.integers(0, 5 * W), max_size=30), st.integers(1, 30), st.integers(0, 2 * W))
def test_a_standing_is_what_counting_gives(times: list[int], limit: int, later: int) -> None:
    now = max(times, default=0) + later
    inside = sorted((one for one in times if one > now - W), reverse=True)
    found = standing(Bucket("org", limit), inside, now, W)
    assert found.remaining == max(0, limit - len(inside))

    def room(at: int) -> int:
        return max(0, limit - sum(one > at - W for one in inside))

    if inside:
        assert room(now + found.reset_us) > found.remaining
        assert room(now + found.reset_us - 1) == found.remaining
    else:
        assert found.reset_us == 0


@given(st.lists(GAPS, max_size=80), st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_one_replica_alone_is_exact_whatever_the_times_and_changes_of_plan(gaps: list[int], limits: list[int]) -> None:
    mirror, now, admitted = Mirror(1, W), 10 * W, list[int]()
    for number, gap in enumerate(gaps):
        now += gap
        limit = limits[number % len(limits)]
        inside = sum(one > now - W for one in admitted)
        verdict = mirror.spend([Bucket("org", limit)], mirror.traces(["o"], now), now)
        assert verdict.admitted == (inside < limit)
        if verdict.admitted:
            admitted.append(now)
        assert verdict.standings[0].remaining == max(0, limit - inside - verdict.admitted)
        assert verdict.mode is Mode.LOCAL
    assert most_in_any_window(admitted) <= max(limits)


@given(st.lists(st.tuples(GAPS, st.sampled_from("ab")), max_size=60), st.integers(1, 4), st.integers(1, 6))
def test_alone_a_request_spends_from_all_its_buckets_or_none(
    requests: list[tuple[int, str]], of_key: int, of_org: int
) -> None:
    mirror, now = Mirror(1, W), 10 * W
    admitted: dict[str, list[int]] = {"a": [], "b": []}
    for gap, key in requests:
        now += gap
        buckets = [Bucket("key", of_key, key), Bucket("org", of_org)]
        counts = {name: sum(one > now - W for one in times) for name, times in admitted.items()}
        verdict = mirror.spend(buckets, mirror.traces([key, "org"], now), now)
        assert verdict.admitted == (counts[key] < of_key and sum(counts.values()) < of_org)
        if verdict.admitted:
            admitted[key].append(now)


@given(st.integers(1, 5), st.integers(1, 40), st.lists(GAPS, max_size=60))
def test_replicas_alone_admit_no_more_than_their_shares(replicas: int, limit: int, gaps: list[int]) -> None:
    mirrors, now, admitted = [Mirror(replicas, W) for _ in range(replicas)], 10 * W, list[int]()
    for gap in gaps:
        now += gap
        for mirror in mirrors:
            if mirror.spend([Bucket("org", limit)], mirror.traces(["o"], now), now).admitted:
                admitted.append(now)
    assert most_in_any_window(admitted) <= max(limit, replicas)


@given(st.integers(0, 20), st.integers(0, W + 1))
def test_alone_the_others_count_as_they_were_last_told(others: int, later: int) -> None:
    mirror, bucket = Mirror(2, W), Bucket("org", 20)
    (trace,) = mirror.traces(["o"], W)
    trace.learn(others, admitted=False, shared_now_us=5 * W, now_us=W, window_us=W)
    admitted = sum(mirror.spend([bucket], [trace], W + later).admitted for _ in range(25))
    assert admitted == (min(10, 20 - others) if later < W else 10)


def test_own_admissions_are_not_counted_among_the_others() -> None:
    mirror, bucket = Mirror(1, W), Bucket("org", 10)
    (trace,) = mirror.traces(["o"], W)
    for count in range(1, 5):
        trace.learn(count, admitted=True, shared_now_us=50 * W + count, now_us=W + count, window_us=W)
    # Three of the own have left the shared window; one of another replica has come.
    trace.learn(2, admitted=False, shared_now_us=51 * W + 3, now_us=2 * W + 3, window_us=W)
    (found,) = mirror.standings([bucket], [trace], 2 * W + 3)
    assert found.remaining == 10 - 1 - 1


def test_what_was_promised_is_not_given_twice() -> None:
    mirror, bucket = Mirror(1, W), Bucket("org", 2)
    (trace,) = mirror.traces(["o"], W)
    trace.pending = 1
    assert [mirror.spend([bucket], [trace], W).admitted for _ in range(2)] == [True, False]


def test_idle_buckets_are_forgotten_and_there_are_never_too_many() -> None:
    mirror = Mirror(1, W, most=100)
    for number in range(1_000):
        mirror.spend([Bucket("org", 5)], mirror.traces([str(number)], W), W)
        assert len(mirror) <= 100
    mirror.traces(["new"], W + 2_000_000)
    assert len(mirror) == 1


def test_a_trace_does_not_grow() -> None:
    trace = Trace()
    for number in range(5_000):
        trace.learn(1, admitted=True, shared_now_us=number * W, now_us=number * W, window_us=W)
    assert len(trace._own) <= 2


@pytest.mark.parametrize(
    ("resets", "seconds"), [((0,), 1), ((1,), 1), ((1_000_000,), 1), ((1_000_001,), 2), ((5, 59_999_999), 60)]
)
def test_retry_after_is_whole_seconds_until_all_that_refused_have_room(resets: tuple[int, ...], seconds: int) -> None:
    refusing = [Standing(f"b{n}", 10, 0, reset) for n, reset in enumerate(resets)]
    open_one = Standing("open", 10, 3, 99_000_000)
    verdict = Verdict(admitted=False, standings=(*refusing, open_one), mode=Mode.SHARED)
    assert verdict.retry_after_s == seconds
    assert verdict.refused == tuple(refusing)


def test_the_headers_are_those_of_the_draft() -> None:
    standings = [Standing("key", 100, 12, 30_000_001), Standing("org", 60, 3, 31_000_000)]
    assert policy_field(standings) == '"key";q=100;w=60, "org";q=60;w=60'
    assert standing_field(standings) == '"key";r=12;t=31, "org";r=3;t=31'


def test_the_model_counts_half_open_windows() -> None:
    assert most_in_any_window([0, W]) == 1
    assert most_in_any_window([0, W - 1]) == 2
