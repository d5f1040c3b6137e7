"""
Reads a receipt and holds it against the answer that it came with and the question that was asked.

What is left after that is whether the ledger's key signed the checkpoint, and whether the ledger is still the one of
before; that takes memory, and is the business of the witness.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ._note import FormatError, SignedCheckpoint, decode_base64, decode_decimal, decode_hash, parse_checkpoint
from ._record import Record, read_record
from ._tree import MAX_HASHES, ProofError, included_root, leaf_hash
from .decision import Decision, LedgerRef
from .errors import ReceiptError

_MAGIC: Final = "c2sp.org/tlog-proof@v1"
_MOST_POLICIES: Final = 32  # so many of them stand in a record; their number always does


@dataclass(frozen=True, slots=True)
class Receipt:
    """A c2sp.org/tlog-proof with the record in its ``extra`` line. Nothing in it is verified by reading it."""

    record: bytes
    index: int
    proof: tuple[bytes, ...]
    checkpoint: SignedCheckpoint


@dataclass(frozen=True, slots=True)
class Sighting:
    """A checkpoint, and the record that was seen under it: what a later answer has to agree with."""

    checkpoint: SignedCheckpoint
    seq: int
    hash: str
    prev_hash: str
    time: str


class _Named(msgspec.Struct, frozen=True):
    name: str


class _AskedAction(msgspec.Struct, frozen=True):
    name: str
    tool: _Named | None = None


class _Identified(msgspec.Struct, frozen=True):
    id: str


class _Typed(msgspec.Struct, frozen=True):
    type: str


class _AskedOptions(msgspec.Struct, frozen=True):
    scan: Any


class _Asked(msgspec.Struct, frozen=True):
    """Those members of a question (api.md §4) that its record repeats."""

    stage: str
    agent: _Identified
    action: _AskedAction
    options: _AskedOptions
    system: _Identified | None = None
    resource: _Typed | None = None


def parse_receipt(text: str) -> Receipt:
    """
    Return the parts of a ``.tlog-proof`` text (ledger-v1 §5).

    Raises:
        FormatError: not such a text, or it has no ``extra`` line.
    """
    head, _, note = text.partition("\n\n")
    lines = head.split("\n")
    if len(lines) < 3 or lines[0] != _MAGIC or not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise FormatError(f"not a {_MAGIC} text with a record")
    if len(lines) - 3 > MAX_HASHES:
        raise FormatError(f"the proof has more than {MAX_HASHES} hashes")
    return Receipt(
        record=decode_base64(lines[1].removeprefix("extra ")),
        index=decode_decimal(lines[2].removeprefix("index ")),
        proof=tuple(decode_hash(line) for line in lines[3:]),
        checkpoint=parse_checkpoint(note),
    )


def proven_record(receipt: Receipt) -> Record:
    """
    Return the record of *receipt*, which stands at its index under the root of its checkpoint.

    Raises:
        FormatError: the record is not canonical, names another place, or the proof leads to another root.
    """
    record = read_record(receipt.record)
    if record.seq != receipt.index:
        raise FormatError("the record's seq is not the receipt's index")
    leaf, checkpoint = leaf_hash(receipt.record), receipt.checkpoint
    try:
        root = included_root(receipt.index, checkpoint.size, leaf, receipt.proof)
    except ProofError as error:
        raise FormatError(str(error)) from None
    if root != checkpoint.root:
        raise FormatError("the proof does not lead to the checkpoint's root")
    return record


def checked_receipt(decision: Decision, question: bytes) -> Sighting:
    """
    Return where *decision* was seen, once its receipt agrees with it and with *question* in every part.

    The ``extra`` bytes hash to ``ledger.hash``; they are a canonical record of type ``decision`` at ``ledger.seq``,
    after ``ledger.prev_hash``, of ``ledger.time``, whose body says of this decision and this question whatever both
    say; they are a leaf under the checkpoint's root, and the checkpoint is of ``ledger.origin``. Only the
    checkpoint's signature is not looked at.

    Args:
        decision: an answer with a place on the ledger.
        question: the JSON body that it answers.

    Raises:
        ReceiptError: there is no receipt, or anything in it is otherwise. The text quotes nothing of it.
    """
    if decision.receipt is None or decision.ledger is None:
        raise ReceiptError("the answer came without a receipt")
    try:
        receipt = parse_receipt(decision.receipt)
        record = proven_record(receipt)
        _require_place(receipt, record, decision.ledger)
        _require_body(record, _said(decision, msgspec.json.decode(question, type=_Asked)))
    except (FormatError, msgspec.ValidationError) as error:
        raise ReceiptError(f"the receipt is refused: {error}") from None
    return Sighting(receipt.checkpoint, record.seq, decision.ledger.hash, record.prev_hash, record.time)


def _require_place(receipt: Receipt, record: Record, place: LedgerRef) -> None:
    agreements = {
        "origin": receipt.checkpoint.origin == place.origin,
        "seq": record.seq == place.seq,
        "hash": hashlib.sha256(receipt.record).hexdigest() == place.hash,
        "prev_hash": record.prev_hash == place.prev_hash,
        "time": record.time == place.time,
    }
    for name, agrees in agreements.items():
        if not agrees:
            raise FormatError(f"it is of another place than the answer says: ledger.{name} differs")


def _require_body(record: Record, said: Mapping[str, object]) -> None:
    if record.type != "decision":
        raise FormatError("the record is not a decision's")
    for name, value in said.items():
        if name not in record.body or record.body[name] != value:
            raise FormatError(f"the record is of another decision: body.{name} differs")


def _said(decision: Decision, asked: _Asked) -> dict[str, object]:
    """Return what the record's body has to say, as far as answer and question know it."""
    findings = decision.scan.findings if decision.scan else ()
    found = Counter((item.detector, item.type, item.severity or "") for item in findings)
    return {
        "action": asked.action.name,
        "agent": asked.agent.id,
        "decision": decision.decision,
        "decision_id": decision.decision_id,
        "determined_by": decision.determined_by,
        "enforced": decision.enforced,
        "findings": [
            {"count": count, "detector": detector, "severity": severity, "type": kind}
            for (detector, kind, severity), count in sorted(found.items())
        ],
        "mode": decision.mode,
        "obligations": sorted({obligation.type for obligation in decision.obligations}),
        "policies": [
            {"effect": used.effect, "id": used.id, "outcome": used.outcome, "version": used.version}
            for used in decision.policies[:_MOST_POLICIES]
        ],
        "policies_count": len(decision.policies),
        "policy_set": _members(decision.policy_set, "hash", "version"),
        "reason_code": decision.reason_code,
        "resource_type": asked.resource.type if asked.resource else None,
        "risk": _members(decision.risk, "level", "method", "score", "vector"),
        "scan": asked.options.scan if isinstance(asked.options.scan, str) else "chosen",
        "stage": asked.stage,
        "system": asked.system.id if asked.system else None,
        "tool": asked.action.tool.name if asked.action.tool else None,
    }


def _members(value: object, *names: str) -> dict[str, object] | None:
    return None if value is None else {name: getattr(value, name) for name in names}
