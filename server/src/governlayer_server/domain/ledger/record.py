"""A record: what its author says (draft), and what it is once it stands in a ledger (ledger-v1 §2)."""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct, field

from governlayer_server.domain.errors import LedgerFormatError

_TYPE = re.compile(r"[a-z_]+(\.[a-z_]+)*")
_NAME = re.compile(r"[a-z_]{1,32}")
_HASH = re.compile(r"[0-9a-f]{64}")
MAX_TYPE_LENGTH = 64
MAX_COMMITMENTS = 16
_NOTHING: Mapping[str, str] = MappingProxyType({})


class ActorKind(StrEnum):
    """What sort of principal caused a record."""

    API_KEY = "api_key"
    USER = "user"
    SYSTEM = "system"


class Actor(Struct, frozen=True, kw_only=True):
    """Who caused a record: an opaque id, never an e-mail address or a name (ledger-v1 §2)."""

    id: str
    kind: ActorKind


SYSTEM = Actor(id="governlayer", kind=ActorKind.SYSTEM)


class Draft(Struct, frozen=True, kw_only=True):
    """
    What a record will say, before it has a place.

    ``body`` holds facts by type: no personal data, no free text from customers (§2). ``commitments`` maps
    payload names to 64 hex digits (§6).
    """

    type: str
    actor: Actor
    body: Mapping[str, object]
    commitments: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        """Refuse a type or commitment that breaks ledger-v1 §2."""
        if len(self.type) > MAX_TYPE_LENGTH or not _TYPE.fullmatch(self.type):
            raise LedgerFormatError("a record type is lower-case words joined by dots, at most 64 characters")
        if len(self.commitments) > MAX_COMMITMENTS:
            raise LedgerFormatError(f"a record has at most {MAX_COMMITMENTS} commitments")
        for name, value in self.commitments.items():
            if not _NAME.fullmatch(name) or not _HASH.fullmatch(value):
                raise LedgerFormatError("a commitment maps a name of [a-z_]{1,32} to 64 hex digits")

    def members_before_place(self) -> dict[str, object]:
        """Return the members of the record (ledger-v1 §2) that stand before those of its place."""
        return {
            "actor": {"id": self.actor.id, "kind": self.actor.kind.value},
            "body": self.body,
            "commitments": self.commitments,
        }


class Record(Struct, frozen=True, kw_only=True):
    """A record at its place: the exact bytes, which are never serialized again, and their hash (32 bytes)."""

    seq: int
    type: str
    time_us: int
    canonical: bytes
    hash: bytes
    prev_hash: bytes
