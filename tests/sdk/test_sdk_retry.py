from __future__ import annotations

import httpx
from governlayer import ApiError, Decision
from governlayer._asking import Asker
from governlayer._config import configure
from governlayer._conversation import Conversations
from governlayer._retry import BASE_WAIT_S, MAX_WAIT_S, Facts, RetryState, is_retried, next_wait
from governlayer._state import MemoryStore
from governlayer._wire import Fault, Outcome, Pause, Reply, Send, timeouts
from governlayer._witness import Surroundings, Witness
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.sdk_support import BASE_URL, KEY, unhurried

statuses = st.one_of(st.none(), st.integers(100, 599))
facts = st.builds(
    Facts,
    status=statuses,
    code=st.sampled_from([None, "idempotency_in_progress", "other"]),
    retry_after_s=st.one_of(st.none(), st.floats(0, 1000)),
)
states = st.builds(RetryState, deadline_s=st.floats(0, 100), max_retries=st.integers(0, 10), tries=st.integers(1, 12))
jitters = st.floats(0, 1)


@unhurried
@given(states, st.floats(0, 120), facts, jitters)
def test_a_wait_always_ends_before_the_deadline(state, now_s, fact, jitter):
    wait_s = next_wait(state, now_s, fact, jitter)
    assert wait_s is None or (wait_s >= 0 and now_s + wait_s < state.deadline_s)


@unhurried
@given(states, st.floats(0, 120), facts, jitters)
def test_a_wait_honours_retry_after_and_is_bounded_without_it(state, now_s, fact, jitter):
    wait_s = next_wait(state, now_s, fact, jitter)
    if wait_s is None:
        return
    if fact.retry_after_s:
        assert wait_s >= fact.retry_after_s
    else:
        assert wait_s <= min(MAX_WAIT_S, BASE_WAIT_S * 2 ** (state.tries - 1))


@unhurried
@given(states, st.floats(0, 120), facts, jitters)
def test_nothing_is_retried_without_reason_or_beyond_the_allowance(state, now_s, fact, jitter):
    if state.tries > state.max_retries or not is_retried(fact):
        assert next_wait(state, now_s, fact, jitter) is None


def test_exactly_these_outcomes_are_retried():
    retried = {status for status in range(100, 600) if is_retried(Facts(status))}
    assert retried == {429, 500, 502, 503, 504}
    assert is_retried(Facts(None))
    assert is_retried(Facts(409, "idempotency_in_progress"))
    assert not is_retried(Facts(409, "conflict"))


def test_the_backoff_doubles_from_50_ms_and_jitter_reaches_from_nothing_to_all_of_it():
    def wait(tries: int, jitter: float) -> float | None:
        return next_wait(RetryState(100.0, 10, tries), 0.0, Facts(503), jitter)

    assert [wait(tries, 1.0) for tries in (1, 2, 3, 4)] == [0.05, 0.1, 0.2, 0.4]
    assert [wait(tries, 0.0) for tries in (1, 2, 3)] == [0.0, 0.0, 0.0]
    assert wait(10, 1.0) == 1.0


def test_a_retry_after_beyond_the_budget_ends_at_once_instead_of_late():
    assert next_wait(RetryState(2.0, 2, 1), 0.0, Facts(503, retry_after_s=1.0), 0.5) == 1.0
    assert next_wait(RetryState(2.0, 2, 1), 0.0, Facts(503, retry_after_s=2.0), 0.5) is None
    assert next_wait(RetryState(2.0, 2, 1), 0.0, Facts(429, retry_after_s=60.0), 0.5) is None


def test_a_try_gets_what_is_left_and_connecting_never_more_than_its_share():
    assert timeouts(2.0, 0.5).as_dict() == {"connect": 0.5, "read": 2.0, "write": 2.0, "pool": 2.0}
    assert timeouts(0.2, 0.5).as_dict() == dict.fromkeys(("connect", "read", "write", "pool"), 0.2)


outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.just(Fault("timed out")),
    st.builds(
        Reply,
        status=st.sampled_from([200, 302, 404, 409, 429, 500, 503]),
        headers=st.sampled_from(
            [
                httpx.Headers(),
                httpx.Headers({"retry-after": "1"}),
                httpx.Headers({"retry-after": "0"}),
                httpx.Headers({"retry-after": "99999999999999999999"}),
                httpx.Headers({"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}),
            ]
        ),
        body=st.just(b"{}"),
    ),
)


@unhurried
@given(
    st.floats(0.01, 10),
    st.integers(0, 10),
    st.lists(st.tuples(outcomes, st.floats(0, 1)), min_size=1, max_size=12),
    jitters,
)
def test_a_conversation_stays_in_its_budget_whatever_the_tries_end_with(timeout_s, max_retries, tries, jitter):
    now_s = 1000.0
    config = configure(
        {},
        api_key=KEY,
        base_url=BASE_URL,
        timeout_s=timeout_s,
        connect_timeout_s=0.5,
        max_retries=max_retries,
        on_unavailable="deny",
        verify_receipts=True,
        ledger_key=None,
        state_dir=None,
        consistency_interval_s=60,
    )
    asker = Asker(config, lambda: now_s, lambda: jitter)
    witness = Witness(asker, Surroundings(MemoryStore(), lambda: "", lambda: jitter))
    conversation = Conversations(asker, witness).govern(b"{}", mode="enforce", idempotency_key="one", verified=True)
    sent: list[Send] = []

    def play() -> Decision | ApiError:
        nonlocal now_s
        outcome: Outcome | None = None
        while True:
            try:
                step = conversation.send(outcome)
            except StopIteration as done:
                return done.value
            except ApiError as error:
                return error
            if isinstance(step, Pause):
                now_s, outcome = now_s + step.wait_s, None
                continue
            assert 0 < step.limit_s <= timeout_s + 1e-6  # rounding of the clock's sum
            outcome, share = tries[len(sent) % len(tries)]
            now_s += step.limit_s * share  # the clients guarantee that a try keeps its limit
            sent.append(step)

    result = play()
    assert result.status in {404, 409, 429} if isinstance(result, ApiError) else not result.allowed
    assert now_s <= 1000.0 + timeout_s + 1e-6
    assert 1 <= len(sent) <= 1 + max_retries
    assert {step.request.headers["Idempotency-Key"] for step in sent} == {"one"}
