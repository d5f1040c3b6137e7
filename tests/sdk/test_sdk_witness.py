"""The ledger is held against what was seen of it before: here, in earlier processes, and by other clients of the host."""

from __future__ import annotations

import json
import logging
import pickle
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest
from governlayer import GovernLayerError, LedgerError, LedgerForkError, ReceiptError
from governlayer._note import parse_checkpoint

from tests.sdk.ledger_builder import LedgerBuilder
from tests.sdk.sdk_support import KEY, KINDS, problem
from tests.sdk.witness_support import FakeAppliance, Session

pytestmark = pytest.mark.parametrize("kind", KINDS)
CONSISTENCY = "/v1/ledger/proofs/consistency"


@pytest.fixture
def appliance() -> FakeAppliance:
    one = FakeAppliance()
    one.ledger.grow(4)
    return one


def forked(ledger: LedgerBuilder, size: int, to: int) -> LedgerBuilder:
    """Return another history from *size* on, signed by the same key, of *to* records."""
    other = ledger.twin(size)
    while other.size < to:
        other.append("scan", {"another": "history"})
    return other


def pass_interval(session: Session) -> None:
    session.client._conversations.witness._next_proof_s = float("-inf")


def refused(session: Session) -> LedgerForkError:
    with pytest.raises(LedgerForkError) as caught:
        session.govern()
    assert caught.value.code == "ledger_fork"
    return caught.value


class TestGrowth:
    def test_the_first_checkpoint_is_kept_and_the_first_growth_is_proven(self, kind, appliance):
        session = Session(kind, appliance)
        session.govern()
        assert (session.kept(), appliance.proofs()) == (5, {})
        session.govern()
        assert (session.kept(), appliance.proofs()) == (6, {(5, 6): 1})

    def test_then_one_answer_per_interval_is_proven_and_one_drawn_from_those_since(self, kind, appliance):
        session = Session(kind, appliance, consistency_interval_s=60)
        for _ in range(10):
            session.govern()
        assert (session.kept(), appliance.proofs()) == (6, {(5, 6): 1})
        pass_interval(session)
        session.govern()
        assert session.kept() == 15
        later = appliance.proofs() - Counter({(5, 6): 1, (6, 15): 1})
        assert [(6 < old < 15, new) for old, new in later.elements()] == [(True, 15)]

    def test_with_interval_0_each_answer_is_proven(self, kind, appliance):
        session = Session(kind, appliance, consistency_interval_s=0)
        for _ in range(5):
            session.govern()
        assert appliance.proofs() == {(size, size + 1): 1 for size in range(5, 9)}
        assert session.kept() == 9

    def test_another_process_goes_on_from_what_the_first_has_kept(self, kind, appliance):
        Session(kind, appliance).govern()
        appliance.ledger.grow(10)
        second = Session(kind, appliance)
        second.govern()
        assert (second.kept(), appliance.proofs()) == (16, {(5, 16): 1})
        assert appliance.count("/.well-known/") == 1

    def test_in_memory_only_nothing_is_written_and_a_restart_begins_anew(self, kind, appliance, state_dir):
        for _ in range(2):
            session = Session(kind, appliance, state_dir=None)
            session.govern()
            session.govern()
        assert appliance.proofs() == {(5, 6): 1, (7, 8): 1}
        assert not state_dir.exists()

    def test_answers_that_arrive_in_another_order_are_normal(self, kind, appliance):
        session = Session(kind, appliance, consistency_interval_s=0)
        early: list[dict] = []
        appliance.change = lambda answer: early.append(answer) or (early[0] if len(early) == 3 else None)
        session.govern(idempotency_key="one")
        appliance.ledger.grow(3)
        session.govern(idempotency_key="two")
        assert session.govern(idempotency_key="one").ledger.seq == 4
        assert session.kept() == 9
        assert appliance.proofs() == {(5, 9): 2}
        other = Session(kind, appliance, consistency_interval_s=0)
        appliance.change = lambda answer: early[0]
        other.govern(idempotency_key="one")
        assert appliance.proofs() == {(5, 9): 3}
        assert other.kept() == 9


class TestForks:
    def test_a_ledger_that_was_rewritten_and_grew_is_found_at_its_next_proof(self, kind, appliance, state_dir):
        session = Session(kind, appliance)
        session.govern()
        kept = appliance.ledger.note(5)
        appliance.ledger = forked(appliance.ledger, 2, 20)
        error = refused(session)
        assert (error.kept, error.seen) == (kept, appliance.ledger.note(21))
        assert [path.read_text() for path in error.evidence] == [error.kept, error.seen]
        assert all(path.parent == state_dir / "evidence" for path in error.evidence)
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in error.evidence)
        assert all(str(path) in str(error) for path in error.evidence)
        assert [path.name.rpartition("-")[2] for path in error.evidence] == ["kept.txt", "seen.txt"]

    def test_two_roots_for_one_size_need_no_request(self, kind, appliance):
        session = Session(kind, appliance)
        session.govern()
        appliance.ledger = forked(appliance.ledger, 2, 4)
        refused(session)
        assert appliance.proofs() == {}

    def test_a_cut_ledger_is_found_by_its_next_answer_without_a_request(self, kind, appliance):
        """A backup put back: shorter, and its new record is newer than one that stood further on."""
        session = Session(kind, appliance)
        for _ in range(4):
            session.govern()
        asked = len(appliance.proofs())
        appliance.ledger = appliance.ledger.twin(3)
        assert "newer" in str(refused(session))
        assert len(appliance.proofs()) == asked

    def test_so_is_one_after_a_restart_of_the_client(self, kind, appliance):
        Session(kind, appliance).govern()
        appliance.ledger = appliance.ledger.twin(2)
        refused(Session(kind, appliance))

    def test_a_cut_ledger_that_has_grown_past_what_was_kept_is_found(self, kind, appliance):
        Session(kind, appliance).govern()
        appliance.ledger = forked(appliance.ledger, 3, 40)
        refused(Session(kind, appliance))

    def test_a_record_that_does_not_follow_the_one_before_is_found_within_the_interval(self, kind, appliance):
        session = Session(kind, appliance)
        for _ in range(4):
            session.govern()
        appliance.ledger = forked(appliance.ledger, 7, 8)
        assert "does not follow" in str(refused(session))

    def test_what_another_process_has_kept_counts_in_each_answer(self, kind, appliance):
        session, other = (Session(kind, appliance, consistency_interval_s=interval_s) for interval_s in (60, 0))
        session.govern()
        answers: list[dict[str, Any]] = []
        appliance.change = answers.append
        other.govern()
        appliance.ledger.grow(10)
        other.govern()
        appliance.change = lambda answer: answers[0]
        pass_interval(session)
        session.govern()
        assert session.kept() == other.kept() == 17
        appliance.change = answers.append
        appliance.ledger = appliance.ledger.twin(8)
        assert "newer" in str(refused(session))

    def test_an_answer_in_between_is_found_by_the_draw(self, kind, appliance, monkeypatch):
        """One answer out of another history, and then on with the true one: it is drawn here, as nothing else was."""
        session = Session(kind, appliance)
        session.govern()
        session.govern()
        true = appliance.ledger
        true.grow(3)
        appliance.ledger = forked(true, 7, 9)
        appliance.ledger.now = true.now
        session.govern()
        true.grow(5)
        true.now += timedelta(days=1)
        appliance.ledger = true
        pass_interval(session)
        monkeypatch.setattr(session.client._conversations.witness._history, "_draw", lambda: 1.0)
        refused(session)

    def test_a_proof_for_other_records_is_no_proof(self, kind, appliance):
        session = Session(kind, appliance)
        session.govern()
        appliance.ledger.grow(6)
        good = appliance.ledger.consistency
        appliance.ledger.consistency = lambda old, new: {**good(old, new), "hashes": good(old - 1, new)["hashes"]}
        refused(session)

    def test_the_client_refuses_to_go_on_and_sends_nothing(self, kind, appliance):
        session = Session(kind, appliance)
        session.govern()
        good = appliance.ledger
        appliance.ledger = forked(good, 2, 20)
        evidence = refused(session).evidence
        appliance.ledger = good
        asked = len(appliance.asked)
        for one in (session, session):
            assert refused(one).evidence == evidence
        assert len(appliance.asked) == asked
        with pytest.raises(LedgerForkError):
            session.verify_now()

    def test_so_does_every_other_client_of_the_host(self, kind, appliance):
        others = [Session(kind, appliance), Session(kind, appliance)]
        others[0].govern()
        session = Session(kind, appliance, consistency_interval_s=0)
        session.govern()
        good = appliance.ledger
        appliance.ledger = forked(good, 2, 20)
        evidence = refused(session).evidence
        appliance.ledger = good
        for other in others:
            assert refused(other).evidence == evidence

    def test_moving_the_evidence_away_lets_it_go_on_from_what_is_kept(self, kind, appliance):
        session = Session(kind, appliance)
        session.govern()
        good = appliance.ledger.twin(5)
        appliance.ledger = forked(good, 2, 20)
        for path in refused(session).evidence:
            path.unlink()
        again = refused(session)
        assert again.kept == good.note(5)
        for path in again.evidence:
            path.unlink()
        good.now = appliance.ledger.now
        appliance.ledger = good
        assert session.govern().allowed
        assert session.kept() == 6

    def test_with_the_state_moved_away_too_the_ledger_is_begun_anew(self, kind, appliance, state_dir):
        session = Session(kind, appliance)
        session.govern()
        appliance.ledger = forked(appliance.ledger, 2, 20)
        for path in (*refused(session).evidence, *state_dir.glob("*.json")):
            path.unlink()
        session.govern()
        assert session.kept() == 22

    def test_in_memory_only_the_error_holds_both_and_the_client_is_done(self, kind, appliance):
        session = Session(kind, appliance, state_dir=None)
        session.govern()
        good = appliance.ledger
        appliance.ledger = forked(good, 2, 20)
        error = refused(session)
        assert (error.kept, error.seen, error.evidence) == (good.note(5), appliance.ledger.note(21), ())
        appliance.ledger = good
        assert refused(session).kept == error.kept

    def test_evidence_that_cannot_be_written_does_not_make_the_fork_go_away(self, kind, appliance, state_dir):
        session = Session(kind, appliance)
        session.govern()
        (state_dir / "evidence").write_text("in the way")
        good = appliance.ledger
        appliance.ledger = forked(good, 2, 20)
        with pytest.raises(LedgerError):
            session.govern()
        appliance.ledger = good
        with pytest.raises(LedgerError):
            session.govern()

    def test_another_ledger_under_the_same_client_is_refused(self, kind, appliance):
        session = Session(kind, appliance)
        session.govern()
        appliance.ledger = LedgerBuilder(origin="governlayer.test/ledgers/2")
        with pytest.raises(ReceiptError, match="ledgers/2"):
            session.govern()

    def test_the_error_can_be_pickled(self, kind, appliance):
        session = Session(kind, appliance)
        session.govern()
        appliance.ledger = forked(appliance.ledger, 2, 20)
        error = refused(session)
        assert pickle.loads(pickle.dumps(error)).evidence == error.evidence
        assert isinstance(error, GovernLayerError)


class TestWithoutProof:
    @pytest.mark.parametrize("how", ["503", "403", "html", "other sizes", "no base64"])
    def test_the_decision_is_returned_the_checkpoint_is_not_kept_and_it_is_said(self, kind, appliance, how, caplog):
        answers = {
            "503": problem(503, "unavailable"),
            "403": problem(403, "missing_scope", detail=KEY),
            "html": _response("<html>"),
            "other sizes": _response({"from": 1, "to": 2, "hashes": []}),
            "no base64": _response({"from": 5, "to": 6, "hashes": ["???"]}),
        }
        broken = [True]

        def handler(request):
            return answers[how] if request.url.path == CONSISTENCY and broken[0] else appliance(request)

        session = Session(kind, handler, max_retries=0)
        with caplog.at_level(logging.WARNING, "governlayer"):
            session.govern()
            assert session.govern().allowed
        assert session.kept() == 5
        assert "not proven" in caplog.text
        assert appliance.ledger.origin in caplog.text
        assert KEY not in caplog.text
        pass_interval(session)
        broken[0] = False
        session.govern()
        assert session.kept() == 7

    def test_it_is_tried_again_after_some_seconds_and_not_at_once(self, kind, appliance):
        session = Session(kind, appliance, max_retries=0)
        session.govern()
        appliance.broken.add(CONSISTENCY)
        for _ in range(4):
            session.govern()
        assert sum(appliance.proofs().values()) == 1
        witness = session.client._conversations.witness
        assert 0 < witness._next_proof_s - witness._asker.clock() <= 5

    def test_an_answer_that_could_not_be_proven_may_be_drawn_again(self, kind, appliance):
        session = Session(kind, appliance, max_retries=0)
        session.govern()
        appliance.broken.add(CONSISTENCY)
        session.govern()
        appliance.broken.clear()
        appliance.ledger = forked(appliance.ledger, 5, 9)
        pass_interval(session)
        assert "size" in str(refused(session))

    def test_a_drawn_answer_whose_proof_fails_is_asked_for_again(self, kind, appliance):
        failing = [True]

        def handler(request):
            drawn = request.url.params.get("from", "6") not in {"5", "6"}
            return problem(503, "unavailable") if failing[0] and drawn else appliance(request)

        asked: list[str] = []

        def noting(request):
            asked.append(request.url.params.get("from", ""))
            return handler(request)

        session = Session(kind, noting, max_retries=0)
        for _ in range(6):
            session.govern()
        pass_interval(session)
        session.govern()
        drawn = asked[-1]
        assert (session.kept(), drawn in {"7", "8", "9", "10"}) == (11, True)
        failing[0] = False
        pass_interval(session)
        session.govern()
        assert appliance.proofs()[int(drawn), 12] == 1

    def test_verify_now_says_that_there_is_no_proof(self, kind, appliance):
        session = Session(kind, appliance, max_retries=0)
        session.govern()
        appliance.broken.add(CONSISTENCY)
        session.govern()
        with pytest.raises(LedgerError, match="503"):
            session.verify_now()
        appliance.broken.clear()
        assert session.verify_now().size == 6


class TestSurface:
    def test_nothing_is_known_before_the_first_answer(self, kind, appliance):
        session = Session(kind, appliance)
        assert session.kept() is None
        assert session.verify_now() is None
        assert appliance.asked == []

    def test_the_kept_checkpoint_is_a_signed_note(self, kind, appliance):
        session = Session(kind, appliance)
        session.govern()
        kept = session.client.ledger.checkpoint()
        assert kept.note == appliance.ledger.note(5)
        assert (kept.origin, kept.size) == (appliance.ledger.origin, 5)
        assert kept.root == parse_checkpoint(kept.note).root

    def test_verify_now_proves_what_the_interval_left_open(self, kind, appliance):
        session = Session(kind, appliance)
        for _ in range(6):
            session.govern()
        assert session.kept() == 6
        assert session.verify_now().size == 10
        assert session.kept() == 10


def _response(content: object) -> httpx.Response:
    return httpx.Response(200, content=content if isinstance(content, str) else json.dumps(content))
