"""Record an event: append a record without payloads, under a fresh id."""

from collections.abc import Mapping

from governlayer_server.domain.ledger.record import Actor, Draft
from governlayer_server.domain.record_type import RecordType
from governlayer_server.ports import Clock, Entropy
from governlayer_server.ports.ledger import Append, Entry, LedgerStore
from governlayer_server.usecases.new_id import new_id


def event(
    clock: Clock, entropy: Entropy, ledger_id: str, actor: Actor, record_type: RecordType, body: Mapping[str, object]
) -> Append:
    """Return the record of an event, ready to append: by itself, or within a tenant's transaction."""
    draft = Draft(type=record_type, actor=actor, body=body)
    return Append(ledger_id=ledger_id, record_id=new_id(clock, entropy), draft=draft)


async def record_event(
    ledger: LedgerStore,
    clock: Clock,
    entropy: Entropy,
    ledger_id: str,
    actor: Actor,
    record_type: RecordType,
    body: Mapping[str, object],
) -> Entry:
    """
    Return the durable record of an event.

    Raises:
        NotFound: there is no such ledger.
        LedgerUnavailable: it could not be made durable.
        LedgerFormatError: *body* would break the format. Nothing was appended.
    """
    return await ledger.append(event(clock, entropy, ledger_id, actor, record_type, body))
