"""
Manage legal holds: make, list and release them, each on the ledger, in one transaction that holds it.

Why there is a hold, and whom it is about, is encrypted; of a data subject, under its own key too: once the subject is
erased after the release, nothing of it can be read here either. The ledger names the hold by its id alone.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.errors import CipherError, LedgerUnavailable
from governlayer_server.domain.ledger.record import Actor
from governlayer_server.domain.legal_hold import HoldScope, checked_range, checked_reason, hold_body
from governlayer_server.domain.record_type import RecordType
from governlayer_server.ports import Clock, Entropy, Place, Vault
from governlayer_server.ports.erasures import ErasureStore
from governlayer_server.ports.holds import HoldStore, StoredHold
from governlayer_server.usecases.answer_once import AnswerOnce, Keep, Once
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.record_event import event

OPERATION = "POST /v1/privacy/legal-holds"
RECORD: RecordType = "legal_hold"


class HoldTerms(Struct, frozen=True, kw_only=True):
    """
    What is asked for; without subject and range: a hold of all that the organization has.

    Attributes:
        reason: 1 to 500 printable characters.
        data_subject: as decisions name it; it need not have been named yet.
        first_seq: the records from this one on.
        last_seq: up to this one, inclusive; None: there is no last one.
    """

    reason: str
    data_subject: str | None = None
    first_seq: int | None = None
    last_seq: int | None = None

    def __repr__(self) -> str:
        """Nobody's name."""
        return "HoldTerms()"


class Hold(Struct, frozen=True, kw_only=True):
    """A hold with what was encrypted of it; None: the data subject that it was about has been erased since."""

    stored: StoredHold
    reason: str | None
    data_subject: str | None
    release_reason: str | None

    def __repr__(self) -> str:
        """Nobody's name."""
        return f"Hold({self.stored.id})"


class _Written(Struct, frozen=True, kw_only=True):
    """What is encrypted."""

    reason: str
    data_subject: str | None = None


class ManageHolds(Struct, frozen=True, kw_only=True):
    """What a hold covers is destroyed by nobody: no erasure, no retention."""

    store: HoldStore
    ledgers: ErasureStore
    once: AnswerOnce
    vault: Vault
    clock: Clock
    entropy: Entropy

    async def create(self, actor: Actor, organization_id: UUID, terms: HoldTerms, once: Once | None = None) -> Hold:
        """
        Return the new hold; it is in force.

        Args:
            actor: who asks.
            organization_id: whose ledger.
            terms: what is to be held, and why.
            once: the caller's idempotency key.

        Raises:
            InvalidRequest: reason or range break their limits. Nothing was held.
            Unavailable: whether it is in force is not known; asked again with the same key, it is made once.
        """
        checked_reason(terms.reason)
        first_seq, last_seq = checked_range(terms.first_seq, terms.last_seq, of_subject=terms.data_subject is not None)
        hold_id = new_id(self.clock, self.entropy)

        async def work(keep: Keep) -> bytes:
            subjects = () if terms.data_subject is None else (terms.data_subject,)
            named = await self.vault.subjects(organization_id, subjects)
            scope = HoldScope(subject_id=named[0] if named else None, first_seq=first_seq, last_seq=last_seq)
            written = _Written(reason=terms.reason, data_subject=terms.data_subject)
            hold = StoredHold(
                id=hold_id,
                ledger_id=str(organization_id),
                scope=scope,
                sealed=await self._sealed(organization_id, hold_id, "created", written, scope),
                actor=actor,
                created_us=self.clock.now_us(),
            )
            await self._add(hold, keep)
            return hold_id.bytes

        kept = await self.once(actor, organization_id, OPERATION, once, work)
        return await self.one(organization_id, UUID(bytes=kept.answer))

    async def _add(self, hold: StoredHold, keep: Keep) -> None:
        body = hold_body("created", hold.id, hold.scope)
        record = event(self.clock, self.entropy, hold.ledger_id, hold.actor, RECORD, body)
        record = await keep(record, hold.id.bytes)
        async with self.ledgers.hold(hold.ledger_id) as held:
            if hold.scope.subject_id is not None and not await held.holds.has_subject(hold.scope.subject_id):
                self.vault.forget_subjects([hold.scope.subject_id])
                raise LedgerUnavailable("the data subject is being erased")
            await held.append([record])
            await held.holds.add(hold)

    async def release(self, actor: Actor, organization_id: UUID, hold_id: UUID, reason: str) -> Hold:
        """
        Return the hold, released; one that was released before stays as it is, and nothing is recorded.

        Args:
            actor: who asks.
            organization_id: whose hold.
            hold_id: which one.
            reason: 1 to 500 printable characters.

        Raises:
            InvalidRequest: the reason breaks its limits. The hold is in force.
            NotFound: there is no such hold.
        """
        checked_reason(reason)
        ledger_id = str(organization_id)
        hold = await self.store.one(ledger_id, hold_id)
        if hold.released_us is None:
            sealed = await self._sealed(organization_id, hold_id, "released", _Written(reason=reason), hold.scope)
            record = event(
                self.clock, self.entropy, ledger_id, actor, RECORD, hold_body("released", hold_id, hold.scope)
            )
            async with self.ledgers.hold(ledger_id) as held:
                if (await held.holds.one(hold_id)).released_us is None:
                    released = replace(hold, released_us=self.clock.now_us(), released_by=actor, release_sealed=sealed)
                    await held.holds.release(released)
                    await held.append([record])
        return await self.one(organization_id, hold_id)

    async def one(self, organization_id: UUID, hold_id: UUID) -> Hold:
        """
        Return a hold.

        Raises:
            NotFound: there is none with this id.
        """
        return await self._opened(organization_id, await self.store.one(str(organization_id), hold_id))

    async def page(self, organization_id: UUID, after: UUID | None, limit: int) -> Sequence[Hold]:
        """Return up to *limit* holds whose ids come after *after*, oldest first, released ones too."""
        found = await self.store.page(str(organization_id), after, limit)
        return [await self._opened(organization_id, one) for one in found]

    async def _sealed(
        self, organization_id: UUID, hold_id: UUID, what: str, written: _Written, scope: HoldScope
    ) -> bytes:
        subjects = () if scope.subject_id is None else (scope.subject_id,)
        try:
            return await self.vault.seal(_place(organization_id, hold_id, what), msgspec.json.encode(written), subjects)
        except CipherError:
            raise LedgerUnavailable("the data subject is being erased") from None

    async def _opened(self, organization_id: UUID, hold: StoredHold) -> Hold:
        made = await self._read(organization_id, hold.id, "created", hold.sealed)
        ended = await self._read(organization_id, hold.id, "released", hold.release_sealed)
        return Hold(
            stored=hold,
            reason=made.reason if made else None,
            data_subject=made.data_subject if made else None,
            release_reason=ended.reason if ended else None,
        )

    async def _read(self, organization_id: UUID, hold_id: UUID, what: str, sealed: bytes | None) -> _Written | None:
        if sealed is None:
            return None
        try:
            opened = await self.vault.open(_place(organization_id, hold_id, what), sealed)
        except CipherError:
            return None
        return msgspec.json.decode(opened, type=_Written)


def _place(organization_id: UUID, hold_id: UUID, what: str) -> Place:
    return Place(organization_id=organization_id, table="legal_hold", column="sealed", row=f"{hold_id}/{what}")
