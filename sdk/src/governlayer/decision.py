"""
What comes back: one frozen value that cannot be misread (api.md §4, answer).

Members that this version does not know are ignored, and a value it does not know is never a permission.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NoReturn, TypeAlias, cast, overload

import msgspec
from msgspec import Meta

from .ask import Content, Provenance
from .errors import ActionDenied, ApprovalRequired, RedactionRequired

_Text: TypeAlias = Annotated[str, Meta(min_length=1)]
_Hash: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]  # ledger-v1: SHA-256, lower-case hex
_Number: TypeAlias = int | float


class PolicyRef(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that took part in the decision; *reason* comes with ``explain=True``."""

    id: str
    version: int | str | None = None
    effect: str | None = None
    outcome: str | None = None
    reason: str | None = None


class PolicySet(msgspec.Struct, frozen=True, kw_only=True):
    """The published set of policies that was in force."""

    version: int | str
    hash: str


class Obligation(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller has to do along with the action; *target* is a JSON pointer into the question."""

    type: str
    target: str | None = None
    params: dict[str, Any] | None = None


class RedactedContent(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of content after redaction. Its repr leaves the text out."""

    role: str
    text: str
    provenance: str | None = None

    def __repr__(self) -> str:
        return f"RedactedContent(role={self.role!r})"


class Redacted(msgspec.Struct, frozen=True, kw_only=True):
    """What may be used in place of the original. Its repr says only what is there."""

    content: tuple[RedactedContent, ...] | None = None
    arguments: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"Redacted(content={self.content is not None}, arguments={self.arguments is not None})"


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """The risk score: 0 to 100, its level, and how it came about."""

    score: _Number
    level: str
    method: str | None = None
    vector: str | None = None
    contributions: tuple[Any, ...] = ()


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a detector found; *start* and *end* count Unicode code points.

    *content_index* names the content item, or *pointer* (RFC 6901) the place in the arguments; with *in_name* the
    finding is in the name of the member there.
    """

    detector: str
    type: str
    version: int | str | None = None
    severity: str | None = None
    confidence: _Number | str | None = None
    start: int | None = None
    end: int | None = None
    content_index: int | None = None
    pointer: str | None = None
    in_name: bool = False
    rule_id: str | None = None
    refs: Any = None


class ScanResult(msgspec.Struct, frozen=True, kw_only=True):
    """All that the scan found."""

    findings: tuple[Finding, ...] = ()


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """The approval that a person has to give, and where."""

    id: str
    status: str
    expires_at: str | None = None
    url: str | None = None


class LedgerRef(msgspec.Struct, frozen=True, kw_only=True):
    """Where the decision stands on the ledger (ledger-v1)."""

    origin: _Text
    seq: Annotated[int, Meta(ge=0)]
    hash: _Hash
    prev_hash: _Hash
    time: _Text


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """
    The answer to one question.

    Ways to use it, each safe by itself::

        text = decision.content(text)      # what may be used: the original, the redacted text, or an error
        decision.raise_if_denied()         # an error unless the action may be done exactly as asked
        if decision.allowed: ...           # the same as a boolean

    ``if decision:`` is an error, for a deny is an object too.

    Attributes:
        decision: ``allow``, ``deny``, ``redact``, ``require_approval``; another value is never a permission.
        enforced: False in shadow mode: recorded, but not to be followed.
        mode: ``enforce``, ``shadow`` or ``dry_run``, as the server applied it.
        determined_by: ``policy``, ``default``, ``error``, ``kill_switch`` or ``budget``.
        ledger: the record; None for a dry run and when no answer came.
        receipt: the ``.tlog-proof`` text, when asked for.
        timings_us: microseconds by step.
    """

    decision_id: str
    decision: str
    enforced: bool
    mode: str
    reason_code: str
    reason: str
    determined_by: str
    policies: tuple[PolicyRef, ...]
    policy_set: PolicySet | None
    obligations: tuple[Obligation, ...]
    risk: Risk | None
    scan: ScanResult | None
    action_digest: str
    timings_us: dict[str, _Number]
    redacted: Redacted | None = None
    approval: Approval | None = None
    ledger: LedgerRef | None = None
    receipt: str | None = None

    @property
    def allowed(self) -> bool:
        """
        Whether the action may be done, exactly as it was asked.

        True only with a record on the ledger, and only for ``allow``, or in shadow mode (``enforced`` False)
        for any decision that this version knows: shadow is not enforced, ``decision`` says what would have
        been. False for ``redact``, because the original must not be used: see :meth:`content`,
        :meth:`arguments` and :attr:`allowed_with_redaction`. False for a dry run, which records nothing.
        """
        if self.ledger is None or self.mode not in {"enforce", "shadow"}:
            return False
        if self._is_shadow:
            return self.decision in {"allow", "deny", "redact", "require_approval"}
        return self.decision == "allow"

    @property
    def allowed_with_redaction(self) -> bool:
        """Whether the action may be done with what :meth:`content` and :meth:`arguments` return."""
        return self.allowed or (self._is_redaction and self.ledger is not None and self.mode == "enforce")

    @property
    def would_allow(self) -> bool:
        """Whether the decision itself is favourable, recorded or not: the question to ask of a dry run."""
        return self.decision == "allow" or self._is_redaction

    @property
    def _is_shadow(self) -> bool:
        return self.mode == "shadow" and not self.enforced

    @property
    def _is_redaction(self) -> bool:
        if self.decision != "redact" or self.redacted is None:
            return False
        return self.redacted.content is not None or self.redacted.arguments is not None

    def raise_if_denied(self) -> None:
        """
        Return only if the action may be done exactly as it was asked.

        Raises:
            RedactionRequired: it may be done, but only with the redacted form.
            ApprovalRequired: a person has to approve first.
            ActionDenied: anything else, an outage included. All three are ActionDenied.
        """
        if not self.allowed:
            self._refuse()

    def _refuse(self) -> NoReturn:
        if self.allowed_with_redaction:
            raise RedactionRequired(self)
        raise (ApprovalRequired if self.decision == "require_approval" else ActionDenied)(self)

    @overload
    def content(self, original: str) -> str: ...
    @overload
    def content(self, original: Sequence[Content]) -> Sequence[Content]: ...
    def content(self, original: str | Sequence[Content]) -> str | Sequence[Content]:
        """
        Return the content that may be used: *original* if allowed as asked, else its redacted form.

        Args:
            original: the ``content`` that was given to ``govern``.

        Raises:
            ActionDenied: nothing may be used, or the redaction does not cover *original*.
        """
        if self.allowed:
            return original
        if not self.allowed_with_redaction:
            self._refuse()
        pieces = None if self.redacted is None else self.redacted.content
        if pieces is None or len(pieces) != (1 if isinstance(original, str) else len(original)):
            raise ActionDenied(self, "the redaction does not cover the content")
        if isinstance(original, str):
            return pieces[0].text
        return [
            Content(piece.role, piece.text, provenance=cast("Provenance | None", piece.provenance)) for piece in pieces
        ]

    def arguments(self, original: Mapping[str, Any]) -> Mapping[str, Any]:
        """
        Return the arguments that may be used: *original* if allowed as asked, else their redacted form.

        Args:
            original: the ``arguments`` of the action that was given to ``govern``.

        Raises:
            ActionDenied: nothing may be used, or the redaction does not cover the arguments.
        """
        if self.allowed:
            return original
        if not self.allowed_with_redaction:
            self._refuse()
        if self.redacted is None or self.redacted.arguments is None:
            raise ActionDenied(self, "the redaction does not cover the arguments")
        return self.redacted.arguments

    def __bool__(self) -> NoReturn:
        raise TypeError("a Decision has no truth value: ask decision.allowed")

    def __repr__(self) -> str:
        where = None if self.ledger is None else self.ledger.seq
        return (
            f"Decision(decision={self.decision!r}, enforced={self.enforced}, mode={self.mode!r}, "
            f"reason_code={self.reason_code!r}, decision_id={self.decision_id!r}, ledger_seq={where})"
        )


def unavailable(why: str, mode: str) -> Decision:
    """Return the deny that stands for "nobody decided": no record, no id, determined by an error."""
    return Decision(
        decision_id="",
        decision="deny",
        enforced=True,
        mode=mode,
        reason_code="unavailable",
        reason=why,
        determined_by="error",
        policies=(),
        policy_set=None,
        obligations=(),
        risk=None,
        scan=None,
        action_digest="",
        timings_us={},
    )
