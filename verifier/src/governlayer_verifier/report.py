"""The result of a run: one frozen value, with its exit status, its JSON and its text for people."""

from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import Any, Literal

from governlayer_verifier.activity import Span
from governlayer_verifier.findings import Failure, Findings, Step, shown
from governlayer_verifier.restores import Restored
from governlayer_verifier.trust import TrustReport, shown_status

Status = Literal["pass", "fail", "not_checked", "not_asked"]
Verdict = Literal["valid", "invalid", "incomplete"]

_NO_OUTSIDE = (
    "Nothing from outside (--checkpoint, --receipt, --timestamp, or a witness quorum in --trust) was held against it: "
    "that the tail was cut off, or that the holder of the signing key rewrote the whole ledger, cannot be excluded."
)
_NO_AGREEMENT = (
    "Nothing that was brought from outside agrees with the records: that the tail was cut off, or that the holder of "
    "the signing key rewrote the whole ledger, cannot be excluded."
)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step of ledger-v1 §8 found; ``failures`` are the first 100 of ``count``."""

    step: int
    name: str
    status: Status
    count: int
    reason: str | None
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """
    What a verification found; compare ``exit_status`` or ``verdict``, both stand for ledger-v1 §8.

    ``outside_size`` is the largest size at which a checkpoint or receipt of the user agreed; None without one.
    ``restores`` are the first 100 that the ledger owns up to.
    """

    origin: str | None
    first: int | None
    last: int | None
    head_hash: str | None
    lines: int
    records: int
    payloads: int
    checkpoints: int
    outside_size: int | None
    steps: tuple[StepResult, ...]
    trust: TrustReport
    activity: tuple[Span, ...]
    restores: tuple[Restored, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """``invalid`` where a step fails, ``incomplete`` where one could not be checked, else ``valid``."""
        statuses = {each.status for each in self.steps}
        if "fail" in statuses:
            return "invalid"
        return "incomplete" if "not_checked" in statuses else "valid"

    @property
    def exit_status(self) -> int:
        """0 valid, 1 invalid, 3 incomplete (ledger-v1 §8)."""
        return {"valid": 0, "invalid": 1, "incomplete": 3}[self.verdict]

    def step(self, number: int) -> StepResult:
        """Return the result of step *number*, 1 to 12."""
        return self.steps[number - 1]

    @property
    def anchored_size(self) -> int:
        """How many records agree with something that the ledger's operator does not hold alone."""
        return self._anchor()[0]

    def _anchor(self) -> tuple[int, str]:
        """Return how many records something from elsewhere agrees with, and what that is."""
        witnesses, last = self.trust.witnesses, self.last if self.last is not None else -1
        cosigned = (witnesses.largest_size if witnesses is not None else None) or 0
        stamped = max((each.size or 0 for each in self.trust.stamps if each.status == "pass"), default=0)
        # What others signed counts where the records lead to it.
        led = last + 1 if self.step(Step.TREE).status == self.step(Step.SIGNATURES).status == "pass" else 0
        return max(
            (self.outside_size or 0, "what was brought from outside"),
            (min(cosigned, led), "what the witnesses cosigned"),
            (min(stamped, led), "what a time stamp authority stamped"),
            key=itemgetter(0),
        )

    @property
    def limits(self) -> str:
        """What this verification cannot tell, in words: a cut tail or a rewrite by the holder of the key."""
        if self.anchored_size:
            size, source = self._anchor()
            return (
                f"The first {size} records agree with {source}; whether records "
                "after those were cut off or rewritten by the holder of the signing key cannot be excluded."
            )
        return _NO_AGREEMENT if self.trust.outside else _NO_OUTSIDE

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values with stable member names."""
        return {"verdict": self.verdict, "exit_status": self.exit_status, "limits": self.limits, **asdict(self)}

    def as_text(self) -> str:
        """Return the report for people: one line per step, what was trusted, then the verdict in words."""
        head = [self._subject(), ""] if self.origin is not None else []
        trust = ["", *self.trust.lines()] if self.trust.lines() else []
        restores = ["", *map(str, self.restores)] if self.restores else []
        steps = map(_step_line, self.steps)
        return "\n".join([*head, *steps, *trust, *restores, "", self.conclusion, self.limits])

    @property
    def conclusion(self) -> str:
        """The verdict in words."""
        if self.verdict == "invalid":
            failed = [str(each.step) for each in self.steps if each.status == "fail"]
            return f"INVALID: the ledger fails step{'s' if len(failed) > 1 else ''} {', '.join(failed)}."
        if self.verdict == "incomplete":
            return "INCOMPLETE: what was checked holds, but not all of it could be checked."
        if self.step(Step.CANONICAL).status == "not_asked":
            return "VALID: everything that was asked for holds; the form of the records was not checked."
        return "VALID: everything that was asked for holds."

    def _subject(self) -> str:
        span = f"{self.first} to {self.last}" if self.records else "none"
        counts = f"{self.records} records, {self.payloads} payloads, {self.checkpoints} checkpoints"
        return f"ledger  {self.origin}\nrange   {span} ({counts})\nhead    {self.head_hash or 'unknown'}"


def step_results(findings: Findings) -> tuple[StepResult, ...]:
    """Return the results of all steps, in order."""
    return tuple(_result(findings, step) for step in Step)


def _result(findings: Findings, step: Step) -> StepResult:
    count = findings.count(step)
    unchecked, unasked = findings.reason_unchecked(step), findings.reason_unasked(step)
    status: Status = "pass"
    if count:
        status = "fail"
    elif unchecked is not None:
        status = "not_checked"
    elif unasked is not None:
        status = "not_asked"
    reason = unchecked if unchecked is not None else unasked
    return StepResult(step.value, step.name.lower(), status, count, reason, findings.failures(step))


def _step_line(result: StepResult) -> str:
    label = shown_status(result.status)
    line = f"{label:<11} {result.step:>2} {result.name:<10}"
    if result.status == "fail":
        return f"{line} {_first_failure(result)}"
    return f"{line} {result.reason}" if result.reason else line.rstrip()


def _first_failure(result: StepResult) -> str:
    first = result.failures[0]
    at = [f"record {first.seq}"] if first.seq is not None else []
    at += [f"line {first.line}"] if first.line is not None else []
    text = f"{', '.join(at)}: {first.what}" if at else first.what
    if first.expected is not None:
        text += f"; expected {first.expected}"
    if first.found is not None:
        text += f"; found {first.found}"
    if result.count > 1:
        text += f" (the first of {result.count})"
    return text


def unreadable_json(message: str) -> dict[str, Any]:
    """Return what ``--json`` prints where nothing could be verified (exit status 2)."""
    return {"verdict": "unreadable", "exit_status": 2, "error": shown(message, 300)}
