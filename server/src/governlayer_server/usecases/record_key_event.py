"""Record that a signing key enters or leaves service: once in each ledger, however often asked (ledger-v1 §2.2)."""

from enum import StrEnum
from hashlib import sha256

from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ids import uuid8
from governlayer_server.domain.ledger.record import SYSTEM, Draft, Record
from governlayer_server.domain.record_type import RecordType
from governlayer_server.domain.times import DAY_US
from governlayer_server.ports import Clock
from governlayer_server.ports.ledger import AnswerExists, Append, LedgerStore, Remember

KEY_RECORD: RecordType = "ledger.key"


class KeyEvent(StrEnum):
    """What happens to a key."""

    INTRODUCED = "introduced"
    RETIRED = "retired"


async def key_record(ledger: LedgerStore, ledger_id: str, vkey: str, event: KeyEvent, again: int = 0) -> Record | None:
    """Return the record of *event* in this ledger, if it stands there."""
    try:
        return await ledger.place_of(ledger_id, uuid8(_name(vkey, event, again)))
    except NotFound:
        return None


async def record_key_event(
    ledger: LedgerStore, clock: Clock, ledger_id: str, vkey: str, event: KeyEvent, again: int = 0
) -> Record:
    """
    Return the durable record of *event* in this ledger, appended if it does not stand there.

    Args:
        ledger: where.
        clock: dates the record.
        ledger_id: in which one.
        vkey: of the key.
        event: what happens to it.
        again: tells apart records that say the same once more.

    Raises:
        NotFound: there is no such ledger.
        LedgerUnavailable: the record could not be made durable.
    """
    if (standing := await key_record(ledger, ledger_id, vkey, event, again)) is not None:
        return standing
    name = _name(vkey, event, again)
    draft = Draft(type=KEY_RECORD, actor=SYSTEM, body={"event": event.value, "vkey": vkey})
    # Of two that come here at once, the second is told by the kept answer.
    digest = sha256(name.encode()).digest()
    once = Remember(key=digest, body=digest, sealed=b"", expires_us=clock.now_us() + DAY_US)
    try:
        entry = await ledger.append(Append(ledger_id=ledger_id, record_id=uuid8(name), draft=draft, remember=once))
    except AnswerExists:
        return await ledger.place_of(ledger_id, uuid8(name))
    return entry.record


def _name(vkey: str, event: KeyEvent, again: int) -> str:
    """Return what the record's id is made of: a record can stand only once in a ledger, and is found again."""
    return f"ledger.key/{event.value}/{vkey}/{again}"
