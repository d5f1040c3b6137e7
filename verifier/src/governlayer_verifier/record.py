"""The members of a record, ledger-v1 §2."""

import re
from datetime import datetime
from typing import Any, NamedTuple

from governlayer_verifier.chain import is_hex_hash

_MEMBERS = frozenset({"actor", "body", "commitments", "prev_hash", "seq", "time", "type", "v"})
_ACTOR_MEMBERS = frozenset({"id", "kind"})
ACTOR_KINDS = frozenset({"api_key", "user", "system"})
DECISION = "decision"
# Types of record whose bodies mean something to the verifier (§2.2).
ERASING = frozenset({"erasure", "retention"})
KEY_RECORD = "ledger.key"
RESTORE = "restore"
MEANT = ERASING | {KEY_RECORD, RESTORE}
_MAX_COMMITMENTS = 16
_TYPE = re.compile(r"(?=.{1,64}\Z)[a-z_]+(?:\.[a-z_]+)*")
_PAYLOAD_NAME = re.compile(r"[a-z_]{1,32}")
# Python 3.14 and newer read 24:00 as the midnight that ends a day; §2 knows one spelling of a moment.
TIME_PATTERN = r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z"
_TIME = re.compile(TIME_PATTERN, re.ASCII)


class Facts(NamedTuple):
    """What the steps of §8 need of a record; None where a broken record does not tell."""

    seq: int | None
    time: str | None
    prev_hash: str | None
    type: str | None
    commitments: dict[str, str]
    body: dict[str, Any]


def is_payload_name(text: object) -> bool:
    """Return whether *text* is ``[a-z_]{1,32}`` (ledger-v1 §2)."""
    return isinstance(text, str) and _PAYLOAD_NAME.fullmatch(text) is not None


def is_time(text: object) -> bool:
    """Return whether *text* is a real moment written ``YYYY-MM-DDTHH:MM:SS.ffffffZ`` (ledger-v1 §2)."""
    return isinstance(text, str) and _TIME.fullmatch(text) is not None and is_moment(text)


def is_moment(text: str) -> bool:
    """Return whether *text*, which must be of ``TIME_PATTERN``, names a day that there is."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_count(value: object) -> bool:
    """Return whether *value* is an integer of at least 0; true and false are not."""
    return type(value) is int and value >= 0


def fault_of(record: object) -> str | None:
    """
    Return what keeps *record* from being a record of ledger-v1 §2, None where nothing does.

    Args:
        record: a parsed record line.
    """
    if not isinstance(record, dict):
        return "is not an object"
    if record.keys() != _MEMBERS:
        return _member_fault(record)
    return _value_fault(record)


def facts_of(record: object, *, sound: bool = False) -> Facts:
    """
    Return the facts of *record*, leaving out each that is missing or of the wrong type.

    Args:
        record: a parsed record line.
        sound: whether ``fault_of`` found nothing, so that types need no second look.
    """
    if not isinstance(record, dict):
        return Facts(None, None, None, None, {}, {})
    if sound:
        return Facts(*map(record.__getitem__, Facts._fields))
    seq, time, body = record.get("seq"), record.get("time"), record.get("body")
    commitments = record.get("commitments")
    kept = commitments if isinstance(commitments, dict) else {}
    return Facts(
        seq if type(seq) is int and seq >= 0 else None,
        time if is_time(time) else None,
        _text(record.get("prev_hash")),
        _text(record.get("type")),
        {name: each for name, each in kept.items() if isinstance(each, str)},
        body if isinstance(body, dict) else {},
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _member_fault(record: dict[str, Any]) -> str:
    missing = sorted(_MEMBERS - record.keys())
    if missing:
        return f"has no member {missing[0]}"
    unknown = sorted(record.keys() - _MEMBERS)
    return f"has an unknown member {unknown[0][:40]!a}"


def _value_fault(record: dict[str, Any]) -> str | None:
    actor = record["actor"]
    kind = record["type"]
    checks = (
        (type(actor) is dict and actor.keys() == _ACTOR_MEMBERS, "actor does not have exactly id and kind"),
        (type(record["body"]) is dict, "body is not an object"),
        (_is_commitments(record["commitments"]), "commitments break their grammar"),
        (is_hex_hash(record["prev_hash"]), "prev_hash is not 64 hex digits"),
        (is_count(record["seq"]), "seq is not an integer of at least 0"),
        (is_time(record["time"]), "time is not a moment written YYYY-MM-DDTHH:MM:SS.ffffffZ"),
        (isinstance(kind, str) and _TYPE.fullmatch(kind) is not None, "type breaks its grammar"),
        (type(record["v"]) is int and record["v"] == 1, "v is not 1"),
    )
    for holds, fault in checks:
        if not holds:
            return fault
    return None if _is_actor(actor) else "actor breaks its grammar"


def _is_actor(actor: dict[str, Any]) -> bool:
    kind = actor["kind"]
    return isinstance(actor["id"], str) and isinstance(kind, str) and kind in ACTOR_KINDS


def _is_commitments(value: object) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= _MAX_COMMITMENTS
        and all(is_payload_name(name) and is_hex_hash(each) for name, each in value.items())
    )
