"""The answer: what was decided, why, and where it stands in the ledger (API contract §4)."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from governlayer_server.domain.action import Content, Mode
from governlayer_server.domain.risk import Risk
from governlayer_server.domain.scan import Finding


class Outcome(StrEnum):
    """What the agent may do."""

    ALLOW = "allow"
    DENY = "deny"
    REDACT = "redact"
    REQUIRE_APPROVAL = "require_approval"


class DeterminedBy(StrEnum):
    """What the outcome rests on."""

    POLICY = "policy"
    DEFAULT = "default"
    ERROR = "error"
    KILL_SWITCH = "kill_switch"
    BUDGET = "budget"


class Obligation(Struct, frozen=True, kw_only=True):
    """What the caller has to do besides. ``target`` is a JSON pointer into the question, or empty."""

    type: str
    target: str
    params: Mapping[str, object]


class PolicyUsed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A policy that determined the outcome. ``reason`` comes with ``options.explain``."""

    id: str
    version: int
    effect: str
    outcome: Outcome
    reason: str | None = None


class PolicySetUsed(Struct, frozen=True, kw_only=True):
    """The policy set that was in force: its version, and SHA-256 of its text in hex."""

    version: int
    hash: str


class Redacted(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rewritten parts of the question; only what was there before."""

    content: list[Content] | None = None
    arguments: Mapping[str, object] | None = None


class ScanResult(Struct, frozen=True, kw_only=True):
    """What the scan found."""

    findings: tuple[Finding, ...]


class LedgerPlace(Struct, frozen=True, kw_only=True):
    """Where the decision is recorded. Hashes are 64 hex digits."""

    origin: str
    seq: int
    hash: str
    prev_hash: str
    time: str


class Decision(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The whole answer. Members with a default are absent where they do not apply."""

    decision_id: str
    decision: Outcome
    enforced: bool
    mode: Mode
    reason_code: str
    reason: str
    determined_by: DeterminedBy
    policies: tuple[PolicyUsed, ...]
    policy_set: PolicySetUsed
    obligations: tuple[Obligation, ...]
    risk: Risk
    scan: ScanResult
    action_digest: str
    timings_us: Mapping[str, int]
    redacted: Redacted | None = None
    ledger: LedgerPlace | None = None
    receipt: str | None = None

    def __repr__(self) -> str:
        """Outcome and id only: findings and rewritten texts may not reach a log."""
        return f"Decision({self.decision_id}, {self.decision.value})"
