from __future__ import annotations

import json
import pickle
from typing import Any

import httpx
import pytest
from governlayer import (
    ActionDenied,
    ApprovalRequired,
    Content,
    Decision,
    RedactionRequired,
)
from governlayer._answer import decision_of
from governlayer._wire import Reply
from governlayer.decision import unavailable
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.sdk_support import answer, unhurried

SECRET_TEXT = "my card is 4111 1111 1111 1111"
REDACTED = {"content": [{"role": "user", "text": "my card is [card]"}], "arguments": {"card": "[card]"}}


def decode(body: bytes, *, needs_ledger: bool = True, status: int = 200) -> Decision | None:
    return decision_of(Reply(status, httpx.Headers(), body), needs_ledger=needs_ledger)


def decided(**changes: Any) -> Decision:
    decision = decode(json.dumps(answer(**changes)).encode(), needs_ledger=False)
    assert decision is not None
    return decision


def redacting(**changes: Any) -> Decision:
    return decided(**{"decision": "redact", "redacted": REDACTED, **changes})


class TestPermission:
    def test_an_allow_permits_the_action_as_asked(self):
        decision = decided()
        assert decision.allowed
        assert decision.would_allow
        decision.raise_if_denied()
        assert decision.content("text") == "text"
        assert decision.arguments({"a": 1}) == {"a": 1}

    @pytest.mark.parametrize("value", ["deny", "require_approval", "redact", "ALLOW", "allow ", "permit", ""])
    def test_every_other_value_does_not(self, value):
        decision = decided(decision=value)
        assert not decision.allowed
        assert not decision.allowed_with_redaction
        with pytest.raises(ActionDenied):
            decision.raise_if_denied()
        with pytest.raises(ActionDenied):
            decision.content("text")
        with pytest.raises(ActionDenied):
            decision.arguments({})

    def test_a_denial_says_why_and_carries_the_decision(self):
        decision = decided(decision="deny", reason="agents may not wire money")
        with pytest.raises(ActionDenied, match="agents may not wire money") as caught:
            decision.raise_if_denied()
        assert caught.value.decision is decision
        assert caught.value.code == "action_denied"
        assert pickle.loads(pickle.dumps(caught.value)).decision == decision

    def test_a_needed_approval_has_its_own_error_and_says_where(self):
        approval = {"id": "apr_1", "status": "pending", "expires_at": "2026-11-24T00:00:00Z", "url": "/a/1"}
        with pytest.raises(ApprovalRequired) as caught:
            decided(decision="require_approval", approval=approval).raise_if_denied()
        assert caught.value.decision.approval is not None
        assert caught.value.decision.approval.id == "apr_1"

    def test_a_decision_has_no_truth_value(self):
        with pytest.raises(TypeError, match="allowed"):
            bool(decided(decision="deny"))

    def test_a_decision_cannot_be_changed(self):
        with pytest.raises(AttributeError):
            decided(decision="deny").decision = "allow"

    def test_an_outage_is_a_deny_without_a_record(self):
        decision = unavailable("no answer", "shadow")
        assert (decision.decision, decision.reason_code, decision.determined_by, decision.ledger) == (
            "deny",
            "unavailable",
            "error",
            None,
        )
        assert not decision.allowed
        assert not decision.would_allow


class TestRedaction:
    def test_the_original_is_not_allowed_and_only_the_redacted_form_is_handed_out(self):
        decision = redacting()
        assert not decision.allowed
        assert decision.allowed_with_redaction
        assert decision.content(SECRET_TEXT) == "my card is [card]"
        assert decision.content([Content("user", SECRET_TEXT)]) == [Content("user", "my card is [card]")]
        assert decision.arguments({"card": "4111"}) == {"card": "[card]"}
        with pytest.raises(RedactionRequired):
            decision.raise_if_denied()

    @pytest.mark.parametrize("redacted", [..., None, {}, {"content": None}])
    def test_a_redaction_without_its_result_is_a_deny(self, redacted):
        decision = redacting(redacted=redacted)
        assert not decision.allowed_with_redaction
        assert not decision.would_allow
        with pytest.raises(ActionDenied):
            decision.content(SECRET_TEXT)

    def test_a_part_that_was_not_redacted_is_not_handed_out(self):
        only_content = redacting(redacted={"content": REDACTED["content"]})
        with pytest.raises(ActionDenied, match="does not cover"):
            only_content.arguments({"card": "4111"})
        only_arguments = redacting(redacted={"arguments": {}})
        with pytest.raises(ActionDenied, match="does not cover"):
            only_arguments.content(SECRET_TEXT)

    def test_another_number_of_pieces_is_not_handed_out(self):
        pieces = [Content("user", "a"), Content("user", "b")]
        with pytest.raises(ActionDenied, match="does not cover"):
            redacting().content(pieces)
        with pytest.raises(ActionDenied, match="does not cover"):
            redacting(redacted={"content": REDACTED["content"] * 2}).content("a")

    def test_the_text_is_not_in_any_repr(self):
        decision = redacting()
        assert "card is" not in repr(decision) + repr(decision.redacted) + repr(decision.redacted.content)
        assert "card is" not in repr(Content("user", SECRET_TEXT))


class TestModes:
    @pytest.mark.parametrize("value", ["allow", "deny", "redact", "require_approval"])
    def test_shadow_is_recorded_but_not_followed(self, value):
        decision = decided(decision=value, mode="shadow", enforced=False)
        assert decision.allowed
        assert decision.decision == value
        assert decision.would_allow == (value == "allow")
        assert decision.content(SECRET_TEXT) == SECRET_TEXT

    def test_shadow_without_a_record_or_with_an_unknown_value_permits_nothing(self):
        assert not decided(mode="shadow", enforced=False, ledger=...).allowed
        assert not decided(mode="shadow", enforced=False, decision="quarantine").allowed

    def test_a_deny_enforced_in_spite_of_shadow_is_followed(self):
        assert not decided(decision="deny", mode="shadow", enforced=True).allowed

    def test_enforced_false_means_nothing_outside_shadow(self):
        assert not decided(decision="deny", mode="enforce", enforced=False).allowed
        assert not decided(decision="deny", mode="later", enforced=False).allowed

    def test_a_dry_run_says_what_would_be_and_permits_nothing(self):
        for ledger in (..., answer()["ledger"]):
            decision = decided(mode="dry_run", enforced=False, ledger=ledger)
            assert decision.would_allow
            assert not decision.allowed
            assert not redacting(mode="dry_run", ledger=ledger).allowed_with_redaction

    def test_a_mode_of_a_later_version_permits_nothing(self):
        assert not decided(mode="audit").allowed


class TestDecoding:
    def test_members_of_a_later_version_are_ignored(self):
        later = answer(expires_at="x", errors=[1])
        later["ledger"]["witnesses"] = [{}]
        assert decided(**later).allowed

    def test_values_of_a_later_version_are_kept(self):
        decision = decided(determined_by="oracle", obligations=[{"type": "watermark"}])
        assert decision.determined_by == "oracle"
        assert decision.obligations[0].type == "watermark"

    def test_all_members_are_there(self):
        finding = {
            "detector": "card", "version": "1", "type": "payment_card", "severity": "high", "confidence": 0.9,
            "start": 11, "end": 30, "content_index": 0, "rule_id": "card-1", "refs": {"owasp_llm": ["LLM02"]},
        }  # fmt: skip
        decision = decided(scan={"findings": [finding]}, receipt="c2sp.org/tlog-proof@v1\n")
        assert decision.scan.findings[0].end == 30
        assert decision.policies[0].version == 3
        assert decision.policy_set.version == 7
        assert decision.risk.score == 12
        assert decision.ledger.seq == 41
        assert decision.receipt.startswith("c2sp.org/tlog-proof")

    @pytest.mark.parametrize("member", sorted(answer().keys() - {"ledger"}))
    def test_a_missing_member_makes_it_no_answer(self, member):
        assert decode(json.dumps(answer(**{member: ...})).encode()) is None

    @pytest.mark.parametrize("member", sorted(answer()))
    @pytest.mark.parametrize("wrong", [3.5, [3], True, "x", {"x": {}}], ids=repr)
    def test_a_member_of_the_wrong_type_makes_it_no_answer_or_no_allow(self, member, wrong):
        if type(answer()[member]) is type(wrong):
            wrong = None if member not in {"policy_set", "risk", "scan"} else 1
        decision = decode(json.dumps(answer(**{member: wrong})).encode())
        assert decision is None

    @pytest.mark.parametrize("ledger", [..., None, {}, {"seq": 1}])
    def test_without_a_record_it_is_no_answer_unless_it_was_a_dry_run(self, ledger):
        body = json.dumps(answer(ledger=ledger)).encode()
        assert decode(body) is None
        if ledger in (..., None):
            assert decode(body, needs_ledger=False) is not None

    @pytest.mark.parametrize(
        "change",
        [
            {"seq": -1},
            {"seq": "41"},
            {"hash": "0F" * 32},
            {"hash": "0f" * 31},
            {"hash": "0f" * 32 + "\n"},
            {"prev_hash": ""},
            {"origin": ""},
            {"time": ""},
        ],
        ids=repr,
    )
    def test_a_record_that_cannot_exist_makes_it_no_answer(self, change):
        assert decode(json.dumps(answer(ledger={**answer()["ledger"], **change})).encode()) is None

    def test_no_beginning_of_an_answer_is_an_answer(self):
        body = json.dumps(answer()).encode()
        assert all(decode(body[:length]) is None for length in range(len(body)))

    @pytest.mark.parametrize("status", [100, 201, 202, 204, 206, 302, 304, 400, 404, 500, 503])
    def test_only_status_200_is_an_answer(self, status):
        assert decode(json.dumps(answer()).encode(), status=status) is None

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"null", b"[]", b"true", b'"allow"', b"<html>allow</html>", b"\xff\xfe{}", b"[" * 200_000,
            json.dumps(answer()).encode() + b"x", b'{"x":' * 200_000, json.dumps([answer()]).encode(),
            json.dumps(answer()).encode().replace(b'"dec_1"', b'"\xff"'),
        ],
        ids=lambda body: repr(body[:12]),
    )  # fmt: skip
    def test_other_bodies_are_no_answer(self, body):
        assert decode(body) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(["allow", "enforce", "shadow", "redact", "deny", "dry_run"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
MEMBERS = [*sorted(answer()), "redacted", "approval", "receipt", "unknown"]


def is_good_ledger(ledger: Any) -> bool:
    if not isinstance(ledger, dict) or type(ledger.get("seq")) not in {int, float} or ledger["seq"] < 0:
        return False
    hashes = [ledger.get("hash"), ledger.get("prev_hash")]
    return all(isinstance(h, str) and len(h) == 64 and set(h) <= set("0123456789abcdef") for h in hashes)


@unhurried
@given(st.dictionaries(st.sampled_from(MEMBERS), st.one_of(st.just(...), json_values), max_size=4), st.booleans())
def test_no_altered_answer_is_allowed_unless_it_still_is_a_recorded_allow(changes, needs_ledger):
    members = answer(**changes)
    decision = decode(json.dumps(members).encode(), needs_ledger=needs_ledger)
    if decision is None or not decision.allowed:
        return
    assert is_good_ledger(members["ledger"])
    assert set(answer()) - {"ledger"} <= set(members)
    if members["mode"] == "shadow" and members["enforced"] is False:
        assert members["decision"] in {"allow", "deny", "redact", "require_approval"}
    else:
        assert (members["mode"], members["decision"]) in {("enforce", "allow"), ("shadow", "allow")}


@unhurried
@given(st.binary(max_size=400) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_arbitrary_body_is_an_answer(body):
    assert decode(body) is None


@unhurried
@given(st.data())
def test_no_edit_of_one_byte_raises_or_turns_a_deny_into_an_allow(data):
    body = bytearray(json.dumps(answer(decision="deny")).encode())
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    decision = decode(bytes(body))
    assert decision is None or not decision.allowed
