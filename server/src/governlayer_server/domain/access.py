"""Who asks, and what they may do."""

from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.errors import MissingScope
from governlayer_server.domain.ledger.record import Actor, ActorKind
from governlayer_server.domain.plan import Plan


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


class Principal(Struct, frozen=True, kw_only=True):
    """The authenticated caller of one request."""

    kind: ActorKind
    id: str
    organization_id: UUID
    plan: Plan
    scopes: frozenset[Scope]
    rate_limit: int | None = None
    organization_created_us: int = 0

    @property
    def actor(self) -> Actor:
        """The caller as a ledger record names it: an opaque id, never a name."""
        return Actor(id=self.id, kind=self.kind)

    def require(self, scope: Scope) -> None:
        """
        Return if the principal holds *scope*.

        Raises:
            MissingScope: it does not. Nothing was done.
        """
        if scope not in self.scopes:
            raise MissingScope(f"this key lacks the scope `{scope}`")
