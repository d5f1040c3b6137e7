"""Each answer is held against its receipt: what does not agree in every part is an error, and never an allow."""

from __future__ import annotations

import base64
import json
import string
from typing import Any

import msgspec
import pytest
from governlayer import (
    Action,
    AsyncGovernLayer,
    Decision,
    GovernanceUnavailable,
    GovernLayer,
    LedgerError,
    LedgerKeyError,
    ReceiptError,
    Resource,
)
from governlayer._record import FormatError, read_record
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.ledger_builder import Key, LedgerBuilder, b64, canonical, sha256
from tests.sdk.sdk_support import ASK, KINDS
from tests.sdk.witness_support import FakeAppliance, Session

both = pytest.mark.parametrize("kind", KINDS)
QUESTION = {
    "stage": "tool_call",
    "agent": {"id": "billing-agent"},
    "action": {"name": "send_email", "tool": {"name": "smtp"}},
    "resource": {"type": "invoice", "id": "4711"},
    "system": {"id": "billing"},
    "options": {"mode": "enforce", "scan": "auto", "receipt": True},
}


@both
@pytest.mark.parametrize("mode", ["enforce", "shadow"])
@pytest.mark.parametrize("decision", ["allow", "deny", "redact", "require_approval"])
def test_a_proven_answer_is_returned_with_its_receipt(kind, mode, decision):
    appliance = FakeAppliance()
    appliance.ledger.grow(5)
    appliance.decision = decision
    found = Session(kind, appliance).govern(
        mode=mode,
        action=Action("send_email", tool="smtp"),
        resource=Resource("invoice", "4711"),
        system="billing",
        scan=["pii"],
    )
    assert (found.decision, found.mode) == (decision, mode)
    assert found.receipt.startswith("c2sp.org/tlog-proof@v1\n")


@both
def test_a_receipt_against_a_later_checkpoint_is_as_good(kind):
    appliance = FakeAppliance()

    def later(answer: dict[str, Any]) -> None:
        appliance.ledger.grow(6)
        answer["receipt"] = appliance.ledger.receipt(answer["ledger"]["seq"], appliance.ledger.size)

    appliance.change = later
    assert Session(kind, appliance).govern().allowed


def members(*names: str, value: Any):
    def change(answer: dict[str, Any], appliance: FakeAppliance) -> None:
        place = answer
        for name in names[:-1]:
            place = place[name]
        place[names[-1]] = value

    return change


def record(body: dict[str, Any] | None = None, **changes: Any):
    """Put another record into the ledger: honestly hashed, proven and signed, but of something else."""

    def change(answer: dict[str, Any], appliance: FakeAppliance) -> None:
        ledger = appliance.ledger
        found = json.loads(ledger.records[-1])
        rewrite(answer, ledger, canonical({**found, "body": {**found["body"], **(body or {})}, **changes}))

    return change


def without(name: str):
    def change(answer: dict[str, Any], appliance: FakeAppliance) -> None:
        found = json.loads(appliance.ledger.records[-1])
        del found["body"][name]
        rewrite(answer, appliance.ledger, canonical(found))

    return change


def spelled(old: bytes, new: bytes):
    def change(answer: dict[str, Any], appliance: FakeAppliance) -> None:
        assert old in appliance.ledger.records[-1]
        rewrite(answer, appliance.ledger, appliance.ledger.records[-1].replace(old, new))

    return change


def rewrite(answer: dict[str, Any], ledger: LedgerBuilder, data: bytes) -> None:
    ledger.records[-1] = data
    answer["ledger"]["hash"] = sha256(data).hex()
    answer["receipt"] = ledger.receipt(ledger.size - 1)


def of_the_decision_before(answer: dict[str, Any], appliance: FakeAppliance) -> None:
    answer["receipt"] = appliance.ledger.receipt(answer["ledger"]["seq"] - 1)


def whole_place_of_the_decision_before(answer: dict[str, Any], appliance: FakeAppliance) -> None:
    seq = answer["ledger"]["seq"] - 1
    before = json.loads(appliance.ledger.records[seq])
    answer["ledger"].update(
        seq=seq,
        hash=sha256(appliance.ledger.records[seq]).hex(),
        prev_hash=before["prev_hash"],
        time=before["time"],
    )
    answer["receipt"] = appliance.ledger.receipt(seq)


def text(old: str, new: str):
    def change(answer: dict[str, Any], appliance: FakeAppliance) -> None:
        assert old in answer["receipt"]
        answer["receipt"] = answer["receipt"].replace(old, new, 1)

    return change


def hashes(edit):
    def change(answer: dict[str, Any], appliance: FakeAppliance) -> None:
        head, _, note = answer["receipt"].partition("\n\n")
        lines = head.split("\n")
        assert len(lines) > 4
        answer["receipt"] = "\n".join([*lines[:3], *edit(lines[3:])]) + "\n\n" + note

    return change


def spelled_otherwise(hash_: str) -> str:
    """Return base64 of the same 32 bytes: the last two bits of its last digit count for nothing."""
    digits = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    other = hash_[:-2] + digits[digits.index(hash_[-2]) + 1] + "="
    assert base64.b64decode(other) == base64.b64decode(hash_)
    return other


def signed_by(*keys: Key):
    def change(answer: dict[str, Any], appliance: FakeAppliance) -> None:
        answer["receipt"] = appliance.ledger.receipt(answer["ledger"]["seq"], None, *keys)

    return change


def of_another_root(answer: dict[str, Any], appliance: FakeAppliance) -> None:
    head, _, _ = answer["receipt"].partition("\n\n")
    other = appliance.ledger.twin(appliance.ledger.size - 1)
    other.append("scan", {})
    answer["receipt"] = head + "\n\n" + other.note(other.size)


def of_another_origin(answer: dict[str, Any], appliance: FakeAppliance) -> None:
    other = appliance.ledger.twin(appliance.ledger.size)
    other.origin = other.origin[:-1] + "2"
    answer["receipt"] = other.receipt(answer["ledger"]["seq"])


def extended_and_signed(answer: dict[str, Any], appliance: FakeAppliance) -> None:
    text = appliance.ledger.text(appliance.ledger.size) + "extension\n"
    head, _, _ = answer["receipt"].partition("\n\n")
    answer["receipt"] = f"{head}\n\n{text}\n{appliance.ledger.signing[0].line(text)}"


def at_another_leaf(answer: dict[str, Any], appliance: FakeAppliance) -> None:
    answer["ledger"]["seq"] = 2
    record(seq=2)(answer, appliance)


def signature_of_another_text(answer: dict[str, Any], appliance: FakeAppliance) -> None:
    ledger = appliance.ledger
    answer["receipt"] = ledger.receipt(ledger.size - 1).rpartition("— ")[0] + ledger.signing[0].line("other\n")


WRONG = {
    "no receipt": members("receipt", value=None),
    "empty": members("receipt", value=""),
    "hash": members("ledger", "hash", value="ab" * 32),
    "seq": members("ledger", "seq", value=3),
    "prev_hash": members("ledger", "prev_hash", value="ab" * 32),
    "time": members("ledger", "time", value="2026-11-26T00:00:00.000000Z"),
    "origin": members("ledger", "origin", value="governlayer.test/ledgers/other"),
    "decision": members("decision", value="deny"),
    "decision id": members("decision_id", value="another"),
    "enforced": members("enforced", value=False),
    "reason code": members("reason_code", value="other"),
    "determined by": members("determined_by", value="default"),
    "policies": members("policies", value=[]),
    "policy beyond those recorded": lambda answer, appliance: answer["policies"].pop(),
    "policy version": members("policies", 0, "version", value=9),
    "policy set": members("policy_set", "hash", value="00" * 32),
    "no policy set": members("policy_set", value=None),
    "obligations": members("obligations", value=[]),
    "risk": members("risk", "score", value=13),
    "no risk": members("risk", value=None),
    "findings": members("scan", "findings", value=[]),
    "another decision's receipt": of_the_decision_before,
    "another decision's place and receipt": whole_place_of_the_decision_before,
    "recorded type": record(type="scan"),
    "recorded decision": record(body={"decision": "deny"}),
    "recorded id": record(body={"decision_id": "another"}),
    "recorded mode": record(body={"mode": "shadow"}),
    "recorded agent": record(body={"agent": "somebody"}),
    "recorded action": record(body={"action": "other"}),
    "recorded stage": record(body={"stage": "output"}),
    "recorded tool": record(body={"tool": "rm"}),
    "recorded scan": record(body={"scan": "none"}),
    "recorded system": record(body={"system": "other"}),
    "recorded resource": record(body={"resource_type": "other"}),
    "recorded without tool": without("tool"),
    "recorded seq": record(seq=2),
    "recorded link": record(prev_hash="ab" * 32),
    "recorded version": record(v=2),
    "unknown member": record(extra=1),
    "not a hash": record(prev_hash="AB" * 32),
    "not a time": record(time="2026-11-26 00:00:00"),
    "order": spelled(b'{"actor":{"id":', b'{"body":{},"actor":{"id":'),
    "blank": spelled(b'{"actor":', b'{ "actor":'),
    "member twice": spelled(b'"decision":"allow"', b'"decision":"allow","decision":"allow"'),
    "fraction": spelled(b'"score":12', b'"score":12.0'),
    "exponent": spelled(b'"score":12', b'"score":1.2e1'),
    "not a number": spelled(b'"score":12', b'"score":NaN'),
    "escaped": spelled(b'"allow"', b'"\\u0061llow"'),
    "surrogate": spelled(b'"v":1', b'"v":"\\ud800"'),
    "cut record": spelled(b'"v":1}', b'"v":1'),
    "magic": text("tlog-proof@v1", "tlog-proof@v2"),
    "no record": text("extra ", "extra"),
    "no index": text("index ", "indeks "),
    "other index": text("index 5", "index 4"),
    "padded index": text("index 5", "index 05"),
    "huge index": text("index 5", "index 9007199254740992"),
    "carriage returns": text("\n", "\r\n"),
    "hash left out": hashes(lambda lines: lines[1:]),
    "hash too many": hashes(lambda lines: [*lines, lines[0]]),
    "hashes turned": hashes(lambda lines: lines[::-1]),
    "short hash": hashes(lambda lines: [b64(b"x" * 31), *lines[1:]]),
    "another spelling of a hash": hashes(lambda lines: [spelled_otherwise(lines[0]), *lines[1:]]),
    "endless proof": hashes(lambda lines: lines * 40),
    "root": of_another_root,
    "checkpoint of another ledger": of_another_origin,
    "extension line": text("\n\n—", "\nextension\n\n—"),
    "signed extension line": extended_and_signed,
    "at another leaf": at_another_leaf,
    "no signature": lambda answer, appliance: answer.update(receipt=answer["receipt"].rpartition("— ")[0]),
    "signature of another text": signature_of_another_text,
    "unended": lambda answer, appliance: answer.update(receipt=answer["receipt"][:-1]),
}  # fmt: skip


def appliance_with(change) -> FakeAppliance:
    appliance = FakeAppliance()
    appliance.ledger.grow(4)
    appliance.ledger.decide({**QUESTION, "agent": {"id": "before"}}, "before")

    def changed(answer: dict[str, Any]) -> None:
        change(answer, appliance)

    appliance.change = changed
    return appliance


@both
@pytest.mark.parametrize("name", WRONG)
def test_an_answer_that_its_receipt_does_not_bear_out_is_an_error(kind, name, state_dir):
    appliance = appliance_with(WRONG[name])
    with pytest.raises(ReceiptError) as caught:
        Session(kind, appliance).govern()
    assert caught.value.code == "receipt_error"
    assert list(state_dir.glob("*.json")) == []


@both
@pytest.mark.parametrize(
    "keys",
    [[Key(9)], [Key(1, "other.test")], [Key(9), Key(8)], []],
    ids=["another", "another name", "two others", "well-known lists none"],
)
def test_a_checkpoint_by_no_trusted_key_is_an_error(kind, keys, state_dir):
    appliance = appliance_with(signed_by(*keys))
    appliance.listed = [Key(1)] if keys else []
    with pytest.raises(LedgerKeyError) as caught:
        Session(kind, appliance).govern()
    assert caught.value.code == "ledger_key_error"
    assert list(state_dir.glob("*.json")) == []


@both
def test_a_deny_without_proof_is_an_error_too(kind):
    appliance = appliance_with(of_another_root)
    appliance.decision = "deny"
    with pytest.raises(ReceiptError):
        Session(kind, appliance).govern()


@both
@pytest.mark.parametrize("mode", ["deny", "raise"])
def test_it_is_an_error_however_outages_are_taken(kind, mode):
    with pytest.raises(LedgerError):
        Session(kind, appliance_with(of_another_root), on_unavailable=mode).govern()


@both
def test_signatures_by_others_are_ignored(kind):
    """Of other keys, of witnesses (64-bit time and signature), of ML-DSA-44 (2,420 bytes)."""
    appliance = appliance_with(lambda answer, appliance: answer.update(receipt=answer["receipt"] + others))
    others = "".join(
        f"— {name} {b64(b'abcd' + bytes(length))}\n" for name, length in (("w", 72), ("governlayer.test", 2428))
    )
    assert Session(kind, appliance).govern().allowed
    assert appliance.count("/v1/ledger/records") == 0


@both
def test_a_dry_run_has_no_place_and_asks_for_no_receipt(kind):
    asked: list[dict[str, Any]] = []
    appliance = FakeAppliance()

    def unrecorded(answer: dict[str, Any]) -> dict[str, Any]:
        asked.append(answer)
        return {name: value for name, value in answer.items() if name not in {"ledger", "receipt"}}

    appliance.change = unrecorded
    assert Session(kind, appliance).govern(mode="dry_run").would_allow
    assert "receipt" not in asked[0]


@both
@pytest.mark.parametrize(
    ("options", "ask", "has_receipt"),
    [
        ({"verify_receipts": False}, {}, False),
        ({"verify_receipts": False}, {"receipt": True}, True),
        ({}, {"receipt": False}, False),
    ],
)
def test_who_does_not_want_it_verified_says_so(kind, options, ask, has_receipt, state_dir):
    appliance = appliance_with(signed_by(Key(9)))
    if not has_receipt:
        appliance.change = lambda answer: None
    found = Session(kind, appliance, **options).govern(**ask)
    assert found.allowed
    assert (found.receipt is not None) == has_receipt
    assert list(state_dir.glob("*.json")) == []


@both
def test_keys_that_cannot_be_fetched_are_an_outage_and_not_an_allow(kind):
    appliance = FakeAppliance()
    appliance.broken.add("/.well-known/governlayer")
    refused = Session(kind, appliance).govern()
    assert (refused.decision, refused.reason_code, refused.allowed) == ("deny", "unavailable", False)
    assert "keys" in refused.reason
    with pytest.raises(GovernanceUnavailable):
        Session(kind, appliance, on_unavailable="raise").govern()


def test_the_keys_are_fetched_without_the_api_key():
    appliance, seen = FakeAppliance(), []

    def handler(request):
        seen.append((request.url.path, "authorization" in request.headers))
        return appliance(request)

    Session("sync", handler).govern()
    assert seen == [("/v1/govern", True), ("/.well-known/governlayer", False)]


@given(st.data())
def test_no_bit_of_a_receipt_can_be_flipped(data):
    good = BIT_FLIP.answer["receipt"].encode()
    bit = data.draw(st.integers(0, len(good) * 8 - 1))
    flipped = bytearray(good)
    flipped[bit // 8] ^= 1 << bit % 8
    BIT_FLIP.answer["receipt"] = flipped.decode("utf-8", "replace")
    try:
        with pytest.raises(LedgerError):
            BIT_FLIP.session.govern()
    finally:
        BIT_FLIP.answer["receipt"] = good.decode()


class _BitFlip:
    """One answer that is given again and again; unflipped it is good."""

    def __init__(self) -> None:
        appliance = FakeAppliance()
        appliance.ledger.grow(5)
        question = {**QUESTION, "stage": ASK["stage"], "action": {"name": ASK["action"]}, "agent": {"id": ASK["agent"]}}
        question = {name: value for name, value in question.items() if name not in {"resource", "system"}}
        self.answer = appliance.ledger.decide(question, "dec_1")
        appliance.change = lambda answer: self.answer
        self.session = Session("sync", appliance, state_dir=None, ledger_key=Key(1).vkey)
        assert self.session.govern().allowed


BIT_FLIP = _BitFlip()


def record_bytes(**changes: Any) -> bytes:
    ledger = LedgerBuilder()
    ledger.append("scan", changes.pop("body", {}), **changes)
    return ledger.records[0]


@pytest.mark.parametrize(
    "data",
    [
        record_bytes(body={"a": "x" * 16_384}),
        record_bytes(body={"a": 2**53}),
        record_bytes(body={"a": "\0"}),
        record_bytes(body={"\0": "a"}),
        record_bytes(body={"ä": "a"}),
        record_bytes(body={"a": {"b": {"c": {"d": {"e": {"f": {"g": {}}}}}}}}),
        record_bytes(seq=-1),
        record_bytes(seq=True),
        record_bytes(commitments={"content": "no hash"}),
        record_bytes(actor={"id": "a"}),
        record_bytes(body={"a": -0.0}),
        record_bytes(body={"a": float("nan")}),
        b'{"a":-0}',
        b"[]",
        b"",
        b"\xff",
        b"[" * 10_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_no_canonical_record_is_refused(data):
    with pytest.raises(FormatError):
        read_record(data)


def test_what_is_one_is_read():
    deepest = {"a": {"b": {"c": {"d": {"e": {"f": {}}}}}}}
    assert read_record(record_bytes(body={**deepest, "text": 'ä\u2028"\\\b\x1f\x7f', "n": -(2**53) + 1})).seq == 0


def test_no_error_quotes_what_the_server_wrote():
    canary = "canary-4711"
    for change in (members("receipt", value=canary), record(body={"agent": canary}), record(**{canary: 1})):
        with pytest.raises(ReceiptError) as caught:
            Session("sync", appliance_with(change)).govern()
        assert canary not in str(caught.value)


def test_the_answer_as_it_is_decoded_still_agrees():
    """What the SDK's types leave out or turn into something else is not what is compared."""
    answer = FakeAppliance().ledger.decide(QUESTION, "dec_1")
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Decision).receipt == answer["receipt"]
    assert json.loads(base64.b64decode(answer["receipt"].split("\n")[1].removeprefix("extra ")))["seq"] == 0


def test_both_clients_verify_by_default():
    for cls in (GovernLayer, AsyncGovernLayer):
        assert cls("gl_key", base_url="https://governlayer.test")._config.verify_receipts
