"""Whoever stands between client and appliance keeps genuine answers, and gives them again to other questions."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest
from governlayer import Action, ReceiptError
from governlayer._question import Given, Question

from tests.sdk.sdk_support import KINDS
from tests.sdk.witness_support import FakeAppliance, Session

one_client = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def appliance() -> FakeAppliance:
    one = FakeAppliance()
    one.ledger.grow(4)
    return one


def transfer(session: Session, amount: int, **ask: Any) -> bool:
    action = Action("bank.transfer", tool="bank", arguments={"amount": amount})
    return session.govern(stage="tool_call", action=action, **ask).allowed


def kept_and_given_again(appliance: FakeAppliance) -> None:
    """Let the first answer from now on be the answer to every question after it."""
    answers: list[dict[str, Any]] = []
    appliance.change = lambda answer: answers.append(answer) or answers[0]


@one_client
class TestReplays:
    def test_an_old_answer_is_none_to_a_new_question(self, kind, appliance):
        session = Session(kind, appliance)
        kept_and_given_again(appliance)
        assert transfer(session, 1)
        with pytest.raises(ReceiptError, match="old one"):
            transfer(session, 1_000_000)

    def test_nor_to_the_same_question_asked_anew(self, kind, appliance):
        session = Session(kind, appliance)
        kept_and_given_again(appliance)
        assert transfer(session, 1)
        with pytest.raises(ReceiptError, match="before the question"):
            transfer(session, 1)

    def test_nor_to_the_first_question_of_another_process(self, kind, appliance):
        kept_and_given_again(appliance)
        assert transfer(Session(kind, appliance), 1)
        with pytest.raises(ReceiptError, match="before the question"):
            transfer(Session(kind, appliance), 1_000_000)

    def test_a_state_file_of_another_ledger_that_cannot_be_read_does_not_matter(self, kind, appliance, state_dir):
        kept_and_given_again(appliance)
        assert transfer(Session(kind, appliance), 1)
        (state_dir / "other.json").write_text("{")
        with pytest.raises(ReceiptError, match="before the question"):
            transfer(Session(kind, appliance), 1_000_000)

    def test_a_decision_that_another_question_got_is_refused_whoever_chose_the_keys(self, kind, appliance):
        session = Session(kind, appliance)
        kept_and_given_again(appliance)
        assert transfer(session, 1, idempotency_key="one")
        for amount, key in ((1, "other"), (1_000_000, "one")):
            with pytest.raises(ReceiptError, match="another question"):
                transfer(session, amount, idempotency_key=key)

    def test_the_first_answer_to_a_question_repeated_with_its_key_is_returned(self, kind, appliance):
        """As after an outage: the caller repeats with the key that the error told."""
        session = Session(kind, appliance)
        kept_and_given_again(appliance)
        assert transfer(session, 1, idempotency_key="one")
        appliance.ledger.grow(3)
        assert transfer(session, 1, idempotency_key="one")
        assert transfer(Session(kind, appliance), 1, idempotency_key="one")

    def test_an_answer_whose_first_try_was_recorded_and_lost_is_returned(self, kind, appliance):
        session = Session(kind, appliance, consistency_interval_s=0)
        session.govern()
        lost: list[httpx.Response] = []

        def handler(request: httpx.Request) -> httpx.Response:
            if request.url.path != "/v1/govern":
                return appliance(request)
            if not lost:
                lost.append(appliance(request))
                appliance.ledger.grow(2)
                raise httpx.ReadError("cut", request=request)
            return lost[0]

        assert transfer(Session(kind, handler), 1)


def test_two_questions_at_once_do_not_get_one_decision(appliance):
    session = Session("sync", appliance)
    session.govern()
    kept_and_given_again(appliance)
    both, results = threading.Barrier(2), []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/govern":
            both.wait(30)
        return appliance(request)

    session.client._http = httpx.Client(transport=httpx.MockTransport(handler))

    def ask(amount: int) -> None:
        try:
            results.append(transfer(session, amount))
        except ReceiptError:
            results.append(False)

    threads = [threading.Thread(target=ask, args=(amount,)) for amount in (1, 1_000_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == [False, True]


def test_the_memory_of_decisions_is_bounded():
    given = Given()
    for number in range(10_000):
        given.require_own(str(number), Question(b"{}", str(number), {}))
    given.require_own("0", Question(b"{}", "another", {}))
    with pytest.raises(ReceiptError):
        given.require_own("9999", Question(b"{}", "another", {}))
    assert len(given._questions) <= 4_096
