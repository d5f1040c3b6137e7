"""Users, their sessions, one-time tokens, and API keys."""

from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.access import Role, Scope
from governlayer_server.domain.plan import Plan


class UserStatus(StrEnum):
    """Where a user stands."""

    INVITED = "invited"
    ACTIVE = "active"
    DISABLED = "disabled"


class User(Struct, frozen=True, kw_only=True):
    """
    A member of an organization; e-mail address and password hash are stored encrypted, with a blind index for look-ups.

    ``totp_sealed`` is the second factor in force, ``totp_pending`` one that is being set up; ``totp_step`` is the last
    step (RFC 6238) that a code was accepted for; ``recovery`` holds the keyed fingerprints of unused recovery codes.
    """

    id: UUID
    organization_id: UUID
    role: Role
    email_sealed: bytes
    email_index: bytes
    password_hash: bytes | None
    created_us: int
    disabled_us: int | None = None
    totp_sealed: bytes | None = None
    totp_pending: bytes | None = None
    totp_step: int = 0
    recovery: tuple[bytes, ...] = ()
    # Keyed check of the whole row, so that who can only write the table cannot raise a role or swap a password.
    seal: bytes = b""

    @property
    def status(self) -> UserStatus:
        """Where the user stands: an invitation that nobody took up has no password."""
        if self.disabled_us is not None:
            return UserStatus.DISABLED
        return UserStatus.INVITED if self.password_hash is None else UserStatus.ACTIVE


class Session(Struct, frozen=True, kw_only=True):
    """
    One sign-in of a user, and the family of refresh tokens that came of it (RFC 9700 §4.14.2).

    Only the newest ``generation`` refreshes. ``authenticated_us`` is when the user last showed password and code.
    """

    id: UUID
    organization_id: UUID
    user_id: UUID
    created_us: int
    seen_us: int
    authenticated_us: int
    generation: int = 0
    ended_us: int | None = None
    # Keyed check of the whole row. Ending takes it away: a session whose end is wiped out is still none.
    seal: bytes = b""

    def ended(self, now_us: int) -> "Session":
        """Return the session, ended: without its seal, for good."""
        return replace(self, ended_us=now_us, seal=b"")


class Purpose(StrEnum):
    """What a one-time token is good for."""

    SETUP = "setup"  # found the first organization of the deployment
    FOUND = "found"  # found an organization and become its owner
    JOIN = "join"  # take up an invitation
    RESET = "reset"  # set a new password


class OneTimeToken(Struct, frozen=True, kw_only=True):
    """
    A token that works once, by fingerprint. ``tenant`` is an organization's id, or ``system``.

    ``plan`` is what an organization gets that is founded with it.
    """

    fingerprint: bytes
    tenant: str
    purpose: Purpose
    user_id: UUID | None
    created_us: int
    expires_us: int
    used_us: int | None = None
    plan: Plan | None = None
    # Keyed check of all but ``used_us``, so that who can only write the table cannot make it good for more.
    seal: bytes = b""


class ApiKey(Struct, frozen=True, kw_only=True):
    """
    An API key without the key: only its fingerprint is kept.

    After a rotation the secret before works on until ``previous_until_us``. ``rate_limit`` is requests per minute, at
    most the plan's; ``allowed_ips`` are networks in CIDR form, none meaning everywhere.
    """

    id: UUID
    organization_id: UUID
    name: str
    prefix: str
    fingerprint: bytes
    scopes: frozenset[Scope]
    created_us: int
    expires_us: int | None = None
    revoked_us: int | None = None
    previous_fingerprint: bytes | None = None
    previous_until_us: int | None = None
    rate_limit: int | None = None
    allowed_ips: tuple[str, ...] = ()
    # Keyed check of what the key may do and for whom, so that who can only write the table cannot widen it.
    seal: bytes = b""


class KeyEvent(Struct, frozen=True, kw_only=True):
    """What happened to an API key: ``created``, ``rotated`` or ``revoked``, and by whom."""

    id: UUID
    organization_id: UUID
    key_id: UUID
    event: str
    actor_id: str
    actor_kind: str
    time_us: int


class UsageCount(Struct, frozen=True, kw_only=True):
    """How many requests a principal made on a day (days since the Unix epoch, UTC) with one outcome, and when last."""

    principal_id: str
    day: int
    outcome: str
    requests: int
    last_us: int
