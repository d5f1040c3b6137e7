"""
Holds every answer against what is known of its ledger: who may sign it, and what it was before.

    receipt agrees with answer and question → a trusted key signed → contradicts nothing seen → now and then, proven
    → newer than the question

All but the proof happen for each answer and take no request. A proof of consistency takes one, so it is asked for when
the first answer comes and then at most once per interval: for the answer at hand, and for one drawn from all since the
last time, which nobody can foresee. What is not proven yet is not kept.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from ._asking import Asker
from ._history import History, contradiction
from ._keys import hints_at_successor, succession, superseded, trusted_signers, wrong_key
from ._note import FormatError, SignedCheckpoint, signers
from ._proofs import Unproven, is_consistent, key_receipts, listed_keys
from ._question import Given, Question
from ._receipt import Sighting, checked_receipt
from ._state import LedgerState, Store, adopted, advanced, begun, succeeded
from ._wire import Conversation, done
from .decision import Decision
from .errors import LedgerError, LedgerForkError, LedgerStateError, ReceiptError
from .ledger import Checkpoint

_RETRY_S: Final = 5.0
_MOST_TURNS: Final = 8
_log: Final = logging.getLogger("governlayer")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What a witness needs besides the server.

    Attributes:
        store: where ledgers are remembered.
        utc_now: the time for the names of evidence, ``YYYYMMDDTHHMMSS.ffffffZ``.
        draw: a fresh random number, 0 up to but not 1.
    """

    store: Store
    utc_now: Callable[[], str]
    draw: Callable[[], float]


class Witness:
    """The witness of one client. Its conversations may run side by side, in threads or under asyncio."""

    def __init__(self, asker: Asker, around: Surroundings) -> None:
        self._asker = asker
        self._around = around
        self._given = tuple(key.text for key in asker.config.ledger_keys)
        self._interval_s = asker.config.consistency_interval_s
        self._lock = threading.Lock()
        self._given_before = Given()
        self._forget()

    def _forget(self) -> None:
        self._state: LedgerState | None = None
        self._forked = False
        self._unfiled: LedgerForkError | None = None
        self._next_proof_s = float("-inf")
        self._next_keys_s = float("-inf")
        self._history = History(self._around.draw)

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that is kept."""
        if self._state is None:
            return None
        kept = self._state.newest.checkpoint
        return Checkpoint(kept.origin, kept.size, kept.root, kept.note)

    def refuse_after_fork(self) -> None:
        """
        Return if nothing speaks against the ledger; once its evidence was moved away, begin anew with what is stored.

        Raises:
            LedgerForkError: evidence against the ledger is there.
            LedgerStateError: it cannot be told whether there is.
        """
        if self._state is not None:
            self._refuse_after_fork(self._state.origin)

    def question(self, body: bytes, idempotency_key: str, *, own_key: bool) -> Conversation[Question]:
        """
        Return the question that is sent next.

        Args:
            body: JSON.
            idempotency_key: of all its tries.
            own_key: whether the key was made for it, so that no answer to it can be older than the question.
        """
        known: Mapping[str, int] = {}
        if own_key and self._state is None:
            known = yield from done(self._around.store.sizes)
        elif own_key and self._state is not None:
            newest, latest = self._state.newest, self._history.latest or self._state.newest
            known = {self._state.origin: max(newest.checkpoint.size, latest.checkpoint.size)}
        return Question(body, idempotency_key, known)

    def check(self, decision: Decision, question: Question, deadline_s: float) -> Conversation[None]:
        """
        Return if *decision* is proven to be on the ledger, as far as the SDK's README promises.

        Args:
            decision: an answer with a place on the ledger.
            question: what it answers.
            deadline_s: until when requests may take, on the clock.

        Raises:
            LedgerError: it is not; which of its kinds says why.
            Unproven: the keys of a ledger that is new here could not be fetched.
        """
        seen = checked_receipt(decision, question.body)
        origin = seen.checkpoint.origin
        if self._state is not None and self._state.origin != origin:
            raise ReceiptError(f"the answer is of the ledger {origin}, those before were of {self._state.origin}")
        self._refuse_after_fork(origin)
        state = yield from self._known(seen, deadline_s)
        yield from self._require_signed(state, seen.checkpoint, deadline_s)
        self._require_no_contradiction(seen)
        if self._claims_proof(seen):
            try:
                yield from self._prove(seen, deadline_s)
            except Unproven as why:
                self._next_proof_s = min(self._next_proof_s, self._asker.clock() + _RETRY_S)
                self._tell("size %d is not proven to continue what is kept: %s", seen.checkpoint.size, why)
        # Last: a ledger that was put back to an old backup answers with low numbers too, and is worse.
        question.require_later(seen)
        with self._lock:
            self._given_before.require_own(decision.decision_id, question)

    def verify_now(self, deadline_s: float) -> Conversation[Checkpoint | None]:
        """
        Prove the newest checkpoint that was seen, keep it, and return what is kept then.

        Raises:
            LedgerError: the ledger is not the one of before, or no proof could be had.
        """
        self.refuse_after_fork()
        if self._history.latest is not None:
            try:
                yield from self._prove(self._history.latest, deadline_s)
            except Unproven as why:
                raise LedgerError(f"no proof of the ledger could be had: {why}") from None
        return self.newest()

    def _tell(self, what: str, *values: object) -> None:
        origin = self._state.origin if self._state else ""
        _log.warning(f"ledger %s: {what}", origin, *values)

    def _refuse_after_fork(self, origin: str) -> None:
        if self._unfiled is not None:
            raise LedgerForkError(origin, "it was found so before", kept=self._unfiled.kept, seen=self._unfiled.seen)
        evidence = self._around.store.evidence(origin)
        if evidence is not None:
            self._forked = True
            raise LedgerForkError(origin, "it was found so before; look at it, then move it away", evidence=evidence)
        if self._forked:
            self._forget()

    def _known(self, seen: Sighting, deadline_s: float) -> Conversation[LedgerState]:
        """Return what is known of the ledger of *seen*: from memory, from the store, or from now on."""
        if self._state is not None:
            return self._state
        origin, store, given = seen.checkpoint.origin, self._around.store, self._given
        state = yield from done(lambda: store.load(origin))
        if state is None:
            first = begun((yield from self._first_keys(seen.checkpoint, deadline_s)), seen)
            state = yield from done(lambda: store.update(origin, lambda held: first if held is None else held))
        if adopted(state, given) is not state:
            known = state
            state = yield from done(lambda: store.update(origin, lambda held: adopted(held or known, given)))
        self._state = state
        return state

    def _first_keys(self, checkpoint: SignedCheckpoint, deadline_s: float) -> Conversation[tuple[str, ...]]:
        """
        Return the keys that trust begins with: those that the operator named, else those that the server lists.

        Raises:
            LedgerKeyError: none of them signed *checkpoint*.
            ReceiptError: a signature is wrong.
            Unproven: the server could not be asked.
        """
        given = self._asker.config.ledger_keys
        keys = given or (yield from listed_keys(self._asker, deadline_s))
        try:
            signed = signers(checkpoint, keys)
        except FormatError as error:
            raise ReceiptError(f"the receipt is refused: {error}") from None
        if not signed:
            raise wrong_key(checkpoint, [key.text for key in keys])
        return tuple(key.text for key in (given or signed))

    def _require_signed(
        self, state: LedgerState, checkpoint: SignedCheckpoint, deadline_s: float
    ) -> Conversation[None]:
        signed = trusted_signers(state.keys, checkpoint)
        if not signed or self._may_look_for_keys(state, checkpoint):
            state = yield from self._with_successors(state, deadline_s)
            signed = trusted_signers(state.keys, checkpoint)
        if not signed:
            raise wrong_key(checkpoint, [key.vkey for key in state.keys])
        size = checkpoint.size
        if superseded(state.keys, signed, size) != state.keys:
            known = state
            state = yield from self._update(
                state.origin, lambda held: replace(held or known, keys=superseded((held or known).keys, signed, size))
            )

    def _may_look_for_keys(self, state: LedgerState, checkpoint: SignedCheckpoint) -> bool:
        now_s = self._asker.clock()
        if now_s < self._next_keys_s or not hints_at_successor(state.keys, checkpoint):
            return False
        self._next_keys_s = now_s + max(self._interval_s, _RETRY_S)
        return True

    def _with_successors(self, state: LedgerState, deadline_s: float) -> Conversation[LedgerState]:
        """Return *state* with what others have learned, and what the ledger's own records say of its keys."""
        origin = state.origin
        known = (yield from done(lambda: self._around.store.load(origin))) or state
        try:
            receipts = yield from key_receipts(self._asker, deadline_s)
        except Unproven as why:
            self._tell("a newer key may be in use, but no record of it could be had: %s", why)
            self._state = known
            return known
        if succession(known.keys, origin, receipts) == known.keys:
            self._state = known
            return known
        return (yield from self._update(origin, lambda held: succeeded(held or known, receipts)))

    def _update(self, origin: str, change: Callable[[LedgerState | None], LedgerState]) -> Conversation[LedgerState]:
        self._state = state = yield from done(lambda: self._around.store.update(origin, change))
        return state

    def _require_no_contradiction(self, seen: Sighting) -> None:
        kept = self._state.newest if self._state else seen
        with self._lock:
            for other in (kept, *self._history.near(seen)):
                why = contradiction(other, seen)
                if why is not None:
                    raise self._fork(other, seen, why)
            self._history.add(seen)

    def _fork(self, kept: Sighting, seen: Sighting, why: str) -> LedgerForkError:
        """Keep the evidence and return the error; where it cannot be kept in files, the error has both notes."""
        origin, store = seen.checkpoint.origin, self._around.store
        notes = kept.checkpoint.note, seen.checkpoint.note
        self._forked = True
        try:
            evidence = store.evidence(origin) or store.accuse(origin, *notes, self._around.utc_now())
        except LedgerStateError as error:
            why, evidence = f"{why} ({error})", ()
        fork = LedgerForkError(origin, why, kept=notes[0], seen=notes[1], evidence=evidence)
        self._unfiled = None if evidence else fork
        return fork

    def _claims_proof(self, seen: Sighting) -> bool:
        """Return whether *seen* is to be proven now; who is told so does it, and nobody else for an interval."""
        with self._lock:
            now_s = self._asker.clock()
            if self._state is not None and self._state.newest.checkpoint.size == seen.checkpoint.size:
                return False
            if now_s < self._next_proof_s:
                self._history.leave_unproven(seen)
                return False
            if self._interval_s > 0:
                self._next_proof_s = now_s + self._interval_s
            return True

    def _prove(self, seen: Sighting, deadline_s: float) -> Conversation[None]:
        """Prove *seen* and one drawn from those that were left; whichever cannot be proven now is left for later."""
        at_hand: Sighting | None = seen
        try:
            yield from self._advance(seen, deadline_s)
            with self._lock:
                at_hand = self._history.take_sample()
            if at_hand is not None and self._state is not None:
                yield from self._link(at_hand, self._state.newest, deadline_s)
        except Unproven:
            with self._lock:
                self._history.leave_unproven(at_hand or seen)
            raise

    def _advance(self, seen: Sighting, deadline_s: float) -> Conversation[None]:
        """Prove *seen* against what is kept, and keep it if it is larger; turn again where a process was quicker."""
        origin = seen.checkpoint.origin
        for _ in range(_MOST_TURNS):
            held = yield from done(lambda: self._around.store.load(origin))
            base = held or self._state
            if base is None:
                raise AssertionError("a ledger is known before it is proven")
            yield from self._link(base.newest, seen, deadline_s)
            self._state = base
            if seen.checkpoint.size <= base.newest.checkpoint.size:
                return
            state = yield from self._update(origin, partial(advanced, base, seen))
            if state.newest == seen:
                return
        raise Unproven("other processes are always quicker")

    def _link(self, kept: Sighting, seen: Sighting, deadline_s: float) -> Conversation[None]:
        """Return if one of the two is proven to continue the other; which is the larger does not matter."""
        why = contradiction(kept, seen)
        if why is None and kept.checkpoint.size != seen.checkpoint.size:
            old, new = sorted((kept, seen), key=lambda each: each.checkpoint.size)
            holds = yield from is_consistent(self._asker, old, new, deadline_s)
            why = None if holds else f"its size {new.checkpoint.size} does not continue size {old.checkpoint.size}"
        if why is not None:
            with self._lock:
                raise self._fork(kept, seen, why)
