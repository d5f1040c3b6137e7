"""Steps 8 and 9 of ledger-v1 §8: every checkpoint against the tree and against the trusted keys.

Which keys are trusted (§5) and which root a size has is only settled after the last record, so each checkpoint of the
dump is reduced to 52 bytes when it is met and judged at the end. That also makes its place in the dump unimportant.
"""

import base64
import struct
from dataclasses import dataclass

from governlayer_verifier.dump import Header
from governlayer_verifier.errors import FormatError
from governlayer_verifier.findings import Findings, Step
from governlayer_verifier.keys import KeyRing, WrongSignatureError
from governlayer_verifier.note import ED25519, MLDSA44, Checkpoint, VerifierKey, parse_checkpoint, parse_verifier_key
from governlayer_verifier.record import Facts
from governlayer_verifier.spool import Spool
from governlayer_verifier.timestamps import TimestampCheck
from governlayer_verifier.treecheck import Agreement, Coverage, Judgement, TreeCheck
from governlayer_verifier.trust import Outcome, Outside
from governlayer_verifier.witnesses import Cosigning, WitnessCheck

NO_KEY = "no trusted key was given (--key)"
_ENTRY = struct.Struct(">Q32sQI")
_Signers = tuple[VerifierKey, ...]


@dataclass(slots=True)
class _Pending:
    """A checkpoint from outside whose signers, None where reported as wrong, wait for the key ring to settle."""

    step: Step
    seq: int | None
    label: str
    signers: _Signers | None
    checkpoint: Checkpoint
    fault: str | None
    doubt: str | None
    agrees: bool = False

    def outcome(self) -> Outside:
        status: Outcome = "pass"
        if self.fault is not None or self.doubt is not None:
            status = "not_checked" if self.fault is None else "fail"
        root = base64.b64encode(self.checkpoint.root).decode()
        return Outside(self.label, self.seq, self.checkpoint.size, root, status, self.fault or self.doubt)


class CheckpointCheck:
    """All checkpoints of a run: those of the dump, those of the user and those inside receipts."""

    def __init__(
        self,
        findings: Findings,
        header: Header,
        ring: KeyRing,
        tree: TreeCheck,
        witnesses: WitnessCheck,
        stamps: TimestampCheck,
    ) -> None:
        self._findings = findings
        self._header = header
        self._ring = ring
        self._tree = tree
        self._witnesses = witnesses
        self._stamps = stamps
        self._entries = Spool(_ENTRY.size)
        # Few sets of signers recur; an entry holds the number of its set. None: already reported.
        self._signer_sets: dict[_Signers | None, int] = {None: 0}
        self._pending: list[_Pending] = []
        self._covered = 0
        self._reaches_end = False

    @property
    def count(self) -> int:
        """How many checkpoints the dump held."""
        return len(self._entries)

    def take(self, note: str, number: int) -> None:
        """
        Take in a checkpoint line of the dump.

        Args:
            note: the signed note.
            number: of the line in the dump, from 1.
        """
        try:
            checkpoint = parse_checkpoint(note)
        except FormatError as error:
            self._findings.fail(Step.FORMAT, str(error), line=number)
            return
        seq = checkpoint.size - 1 if checkpoint.size else None
        if not self._tree.pass_checkpoint(checkpoint.size):
            what = f"a checkpoint of size {checkpoint.size} stands before record {seq}"
            self._findings.fail(Step.TREE, what, seq=seq, line=number)
        signers, cosigning = self._signers(Step.SIGNATURES, checkpoint, seq, "the checkpoint", number)
        if signers is not None:
            self._witnesses.take(checkpoint, cosigning)
        index = self._signer_sets.setdefault(signers, len(self._signer_sets))
        self._entries.append(_ENTRY.pack(checkpoint.size, checkpoint.root, number, index))

    def take_key_record(self, facts: Facts, number: int) -> None:
        """
        Take in a ``ledger.key`` record (§2.2, §5).

        Keys of other algorithms than Ed25519 are not introduced, so that a verdict does not hang on what is
        installed; one that the user named is retired all the same.
        """
        event = facts.body.get("event")
        try:
            key = _introduced_key(facts)
        except FormatError as error:
            what = f"a ledger.key record is malformed: {error}"
            self._findings.fail(Step.SIGNATURES, what, seq=facts.seq, line=number)
            return
        if key.kind not in (ED25519, MLDSA44) or facts.seq is None:
            return
        if event == "retired":
            self._ring.retire(key, facts.seq)
        elif key.kind != ED25519:
            return
        elif self._ring.is_full:
            self._findings.fail(Step.SIGNATURES, "too many keys were introduced", seq=facts.seq, line=number)
        else:
            self._ring.introduce(key, facts.seq)

    def judge_outside(
        self, step: Step, label: str, checkpoint: Checkpoint, seq: int | None, fault: str | None = None
    ) -> None:
        """
        Judge, after the last record, a checkpoint that the user brings; its trust waits for ``finish``.

        Args:
            step: that the checkpoint belongs to.
            label: what to call it in messages.
            checkpoint: parsed, not verified.
            seq: that failures are reported at.
            fault: what is wrong already with the receipt that holds it, reported by the caller.
        """
        signers, cosigning = self._signers(step, checkpoint, seq, label, None)
        fault = fault if signers is not None else fault or "its signatures or its origin are wrong"
        pending = _Pending(step, seq, label, signers, checkpoint, fault, None)
        self._judge_root(pending)
        self._pending.append(pending)
        if step is Step.SIGNATURES and signers is not None:
            self._witnesses.judge(label, checkpoint.size, cosigning, seq)

    @property
    def outside_size(self) -> int:
        """The largest size, after ``finish``, at which something from outside agrees and nothing is wrong with it."""
        sound = [each.checkpoint.size for each in self._pending if each.agrees and each.fault is None]
        return max(sound, default=0)

    def outside(self) -> tuple[Outside, ...]:
        """Return, after ``finish``, what became of everything from outside."""
        return tuple(each.outcome() for each in self._pending)

    def judge_dump(self) -> None:
        """Hold every checkpoint of the dump against the tree (step 8)."""
        sets = list(self._signer_sets)
        for entry in self._entries:
            size, root, number, index = _ENTRY.unpack(entry)
            seq = size - 1 if size else None
            judgement = self._tree.says(size, root)
            self._reaches_end |= size == self._tree.tree.size
            if judgement.agreement is Agreement.AGREES:
                self._covered = max(self._covered, judgement.covered)
                self._ring.covers(sets[index] or (), size, judgement.covered)
            elif judgement.agreement is Agreement.DIFFERS:
                self._report_root(Step.TREE, "the checkpoint", root, judgement, seq, number)
            elif self._header.first > 0:
                self._findings.cannot(Step.TREE, f"no proof connects the checkpoint of size {size} to the records")

    def finish(self) -> Coverage:
        """Decide which keys are trusted and fail every checkpoint without one (steps 9 and 10)."""
        coverage = Coverage(self.count, self._covered, self._reaches_end)
        self._ring.settle()
        if not self._ring:
            self._findings.cannot(Step.SIGNATURES, NO_KEY)
            for each in self._pending:
                each.doubt = NO_KEY
        else:
            self._judge_trust()
        return coverage

    def close(self) -> None:
        """Give temporary files back."""
        self._entries.close()

    def _judge_trust(self) -> None:
        sets = list(self._signer_sets)
        for entry in self._entries:
            size, _, number, index = _ENTRY.unpack(entry)
            signers = sets[index]
            if signers is not None:
                seq = size - 1 if size else None
                self._judge_signers(Step.SIGNATURES, f"the checkpoint of size {size}", signers, size, seq, number)
        for each in self._pending:
            if each.signers is not None:
                size = each.checkpoint.size
                fault, doubt = self._judge_signers(each.step, each.label, each.signers, size, each.seq, None)
                each.fault, each.doubt = each.fault or fault, each.doubt or doubt

    def _judge_signers(
        self, step: Step, label: str, signers: _Signers, size: int, seq: int | None, number: int | None
    ) -> tuple[str | None, str | None]:
        """Report, and return, why the checkpoint of *signers* is not trusted and what could not be checked of that."""
        fault, doubt = self._ring.fault(signers, size), self._ring.doubt(signers)
        if doubt is not None:
            self._findings.cannot(step, doubt)
            return None, doubt
        if fault is not None:
            self._findings.fail(step, f"{label} is not trusted: {fault}", seq=seq, line=number)
        return fault, None

    def _judge_root(self, pending: _Pending) -> None:
        label, checkpoint, seq = pending.label, pending.checkpoint, pending.seq
        size = checkpoint.size
        judgement = self._tree.says(size, checkpoint.root)
        match judgement.agreement:
            case Agreement.AGREES:
                self._ring.covers(pending.signers or (), size, judgement.covered)
                pending.agrees = True
            case Agreement.DIFFERS:
                pending.fault = pending.fault or "its root is not that of the records"
                self._report_root(pending.step, label, checkpoint.root, judgement, seq, None)
            case Agreement.BEYOND:
                what = f"{label} is of size {size}: the dump ends before it, its tail was cut off"
                pending.fault = pending.fault or "the dump ends before it: its tail was cut off"
                self._findings.fail(pending.step, what, seq=seq, expected=f"at most {self._tree.tree.size}", found=size)
            case Agreement.UNCONNECTED:
                pending.doubt = "no proof in the dump connects it to the records"
                self._findings.cannot(pending.step, f"no proof in the dump connects {label} of size {size} to it")

    def _signers(
        self, step: Step, checkpoint: Checkpoint, seq: int | None, label: str, number: int | None
    ) -> tuple[_Signers | None, Cosigning]:
        """Return who signed, None where that was reported as wrong, and who cosigned."""
        fail, origin = self._findings.fail, self._header.origin
        if checkpoint.origin != origin:
            what = f"{label} is of another origin"
            fail(step, what, seq=seq, line=number, expected=origin, found=checkpoint.origin)
            return None, Cosigning()
        self._stamps.take(checkpoint)
        try:
            return self._ring.signers(checkpoint), self._witnesses.cosigning(checkpoint)
        except WrongSignatureError as error:
            fail(step, f"{label} of size {checkpoint.size}: {error}", seq=seq, line=number)
            return None, Cosigning()

    def _report_root(
        self, step: Step, label: str, root: bytes, judgement: Judgement, seq: int | None, number: int | None
    ) -> None:
        expected = judgement.expected
        self._findings.fail(
            step,
            f"the root of {label} is not that of the records",
            seq=seq,
            line=number,
            expected=None if expected is None else base64.b64encode(expected).decode(),
            found=base64.b64encode(root).decode(),
        )


def _introduced_key(facts: Facts) -> VerifierKey:
    vkey = facts.body.get("vkey")
    if facts.body.get("event") not in ("introduced", "retired") or not isinstance(vkey, str):
        raise FormatError("it does not hold event and vkey")
    return parse_verifier_key(vkey)
