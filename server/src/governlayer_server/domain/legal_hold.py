"""Legal holds: what must not be destroyed, whoever asks for it, until the hold is released."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.errors import Fault, InvalidRequest

MAX_REASON_CHARACTERS = 500
MAX_SEQ = 2**53 - 1


class HoldKind(StrEnum):
    """What a hold is about."""

    SUBJECT = "subject"
    RANGE = "range"
    ORGANIZATION = "organization"


class HoldScope(Struct, frozen=True, kw_only=True):
    """
    What a hold covers; without any member: all that the organization has, now and later.

    Attributes:
        subject_id: the key of a data subject: all records that name it, now and later.
        first_seq: the records from this one on, also those that are still to come.
        last_seq: up to this one, inclusive; None: there is no last one.
    """

    subject_id: UUID | None = None
    first_seq: int | None = None
    last_seq: int | None = None

    @property
    def kind(self) -> HoldKind:
        """What sort of hold it is."""
        if self.subject_id is not None:
            return HoldKind.SUBJECT
        return HoldKind.ORGANIZATION if self.first_seq is None else HoldKind.RANGE


def checked_reason(reason: str, pointer: str = "/reason") -> str:
    """
    Return the reason of a hold or of its release: people read it, and it is stored encrypted.

    Raises:
        InvalidRequest: it is empty, too long, or not printable.
    """
    if len(reason) > MAX_REASON_CHARACTERS or not reason.strip() or not reason.isprintable():
        raise _refused(pointer, f"1 to {MAX_REASON_CHARACTERS} printable characters, not only spaces")
    return reason


def checked_range(first_seq: int | None, last_seq: int | None, *, of_subject: bool) -> tuple[int | None, int | None]:
    """
    Return the range of a hold.

    Raises:
        InvalidRequest: it has an end without a beginning, ends before it begins, or the hold is *of_subject* already.
    """
    if of_subject and first_seq is not None:
        raise _refused("/data_subject", "or a range, not both")
    if last_seq is not None and first_seq is None:
        raise _refused("/first_seq", "goes with `last_seq`")
    if first_seq is not None and not 0 <= first_seq <= MAX_SEQ:
        raise _refused("/first_seq", f"0 to {MAX_SEQ}")
    if first_seq is not None and last_seq is not None and not first_seq <= last_seq <= MAX_SEQ:
        raise _refused("/last_seq", f"from `first_seq` to {MAX_SEQ}")
    return first_seq, last_seq


def hold_body(event: str, hold_id: UUID, scope: HoldScope) -> Mapping[str, object]:
    """Return the body of the ``legal_hold`` record of *event*: ``created`` or ``released``. No reason: it may name."""
    return {
        "event": event,
        "first_seq": scope.first_seq,
        "hold_id": str(hold_id),
        "kind": scope.kind.value,
        "last_seq": scope.last_seq,
        "subject": None if scope.subject_id is None else str(scope.subject_id),
    }


def _refused(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(f"{pointer[1:]}: {detail}", [Fault(pointer, detail)])
