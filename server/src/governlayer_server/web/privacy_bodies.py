"""Erasures as JSON: what is asked, and what is shown (API contract §7)."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from governlayer_server.domain.action import ShortText
from governlayer_server.domain.erasure import BASIS, MAX_BASIS_CHARACTERS, ErasureKind
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.times import time_text
from governlayer_server.usecases.erase import Erased
from governlayer_server.web.path_ids import UUID_PATTERN, path_id

_END = r"(?![\s\S])"
_ONE_OF_TWO = "either `data_subject` or `decision_id`"


class ErasureRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to erase: all that names a data subject, or one decision; and on which legal basis."""

    basis: Annotated[
        str,
        Meta(
            max_length=MAX_BASIS_CHARACTERS,
            description="a reference to a law, nobody's name: it stands in the ledger for ever",
            extra_json_schema={"pattern": f"^{BASIS}{_END}"},
        ),
    ]
    data_subject: Annotated[ShortText, Meta(description="as decisions name it in `data_subjects`")] | None = None
    decision_id: Annotated[str, Meta(pattern=f"^{UUID_PATTERN}{_END}")] | None = None

    def __repr__(self) -> str:
        """No name."""
        return "ErasureRequest(…)"

    def decision(self) -> UUID | None:
        """
        Return the id of the decision, None where a data subject is named.

        Raises:
            InvalidRequest: both are named, or neither.
        """
        if (self.data_subject is None) == (self.decision_id is None):
            raise InvalidRequest(f"name {_ONE_OF_TWO}", [Fault("", _ONE_OF_TWO)])
        return None if self.decision_id is None else path_id(self.decision_id, "record")


class ErasureRecordBody(Struct, frozen=True, kw_only=True):
    """A record of the ledger that says it."""

    seq: int
    hash: str


class ErasureBody(Struct, frozen=True, kw_only=True):
    """
    An erasure.

    ``subjects`` are ids of keys that were destroyed; random, they name nobody. ``removed_at`` is when the last of what
    became unreadable was removed, ``remnants_removed_at`` when the tables were rewritten after that and nobody who
    reads an older state kept a row in them; of the log that says nothing where its dropping is the operator's.
    ``certificate`` is a signed note.
    """

    id: str
    kind: ErasureKind
    time: str
    basis: str
    records: int
    ranges: list[list[int]]
    names: list[str]
    subjects: list[str]
    decision_id: str | None
    erasure_records: list[ErasureRecordBody]
    removed_at: str | None
    remnants_removed_at: str | None
    certificate: str


class ErasureList(Struct, frozen=True, kw_only=True):
    """Some erasures, oldest first; ``next_cursor`` leads to the next page, or is null at the end."""

    data: list[ErasureBody]
    next_cursor: str | None


def erasure_body(erased: Erased) -> ErasureBody:
    """Return the erasure as it is shown."""
    stored, tombstone = erased.erasure, erased.erasure.tombstone
    return ErasureBody(
        id=str(tombstone.id),
        kind=tombstone.kind,
        time=time_text(tombstone.time_us),
        basis=tombstone.basis,
        records=tombstone.records,
        ranges=[list(one) for one in tombstone.ranges],
        names=list(tombstone.names),
        subjects=[str(one) for one in tombstone.subjects],
        decision_id=None if tombstone.decision is None else str(tombstone.decision),
        erasure_records=[ErasureRecordBody(seq=one.seq, hash=one.hash) for one in tombstone.erasure_records],
        removed_at=None if stored.finished_us is None else time_text(stored.finished_us),
        remnants_removed_at=None if stored.vacuumed_us is None else time_text(stored.vacuumed_us),
        certificate=erased.certificate,
    )
