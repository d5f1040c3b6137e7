"""Legal holds as JSON: what is asked, and what is shown."""

from typing import Annotated

from msgspec import Meta, Struct

from governlayer_server.domain.action import ShortText
from governlayer_server.domain.ledger.record import Actor
from governlayer_server.domain.legal_hold import MAX_REASON_CHARACTERS, MAX_SEQ, HoldKind
from governlayer_server.domain.times import time_text
from governlayer_server.usecases.manage_holds import Hold
from governlayer_server.web.body_texts import PRINTABLE

Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ)]
Reason = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_REASON_CHARACTERS,
        description="printable, not only spaces; stored encrypted",
        extra_json_schema={"pattern": PRINTABLE},
    ),
]


class CreateHoldRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What is to be held: all that names ``data_subject``, and the records from ``first_seq`` on, up to ``last_seq``.

    One of the two; without either, all that the organization has. What is still to come is held too.
    """

    reason: Reason
    data_subject: Annotated[ShortText, Meta(description="as decisions name it")] | None = None
    first_seq: Annotated[Seq, Meta(description="from this record on")] | None = None
    last_seq: Annotated[Seq, Meta(description="up to this one, inclusive; null: there is no last one")] | None = None

    def __repr__(self) -> str:
        """Nobody's name."""
        return "CreateHoldRequest()"


class ReleaseHoldRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why the hold ends."""

    reason: Reason

    def __repr__(self) -> str:
        """Nobody's name."""
        return "ReleaseHoldRequest()"


class HoldActor(Struct, frozen=True):
    """Who did it: a user's id, or the operator (``system``)."""

    kind: str
    id: str


class HoldBody(Struct, frozen=True, kw_only=True):
    """
    A legal hold, in force while ``released_at`` is null.

    ``reason`` and ``data_subject`` are null once the data subject that it was about has been erased.
    """

    id: str
    kind: HoldKind
    reason: str | None
    data_subject: str | None
    first_seq: int | None
    last_seq: int | None
    created_at: str
    created_by: HoldActor
    released_at: str | None
    released_by: HoldActor | None
    release_reason: str | None

    def __repr__(self) -> str:
        """Nobody's name."""
        return f"HoldBody({self.id})"


class HoldList(Struct, frozen=True):
    """Some holds, oldest first; ``next_cursor`` leads to the next page, or is null at the end."""

    data: list[HoldBody]
    next_cursor: str | None


def hold_body(hold: Hold) -> HoldBody:
    """Return the hold as it is shown."""
    stored = hold.stored
    return HoldBody(
        id=str(stored.id),
        kind=stored.scope.kind,
        reason=hold.reason,
        data_subject=hold.data_subject,
        first_seq=stored.scope.first_seq,
        last_seq=stored.scope.last_seq,
        created_at=time_text(stored.created_us),
        created_by=_actor(stored.actor),
        released_at=None if stored.released_us is None else time_text(stored.released_us),
        released_by=None if stored.released_by is None else _actor(stored.released_by),
        release_reason=hold.release_reason,
    )


def _actor(actor: Actor) -> HoldActor:
    return HoldActor(kind=actor.kind.value, id=actor.id)
