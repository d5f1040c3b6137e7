"""
Every error that this package raises, as one tree.

    GovernLayerError                  code
    ├── ConfigurationError            configuration_error    the client was set up wrongly; nothing was sent
    ├── ArgumentError (ValueError)    invalid_argument       a value cannot be sent as JSON; nothing was sent
    ├── ApiError                      (from the server)      the server refused: there is no decision
    │   ├── AuthenticationError       401
    │   ├── PermissionDenied          403
    │   ├── NotFound                  404
    │   ├── Conflict                  409
    │   ├── InvalidRequest            400, 413, 415, 422
    │   ├── RateLimited               429                    ``retry_after_s``
    │   └── ServerError               5xx                    only as the cause of GovernanceUnavailable
    ├── GovernanceUnavailable         unavailable            no usable answer within the time budget
    ├── LedgerError                   ledger_error           the answer is not proven to be on the ledger
    │   ├── ReceiptError              receipt_error          its receipt is missing, wrong or another's
    │   ├── LedgerKeyError            ledger_key_error       no trusted key signed it
    │   ├── LedgerForkError           ledger_fork            the ledger is not the one of before; ``evidence``
    │   └── LedgerStateError          ledger_state_error     what is remembered of it cannot be read or written
    └── ActionDenied                  action_denied          a decision that forbids acting as asked
        ├── ApprovalRequired          approval_required      a person has to agree first
        └── RedactionRequired         redaction_required     only the redacted form may be used

No error holds the API key or the body of a request. All can be pickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from .decision import Decision


class GovernLayerError(Exception):
    """The root of the tree: whatever this package raises on purpose is one of these."""

    code: str = "governlayer_error"

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, self.__dict__)


def _revive(cls: type[GovernLayerError], args: tuple[Any, ...], state: dict[str, Any]) -> GovernLayerError:
    """Return a pickled error; its constructor takes other arguments than ``args``, so it is passed by."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class ConfigurationError(GovernLayerError):
    """The client cannot be made from these settings; no connection was opened."""

    code = "configuration_error"


class ArgumentError(GovernLayerError, ValueError):
    """An argument cannot be sent as it stands; nothing was sent. Names its place, never its value."""

    code = "invalid_argument"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One entry of ``errors`` in a problem document: where (RFC 6901 pointer) and what."""

    pointer: str
    detail: str


class ApiError(GovernLayerError):
    """
    The server refused the request (RFC 9457): there is no decision, and the caller must not act.

    Attributes:
        status: the HTTP status.
        code: the server's stable code, or one made of the status when the body was no problem document.
        title: what kind of problem, for people.
        detail: what happened this time, or None.
        request_id: what to quote to the operator, or None.
        errors: the members that were refused; empty for most.
    """

    code = "api_error"

    def __init__(
        self,
        status: int,
        *,
        code: str | None = None,
        title: str = "",
        detail: str | None = None,
        request_id: str | None = None,
        errors: tuple[FieldError, ...] = (),
    ) -> None:
        self.status = status
        self.code = code or f"http_{status}"
        self.title = title
        self.detail = detail
        self.request_id = request_id
        self.errors = errors
        super().__init__(self._describe())

    def _describe(self) -> str:
        parts = [f"{self.status} {self.code}", self.detail or self.title]
        parts += [f"{error.pointer or '(whole body)'}: {error.detail}" for error in self.errors[:3]]
        told = ": ".join(part for part in parts if part)
        return f"{told} (request id {self.request_id})" if self.request_id else told


class AuthenticationError(ApiError):
    """401: the key is unknown, expired or revoked; the server does not say which."""


class PermissionDenied(ApiError):
    """403: the key is good but may not do this, for example lacks a scope."""


class NotFound(ApiError):
    """404: no such thing, or the base URL points elsewhere."""


class Conflict(ApiError):
    """409: the request does not fit what is there, or its first try is still running."""


class InvalidRequest(ApiError):
    """400, 413, 415 or 422: the request itself is wrong; ``errors`` says where."""


class RateLimited(ApiError):
    """
    429: over the limit of the plan or of the key, also after the retries that fitted the time budget.

    Attributes:
        retry_after_s: seconds the server asked to wait, or None.
    """

    def __init__(self, status: int = 429, *, retry_after_s: float | None = None, **problem: Any) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(status, **problem)


class ServerError(ApiError):
    """5xx: the appliance could not decide, so nothing may be done. Found as the cause of an outage."""


_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    400: InvalidRequest,
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
}


def api_error_class(status: int) -> type[ApiError]:
    """Return the class that stands for *status*: its own, ServerError for 5xx, else ApiError."""
    return _BY_STATUS.get(status, ServerError if 500 <= status <= 599 else ApiError)


class GovernanceUnavailable(GovernLayerError):
    """
    No usable answer came within the time budget; nobody decided, and the caller must not act.

    The server may still have recorded a decision. Asking again with the same ``idempotency_key`` gives
    that one instead of a second record.

    Attributes:
        cause: what the last try ended with, in a few words.
        tries: how often it was asked, at least 1.
        idempotency_key: the key that all tries carried.
        last_error: the server's last 5xx, or None when there was no answer or a malformed one.
    """

    code = "unavailable"

    def __init__(self, cause: str, *, tries: int, idempotency_key: str, last_error: ServerError | None = None) -> None:
        self.cause = cause
        self.tries = tries
        self.idempotency_key = idempotency_key
        self.last_error = last_error
        super().__init__(f"governance unavailable: {cause} ({tries} {'try' if tries == 1 else 'tries'})")


class LedgerError(GovernLayerError):
    """
    An answer came, but the ledger does not bear it out: the caller must not act, whatever it said.

    Raised whatever ``on_unavailable`` is: this is no outage but a reason to look.
    """

    code = "ledger_error"


class ReceiptError(LedgerError):
    """The answer's receipt is missing, broken, or proves something else than the answer says."""

    code = "receipt_error"


class LedgerKeyError(LedgerError):
    """
    The checkpoint is signed by no key that is trusted for this ledger.

    After a rotation that the operator has confirmed: pass the new key as ``ledger_key``.
    """

    code = "ledger_key_error"


class LedgerForkError(LedgerError):
    """
    The ledger is not the one that was seen before: rewritten, cut, or shown differently to different readers.

    The client refuses to go on for this ledger until the evidence is moved away.

    Attributes:
        origin: the ledger.
        kept: the signed checkpoint that was known; "" where it was found by an earlier process.
        seen: the signed checkpoint that cannot be of the same ledger; "" likewise.
        evidence: the files that hold both; empty with ``state_dir=None``.
    """

    code = "ledger_fork"

    def __init__(
        self, origin: str, why: str, *, kept: str = "", seen: str = "", evidence: tuple[Path, ...] = ()
    ) -> None:
        self.origin = origin
        self.kept = kept
        self.seen = seen
        self.evidence = evidence
        where = f"; evidence: {', '.join(map(str, evidence))}" if evidence else ""
        super().__init__(f"the ledger {origin} is not the one of before: {why}{where}")


class LedgerStateError(LedgerError):
    """What is remembered of the ledger cannot be read or written; it is never begun anew by itself."""

    code = "ledger_state_error"


class ActionDenied(GovernLayerError):
    """
    The decision does not permit the action as it was asked.

    Attributes:
        decision: the whole answer, with its reason and its place on the ledger.
    """

    code = "action_denied"
    _verb: ClassVar[str] = "denied"

    def __init__(self, decision: Decision, why: str | None = None) -> None:
        self.decision = decision
        super().__init__(f"{self._verb}: {why or decision.reason or decision.reason_code}")


class ApprovalRequired(ActionDenied):
    """A person has to approve first; ``decision.approval`` says where."""

    code = "approval_required"
    _verb = "approval required"


class RedactionRequired(ActionDenied):
    """The action may go ahead only with what ``decision.content()`` and ``decision.arguments()`` return."""

    code = "redaction_required"
    _verb = "redaction required"
