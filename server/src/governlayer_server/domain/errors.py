"""
All errors that the appliance raises on purpose, as one tree; the embedded servers add a branch of their own.

    GovernLayerError
    ├── InvalidRequest            the request breaks a rule of the API; names the member and the limit
    │   ├── MalformedBody         not JSON at all, or not UTF-8
    │   ├── BodyTooLarge
    │   ├── UnsupportedMediaType
    │   ├── AmbiguousCredentials  two different credentials in one request
    │   └── IdempotencyKeyReused  the same key with another body
    ├── NotAuthenticated          never says which part was wrong
    ├── Forbidden
    │   ├── MissingScope
    │   ├── RegistrationClosed    nobody may found an organization, or join it, this way
    │   └── StepUpRequired        the user has to show password and code again
    ├── RateLimited               a plan's or an address's requests per minute are used up
    ├── TooManyAttempts           too many sign-ins of an account or from an address; try again later
    ├── NotFound
    ├── LastOwner                 the organization would be left without an active owner
    ├── IdempotencyInProgress     the first request with this key is still running
    ├── Conflict                  what is asked for does not go with the state of the thing
    │   └── UnderLegalHold        a legal hold covers what was to be destroyed
    ├── Unavailable               no decision was made; nothing was promised
    │   ├── Overloaded            too many are waiting for the same work; try again in a moment
    │   ├── LedgerUnavailable     the record could not be made durable, so no answer leaves
    │   │   └── LedgerDamaged     what is stored of a ledger contradicts itself; nothing of it is told or signed
    │   └── LedgerRefused         what is stored of the ledger contradicts itself or what was signed: nothing is added
    ├── LedgerFormatError         a record would break ledger-v1; nothing was appended
    ├── ProofError                a Merkle proof does not hold
    ├── NoteError                 a signed note, or a key for one, is malformed or not signed as it must be
    │   ├── UnknownOrigin         a witness is asked of a ledger that it has no key for
    │   ├── NotSigned             a witness is shown a checkpoint that no trusted key signed
    │   ├── OtherSize             a witness is asked from another size than it cosigned last
    │   └── Inconsistent          a witness is shown a checkpoint that does not extend the last one
    ├── CipherError               a ciphertext does not open under its key and place
    ├── BackupError               a backup, or the place of a restore, is not what it must be; nothing of it was used
    ├── PolicyError               a policy set cannot be used; the one in force stays
    └── ConfigurationError        a setting is missing, weak or contradicts the stored state

``code`` is stable, and public where ``web/problems.py`` lists it. Which HTTP status a code gets is decided there alone.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple
from uuid import UUID

from governlayer_server.domain.quota import Verdict

_LIMITED = {"key": "this key", "org": "this organization", "user": "this user", "address": "this address"}


class Fault(NamedTuple):
    """One thing wrong with a request body: where (RFC 6901 JSON pointer) and what, with the limit."""

    pointer: str
    detail: str


class GovernLayerError(Exception):
    """Base of all errors raised on purpose. ``str()`` is fit for people and holds no secret and no content."""

    code: ClassVar[str] = "internal_error"


class InvalidRequest(GovernLayerError):
    """The request breaks a rule of the API. Nothing was decided or recorded."""

    code = "invalid_request"

    def __init__(self, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.faults = tuple(faults)


class MalformedBody(InvalidRequest):
    """The body is not JSON in UTF-8."""

    code = "malformed_body"


class BodyTooLarge(InvalidRequest):
    """The body is larger than the API admits."""

    code = "body_too_large"


class UnsupportedMediaType(InvalidRequest):
    """The body is not declared as JSON."""

    code = "unsupported_media_type"


class AmbiguousCredentials(InvalidRequest):
    """Two different credentials came with one request."""

    code = "ambiguous_credentials"


class IdempotencyKeyReused(InvalidRequest):
    """The idempotency key was used before with another body."""

    code = "idempotency_key_reused"


class NotAuthenticated(GovernLayerError):
    """No valid credential. The text is the same whichever part was wrong: nobody learns from it what was right."""

    code = "not_authenticated"

    def __init__(self, detail: str = "the credential is not valid") -> None:
        super().__init__(detail)


class Forbidden(GovernLayerError):
    """The principal may not do this."""

    code = "forbidden"


class MissingScope(Forbidden):
    """The API key lacks the scope that the route needs."""

    code = "missing_scope"


class RegistrationClosed(Forbidden):
    """The deployment, or the organization, takes nobody this way. Nothing was stored."""

    code = "registration_closed"


class StepUpRequired(Forbidden):
    """The act is dangerous, and the user's last sign-in is too long ago."""

    code = "step_up_required"


class RateLimited(GovernLayerError):
    """A limit of requests per minute is used up. Nothing was done, and the request cost nothing."""

    code = "rate_limited"

    def __init__(self, verdict: Verdict) -> None:
        names = " and ".join(_LIMITED.get(one.name, one.name) for one in verdict.refused) or "this client"
        super().__init__(f"too many requests in 60 seconds for {names}")
        self.verdict = verdict


class TooManyAttempts(GovernLayerError):
    """Too many sign-ins were tried. Nothing was checked; it is the same whether or not the account exists."""

    code = "too_many_attempts"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("too many attempts: try again later")
        self.retry_after_s = retry_after_s


class NotFound(GovernLayerError):
    """There is no such thing for this organization; one of another organization looks the same."""

    code = "not_found"


class LastOwner(GovernLayerError):
    """The act would leave the organization without an active owner. Nothing was changed."""

    code = "last_owner"


class IdempotencyInProgress(GovernLayerError):
    """The first request with this idempotency key has not been answered yet."""

    code = "idempotency_in_progress"


class Conflict(GovernLayerError):
    """The thing is in a state that does not admit this. Nothing was changed."""

    code = "conflict"


class UnderLegalHold(Conflict):
    """A legal hold, named by its id, covers what was to be destroyed. Nothing was destroyed."""

    code = "legal_hold"

    def __init__(self, hold_id: UUID) -> None:
        super().__init__(f"legal hold {hold_id} covers it: nothing of it may be destroyed until the hold is released")
        self.hold_id = hold_id


class Unavailable(GovernLayerError):
    """Something that the answer needs is away. There is no decision."""

    code = "unavailable"


class Overloaded(Unavailable):
    """Too many requests are waiting for the same costly work. Nothing was done; try again in a moment."""

    code = "overloaded"


class LedgerUnavailable(Unavailable):
    """The record could not be made durable in time, so there is no decision."""

    code = "ledger_unavailable"


class LedgerDamaged(LedgerUnavailable):
    """What is stored of a ledger contradicts itself, so nothing of it is told. It takes an operator to mend it."""

    code = "ledger_damaged"


class LedgerRefused(Unavailable):
    """What is stored of the ledger contradicts itself or a checkpoint that was signed. Nothing is added or signed."""

    code = "ledger_refused"

    def __init__(self) -> None:
        super().__init__("the ledger is closed to writing: it was found damaged or set back; its operator has evidence")


class LedgerFormatError(GovernLayerError):
    """A record, origin or payload breaks ledger-v1. Nothing was appended."""

    code = "ledger_format"


class ProofError(GovernLayerError):
    """A Merkle proof does not show what it should (RFC 9162 §2.1). What it was to prove is not true until shown."""

    code = "proof"


class NoteError(GovernLayerError):
    """A signed note, a verifier key or a cosignature breaks its format, or a signature does not hold."""


class UnknownOrigin(NoteError):
    """No trusted key is for the origin of a checkpoint. Nothing was cosigned."""


class NotSigned(NoteError):
    """No trusted key signed a checkpoint. Nothing was cosigned."""


class OtherSize(NoteError):
    """The witness cosigned another size last: ``size``, 0 for none. Nothing was cosigned."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the size that was cosigned last is {size}")
        self.size = size


class Inconsistent(NoteError):
    """A checkpoint does not extend the one cosigned last: its ledger has two histories. Nothing was cosigned."""


class CipherError(GovernLayerError):
    """A ciphertext is damaged, or belongs to another key or place. Nothing was decrypted."""

    code = "cipher"


class BackupError(GovernLayerError):
    """A backup is damaged, incomplete or another's, or a place cannot take one. Nothing of it was used."""

    code = "backup"


class PolicyError(GovernLayerError):
    """A policy set cannot be parsed, validated or used. The set in force stays."""

    code = "policy_invalid"


class ConfigurationError(GovernLayerError):
    """A setting is missing or weak, or contradicts what is stored. Nothing was started."""

    code = "configuration"
