"""What a witness asks the server for: a ledger's keys, their succession, proofs of consistency (api.md §1, §6)."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from ._asking import Asker
from ._note import FormatError, VerifierKey, decode_hash, parse_key
from ._receipt import Receipt, Sighting, parse_receipt
from ._tree import ProofError, consistent_roots
from ._wire import Conversation, Fault, Outcome, Reply, Request

T = TypeVar("T")
_MOST_KEY_RECORDS: Final = 16


class Unproven(Exception):
    """The server could not be asked, or did not answer with what was asked for. That proves nothing against it."""


class _About(msgspec.Struct, frozen=True):
    ledger_keys: list[str]


class _Consistency(msgspec.Struct, frozen=True):
    start: int = msgspec.field(name="from")
    to: int
    hashes: list[str]


class _Listed(msgspec.Struct, frozen=True):
    record: dict[str, Any]


class _Records(msgspec.Struct, frozen=True):
    data: list[_Listed]


def listed_keys(asker: Asker, deadline_s: float) -> Conversation[tuple[VerifierKey, ...]]:
    """
    Return the keys that /.well-known/governlayer lists, without those of an algorithm that is not known here.

    Raises:
        Unproven: no usable answer.
    """
    request = asker.get("/.well-known/governlayer", authenticated=False)
    about = _decoded((yield from _asked(asker, request, deadline_s)), _About)
    keys = []
    for text in about.ledger_keys:
        try:
            keys.append(parse_key(text))
        except FormatError:
            continue
    return tuple(keys)


def key_receipts(asker: Asker, deadline_s: float) -> Conversation[tuple[Receipt, ...]]:
    """
    Return receipts of the ledger's newest ``ledger.key`` records, in order, unverified; needs the scope ``audit``.

    Raises:
        Unproven: no usable answer.
    """
    path = "/v1/ledger/records"
    listing = yield from _asked(asker, asker.get(f"{path}?type=ledger.key&limit=200"), deadline_s)
    seqs = [listed.record.get("seq") for listed in _decoded(listing, _Records).data]
    receipts = []
    for seq in [seq for seq in seqs if isinstance(seq, int)][-_MOST_KEY_RECORDS:]:
        reply = yield from _asked(asker, asker.get(f"{path}/{seq}/receipt"), deadline_s)
        try:
            receipts.append(parse_receipt(reply.body.decode()))
        except ValueError:
            raise Unproven("malformed receipt") from None
    return tuple(receipts)


def is_consistent(asker: Asker, old: Sighting, new: Sighting, deadline_s: float) -> Conversation[bool]:
    """
    Ask for the proof that *new* continues *old*; return whether it holds (RFC 9162 §2.1.4.2).

    Args:
        asker: asks.
        old: of the smaller checkpoint.
        new: of the larger one.
        deadline_s: until when, on the clock.

    Raises:
        Unproven: no usable answer.
    """
    sizes = old.checkpoint.size, new.checkpoint.size
    request = asker.get(f"/v1/ledger/proofs/consistency?from={sizes[0]}&to={sizes[1]}")
    answer = _decoded((yield from _asked(asker, request, deadline_s)), _Consistency)
    if (answer.start, answer.to) != sizes:
        raise Unproven("answer to another question")
    try:
        proof = [decode_hash(text) for text in answer.hashes]
    except FormatError:
        raise Unproven("malformed proof") from None
    roots = old.checkpoint.root, new.checkpoint.root
    try:
        return consistent_roots(*sizes, roots[0], proof) == roots
    except ProofError:
        return False


def _asked(asker: Asker, request: Request, deadline_s: float) -> Conversation[Reply]:
    outcome: Outcome
    outcome, _ = yield from asker.ask(request, deadline_s)
    if isinstance(outcome, Fault):
        raise Unproven(outcome.why)
    if outcome.status != 200:
        raise Unproven(f"server answered {outcome.status}")
    return outcome


def _decoded(reply: Reply, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (ValueError, RecursionError):
        raise Unproven("malformed answer") from None
