"""Step 10 of ledger-v1 §8: the witness quorum that the user's trust file asks for (c2sp.org/tlog-policy)."""

from dataclasses import dataclass, field

from governlayer_verifier import mldsa
from governlayer_verifier.cosignature import is_signed_by, shown_time, stated_time_s
from governlayer_verifier.findings import Findings, Step, shown
from governlayer_verifier.keys import WrongSignatureError
from governlayer_verifier.note import Checkpoint
from governlayer_verifier.policy import Policy, Witness
from governlayer_verifier.trust import Cosigner, Outcome, Quorum, Witnesses


@dataclass(frozen=True, slots=True)
class Cosigning:
    """Who cosigned a checkpoint, by name, with the latest time in seconds since 1970; and who may have."""

    times_s: dict[str, int] = field(default_factory=dict)
    unchecked: frozenset[str] = frozenset()

    def joined(self, other: "Cosigning") -> "Cosigning":
        """Return both together; they must be of the same note text."""
        names = self.times_s.keys() | other.times_s.keys()
        times_s = {name: max(self.times_s.get(name, 0), other.times_s.get(name, 0)) for name in names}
        return Cosigning(times_s, (self.unchecked | other.unchecked) - names)


class WitnessCheck:
    """The cosignatures of a run; without a policy, or with ``quorum none``, nothing is asked."""

    def __init__(self, findings: Findings, policy: Policy | None) -> None:
        self._findings = findings
        self._policy = policy if policy is not None and policy.quorum is not None else None
        known = self._policy.witnesses if self._policy is not None else ()
        self._by_hint: dict[tuple[str, bytes], list[Witness]] = {}
        for each in known:
            self._by_hint.setdefault((each.key.name, each.key.key_id), []).append(each)
        self._keys = {each.name: each.key for each in known}
        self._newest: tuple[int, bytes] | None = None
        self._cosigning = Cosigning()
        self._largest_size: int | None = None
        self._judged: list[Quorum] = []

    @property
    def is_asked(self) -> bool:
        """Whether the trust file asks for a quorum."""
        return self._policy is not None

    def cosigning(self, checkpoint: Checkpoint) -> Cosigning:
        """
        Return which known witnesses cosigned *checkpoint*; those that nobody knows are ignored (signed-note).

        Raises:
            WrongSignatureError: a cosignature under the name and id of a known witness is not by its key.
        """
        found = Cosigning()
        for each in checkpoint.signatures:
            known = self._by_hint.get((each.name, each.key_id), [])
            by = [_judge(witness, checkpoint, each.blob) for witness in known]
            if known and not any(by):
                raise WrongSignatureError(f"the cosignature of {each.name}+{each.key_id.hex()} is wrong")
            for one in by:
                found = found if one is None else found.joined(one)
        return found

    def take(self, checkpoint: Checkpoint, cosigning: Cosigning) -> None:
        """Take in a checkpoint of the dump whose signatures are not wrong; only the newest is kept."""
        newest = checkpoint.size, checkpoint.text
        if self._newest == newest:
            self._cosigning = self._cosigning.joined(cosigning)
        elif self._newest is None or checkpoint.size > self._newest[0]:
            self._newest, self._cosigning = newest, cosigning
        cosigning = self._cosigning if self._newest == newest else cosigning
        if self._policy is not None and self._policy.is_met(cosigning.times_s.keys()):
            self._largest_size = max(self._largest_size or 0, checkpoint.size)

    def judge(self, label: str, size: int, cosigning: Cosigning, seq: int | None) -> None:
        """Hold the cosignatures of one checkpoint against the quorum."""
        if self._policy is None:
            return
        status: Outcome = "pass"
        if not self._policy.is_met(cosigning.times_s.keys()):
            may_be = self._policy.is_met(cosigning.times_s.keys() | cosigning.unchecked)
            status = "not_checked" if may_be else "fail"
        cosigners = self._cosigners(cosigning)
        self._judged.append(Quorum(label, size, status, cosigners))
        if status == "not_checked":
            self._findings.cannot(Step.RECEIPTS, f"the witness quorum of {label}: {mldsa.reason_unavailable()}")
        elif status == "fail":
            self._fail(label, size, cosigners, seq)

    def finish(self) -> Witnesses | None:
        """Judge the newest checkpoint of the dump and return the outcome of all; None where nothing was asked."""
        if self._policy is None:
            return None
        if self._newest is None:
            self._findings.cannot(Step.RECEIPTS, "the dump holds no checkpoint that witnesses could have cosigned")
        else:
            size = self._newest[0]
            self.judge("the newest checkpoint", size, self._cosigning, size - 1 if size else None)
        statuses = {each.status for each in self._judged}
        status: Outcome = "not_checked" if self._newest is None or "not_checked" in statuses else "pass"
        status = "fail" if "fail" in statuses else status
        return Witnesses(shown(self._policy.rule(), 2000), status, self._largest_size, tuple(self._judged))

    def _fail(self, label: str, size: int, cosigners: tuple[Cosigner, ...], seq: int | None) -> None:
        if self._policy is None:
            return
        names = [each.name for each in cosigners if each.checked]
        found = f"cosigned by {', '.join(names)}" if names else "no witness of the trust file"
        if self._largest_size is not None:
            found += f"; the quorum cosigned up to size {self._largest_size}"
        what = f"{label} of size {size} lacks the witness quorum"
        self._findings.fail(Step.RECEIPTS, what, seq=seq, expected=self._policy.rule(), found=found)

    def _cosigners(self, cosigning: Cosigning) -> tuple[Cosigner, ...]:
        names = [name for name in self._keys if name in cosigning.times_s or name in cosigning.unchecked]
        return tuple(
            Cosigner(
                shown(name),
                shown(self._keys[name].name),
                self._keys[name].key_id.hex(),
                shown_time(cosigning.times_s.get(name)),
                name in cosigning.times_s,
            )
            for name in names
        )


def _judge(witness: Witness, checkpoint: Checkpoint, blob: bytes) -> Cosigning | None:
    """Return what the signature says about *witness*, None where it is not its own."""
    try:
        if not is_signed_by(witness.key, checkpoint, blob):
            return None
    except mldsa.UnavailableError:
        return Cosigning(unchecked=frozenset({witness.name}))
    return Cosigning({witness.name: stated_time_s(witness.key, blob) or 0})
