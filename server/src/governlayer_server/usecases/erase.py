"""
Erase: destroy keys and payloads, and say so in the ledger, in one transaction that holds it (ledger-v1 §2.2, §6).

    hold the ledger → what is asked for, and may it go? → destroy → append ``erasure`` records → tombstone → commit

A key destroyed makes everything unreadable that needs it. So what is too much for one transaction waits, unreadable,
until ``FinishErasures`` has removed it. The records themselves stay, and so does every hash.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.erasure import (
    Range,
    Target,
    Tombstone,
    checked_basis,
    count,
    erasure_bodies,
    pieces,
    placed_at,
    ranges_of,
)
from governlayer_server.domain.erasure_certificate import certificate_text
from governlayer_server.domain.errors import Conflict, NotFound, UnderLegalHold
from governlayer_server.domain.ledger.checkpoint import signed_note
from governlayer_server.domain.ledger.record import SYSTEM, Actor
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports import Clock, Entropy, Signers, Vault
from governlayer_server.ports.erasures import ErasureStore, HeldLedger, StoredErasure, TombstoneList
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.answer_once import AnswerOnce, Keep, Once
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.record_event import event

OPERATION = "POST /v1/privacy/erasures"
# Others wait for the ledger meanwhile, for half a second at most: what is left is removed later, unreadable already.
_HELD_US = 200_000
_PIECE = 100


class Erased(Struct, frozen=True, kw_only=True):
    """An erasure that was done, now or before, and its certificate, signed when it was done."""

    erasure: StoredErasure
    certificate: str


class _Named(NamedTuple):
    subject_id: UUID | None
    seqs: Sequence[int]


class Extent(Struct, frozen=True, kw_only=True):
    """What an erasure would destroy: which records, and which keys of data subjects."""

    ranges: tuple[Range, ...]
    subjects: tuple[UUID, ...] = ()

    @property
    def records(self) -> int:
        """How many records would lose their payloads."""
        return count(self.ranges)


class Erase(Struct, frozen=True, kw_only=True):
    """Erases what an organization's ledger holds of a data subject, of a decision, or at all."""

    store: ErasureStore
    tombstones: TombstoneList
    once: AnswerOnce
    vault: Vault
    signer: Signers
    clock: Clock
    entropy: Entropy

    async def subject(
        self, actor: Actor, organization_id: UUID, name: str, basis: str, once: Once | None = None
    ) -> Erased:
        """
        Return the erasure of everything that names a data subject; done before and nothing new since: that one.

        Args:
            actor: who asks.
            organization_id: whose ledger.
            name: of the data subject, as decisions name it.
            basis: the legal basis; it stands in the ledger for ever.
            once: the caller's idempotency key.

        Raises:
            InvalidRequest: *basis* is none.
            NotFound: nothing names this data subject, or ever did. Nothing was recorded.
            UnderLegalHold: a legal hold covers some of it. Nothing was destroyed.
            Unavailable: whether it was done is not known; asked again, it is done once.
        """
        target = Target(subject=await self.vault.subject_index(organization_id, name))
        return await self._once(actor, organization_id, target, basis, once)

    async def decision(
        self, actor: Actor, organization_id: UUID, record_id: UUID, basis: str, once: Once | None = None
    ) -> Erased:
        """
        Return the erasure of one record's payloads; errors as for ``subject``.

        The keys of the data subjects that it names stay: other records may need them.
        """
        return await self._once(actor, organization_id, Target(decision=record_id), basis, once)

    async def organization(self, actor: Actor, organization_id: UUID, basis: str) -> Erased:
        """
        Return the erasure of a closed organization: keys, payloads, members. Its records stay, and who it was is gone.

        Raises:
            Conflict: it is not closed. Nothing was destroyed.
            UnderLegalHold: a legal hold is in force. Nothing was destroyed.
        """
        return await self._once(actor, organization_id, Target(), basis, None)

    async def extent(self, organization_id: UUID, target: Target) -> Extent:
        """
        Return what the erasure of *target* would destroy; nothing is.

        Raises:
            NotFound, UnderLegalHold: as for ``subject``.
        """
        async with self.store.hold(str(organization_id)) as held:
            found = await self._find(held, target, _Named(None, ()))
            if found is None:
                raise NotFound(_nothing(target))
            await _require_no_hold(held, target, found)
        return found

    async def read(self, organization_id: UUID, erasure_id: UUID) -> Erased:
        """
        Return an erasure that was done.

        Raises:
            NotFound: there is none with this id.
        """
        return _with_certificate(await self.store.find(str(organization_id), erasure_id))

    async def page(self, organization_id: UUID, after: UUID | None, limit: int) -> Sequence[Erased]:
        """Return up to *limit* erasures whose ids come after *after*, oldest first."""
        return list(map(_with_certificate, await self.store.page(str(organization_id), after, limit)))

    async def _once(self, actor: Actor, organization_id: UUID, target: Target, basis: str, once: Once | None) -> Erased:
        basis = checked_basis(basis)

        async def work(keep: Keep) -> bytes:
            return (await self._erase(actor, str(organization_id), target, basis, keep)).bytes

        kept = await self.once(actor, organization_id, OPERATION, once, work)
        return await self.read(organization_id, UUID(bytes=kept.answer))

    async def _erase(self, actor: Actor, ledger_id: str, target: Target, basis: str, keep: Keep) -> UUID:
        erasure_id = new_id(self.clock, self.entropy)
        # The answer that is kept is the id alone: it is known, and sealed, before anything is held.
        first = await keep(event(self.clock, self.entropy, ledger_id, actor, "erasure", {}), erasure_id.bytes)
        known = await self._known(ledger_id, target)
        await self.tombstones.ready()
        async with self.store.hold(ledger_id) as held:
            found = await self._find(held, target, known)
            if found is None:
                if (earlier := await held.earlier(target)) is None:
                    raise NotFound(_nothing(target))
                return earlier
            await _require_no_hold(held, target, found)
            asked = Tombstone(
                id=erasure_id,
                ledger_id=ledger_id,
                origin=held.head.origin,
                kind=target.kind,
                subjects=found.subjects,
                decision=target.decision,
                ranges=found.ranges,
                basis=basis,
                actor=actor,
                records=found.records,
                erasure_records=(),
                time_us=max(self.clock.now_us(), held.head.time_us),
            )
            tombstone = await self.destroy(held, asked, erasure_bodies(asked), first, target.subject)
            await self.tombstones.add(tombstone)
        self.vault.forget_subjects(tombstone.subjects)
        return erasure_id

    async def _known(self, ledger_id: str, target: Target) -> _Named:
        """Return what can be read before the ledger is held, so that it is held for less long."""
        subject_id = None if target.subject is None else await self.store.subject(ledger_id, target.subject)
        if subject_id is None:
            return _Named(None, ())
        return _Named(subject_id, await self.store.seqs_of(ledger_id, subject_id))

    async def _find(self, held: HeldLedger, target: Target, known: _Named) -> Extent | None:
        """Return what is there to destroy; None: nothing, or it was destroyed before."""
        if target.subject is not None:
            return await self._of_subject(held, target.subject, known)
        if await held.earlier(target) is not None:
            return None
        if target.decision is not None:
            seq = await held.seq_of(target.decision)
            return None if seq is None else Extent(ranges=((seq, seq),))
        if (await held.organization()).closed_us is None:
            raise Conflict("the organization is open: close it first (`governlayer orgs close`)")
        size = held.head.size
        return Extent(ranges=((0, size - 1),) if size else ())

    async def _of_subject(self, held: HeldLedger, index: bytes, known: _Named) -> Extent | None:
        subject_id = await held.subject(index)
        if subject_id is None:
            return None
        seqs = known.seqs if known.subject_id == subject_id else ()  # else erased meanwhile, and named again
        later = await held.seqs_of(subject_id, seqs[-1] if seqs else -1)
        return Extent(ranges=ranges_of([*seqs, *later]), subjects=(subject_id,))

    async def destroy(
        self,
        held: HeldLedger,
        asked: Tombstone,
        bodies: Sequence[Mapping[str, object]],
        first: Append,
        subject_index: bytes | None,
    ) -> Tombstone:
        """
        Return the tombstone with its records: what it names is destroyed, and recorded in the ledger that is held.

        Args:
            held: the ledger.
            asked: what to destroy: the keys, and as many payloads as others can wait for.
            bodies: of the records.
            first: the first of the records, whose body does not matter.
            subject_index: the fingerprint that the erasure is found by when it is asked for again.
        """
        is_all_gone = await self._destroyed(held, asked)
        later = [event(self.clock, self.entropy, asked.ledger_id, asked.actor, "erasure", body) for body in bodies[1:]]
        records = await held.append([replace(first, draft=replace(first.draft, body=bodies[0])), *later])
        tombstone = replace(asked, erasure_records=placed_at(records))
        # Signed here and nowhere else: what stands in the database is never signed, whoever wrote it there.
        text = certificate_text(tombstone)
        stored = StoredErasure(
            tombstone=tombstone,
            certificate=signed_note(text, self.signer.sign(text)),
            finished_us=self.clock.now_us() if is_all_gone else None,
        )
        await held.keep(stored, subject_index)
        if asked.kind.is_whole_ledger:
            body = {"event": "erased", "organization_id": asked.ledger_id}
            noted = event(self.clock, self.entropy, SYSTEM_LEDGER, SYSTEM, "organization.changed", body)
            await held.note_at_deployment(noted)
        return tombstone

    async def _destroyed(self, held: HeldLedger, asked: Tombstone) -> bool:
        """Destroy keys, and then payloads while there is time; return whether nothing is left to be removed later."""
        if asked.kind.is_whole_ledger:
            await held.destroy_data_keys()
            return False
        await held.destroy_subjects(asked.subjects)
        until_us = self.clock.monotonic_us() + _HELD_US
        for piece in pieces(asked.ranges, _PIECE):
            if self.clock.monotonic_us() > until_us:
                return False
            await held.destroy_payloads(piece)
        return True


def _with_certificate(erasure: StoredErasure) -> Erased:
    return Erased(erasure=erasure, certificate=erasure.certificate)


async def _require_no_hold(held: HeldLedger, target: Target, found: Extent) -> None:
    everything = target.kind.is_whole_ledger
    hold_id = await held.holds.against(found.ranges, found.subjects, everything=everything)
    if hold_id is not None:
        raise UnderLegalHold(hold_id)


def _nothing(target: Target) -> str:
    return "there is no such record" if target.decision is not None else "there is no data of this data subject"
