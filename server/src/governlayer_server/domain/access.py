"""Who asks, and what they may do."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from msgspec import Struct, field

from governlayer_server.domain.errors import Forbidden, MissingScope, StepUpRequired
from governlayer_server.domain.ledger.record import Actor, ActorKind
from governlayer_server.domain.organization import OrganizationSettings
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.times import MINUTE_US

STEP_UP_US = 10 * MINUTE_US


class Scope(StrEnum):
    """What an API key may be used for. Keys cannot manage anything."""

    GOVERN = "govern"
    AUDIT = "audit"
    RISK = "risk"
    SCAN = "scan"


class Role(StrEnum):
    """What a user may do."""

    OWNER = "owner"
    ADMIN = "admin"
    APPROVER = "approver"
    AUDITOR = "auditor"
    DEVELOPER = "developer"
    VIEWER = "viewer"


_GOVERNING = frozenset({Role.OWNER, Role.ADMIN, Role.DEVELOPER})
SCOPE_ROLES: Mapping[Scope, frozenset[Role]] = {
    Scope.GOVERN: _GOVERNING,
    Scope.SCAN: _GOVERNING,
    Scope.RISK: _GOVERNING,
    Scope.AUDIT: frozenset({Role.OWNER, Role.ADMIN, Role.AUDITOR}),
}
"""Which users may do what an API key needs a scope for."""


class Rule(Struct, frozen=True, kw_only=True):
    """
    Who may use a route: API keys with one of ``scopes``, users with one of ``roles``; where both are empty, anyone.

    ``step_up``: the user must have shown password and code within the last 10 minutes (ASVS 5.0 7.5).
    """

    scopes: frozenset[Scope] = frozenset()
    roles: frozenset[Role] = frozenset()
    step_up: bool = False

    @property
    def keys(self) -> bool:
        """Whether any API key may use the route."""
        return bool(self.scopes) or not self.roles


def listed(scopes: frozenset[Scope]) -> str:
    """Return *scopes* as text: `audit` or `govern`."""
    return " or ".join(f"`{scope}`" for scope in sorted(scopes))


ANY_PRINCIPAL = Rule()
MEMBERS = Rule(roles=frozenset(Role))


def dual(*scopes: Scope) -> Rule:
    """Return the rule of a route that API keys with one of *scopes* and users whose role matches one may use."""
    return Rule(scopes=frozenset(scopes), roles=frozenset().union(*(SCOPE_ROLES[scope] for scope in scopes)))


def only(*roles: Role, step_up: bool = False) -> Rule:
    """Return the rule of a route that manages: users with one of *roles* (an owner is an admin too), and no key."""
    return Rule(roles=frozenset({Role.OWNER, *roles}), step_up=step_up)


class Principal(Struct, frozen=True, kw_only=True):
    """
    The authenticated caller of one request: an API key with scopes, or a user with a role and a session.

    ``rate_limit`` is the key's own, in requests per minute. ``authenticated_us`` is when the user last showed password
    and code.
    """

    kind: ActorKind
    id: str
    organization_id: UUID
    plan: Plan
    scopes: frozenset[Scope] = frozenset()
    role: Role | None = None
    session_id: UUID | None = None
    authenticated_us: int = 0
    rate_limit: int | None = None
    allowed_ips: tuple[str, ...] = ()
    organization_created_us: int = 0
    settings: OrganizationSettings = field(default_factory=OrganizationSettings)

    @property
    def actor(self) -> Actor:
        """The caller as a ledger record names it: an opaque id, never a name."""
        return Actor(id=self.id, kind=self.kind)

    @property
    def user_id(self) -> UUID:
        """
        The user's id.

        Raises:
            Forbidden: the caller is an API key.
        """
        if self.kind is not ActorKind.USER:
            raise Forbidden("API keys cannot do this")
        return UUID(self.id)

    def require(self, rule: Rule, now_us: int) -> None:
        """
        Return if *rule* admits the principal. Nothing was done otherwise.

        Raises:
            MissingScope: an API key lacks the route's scope.
            Forbidden: the route is not for API keys, or not for users of this role.
            StepUpRequired: the user has to show password and code again.
        """
        if self.kind is ActorKind.USER:
            self._require_role(rule, now_us)
        elif not rule.keys:
            raise Forbidden("API keys cannot do this: sign in as a user")
        elif rule.scopes and not rule.scopes & self.scopes:
            raise MissingScope(f"this key lacks the scope {listed(rule.scopes)}")

    def _require_role(self, rule: Rule, now_us: int) -> None:
        if rule.roles and self.role not in rule.roles:
            raise Forbidden("your role may not do this")
        if rule.step_up and not 0 <= now_us - self.authenticated_us <= STEP_UP_US:
            raise StepUpRequired("show your password and code again: POST /v1/auth/step-up")


class AccessClaims(Struct, frozen=True, kw_only=True):
    """What an access token that is in force says of its bearer. Times are whole seconds since the Unix epoch, UTC."""

    subject: UUID
    organization_id: UUID
    role: Role
    session_id: UUID
    token_id: UUID
    issued_s: int
    expires_s: int
