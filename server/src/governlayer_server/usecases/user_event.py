"""What the ledger says of a user: ``user.changed`` with the name of the event, and ids only."""

from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.account import User
from governlayer_server.domain.ledger.record import SYSTEM, Actor, ActorKind
from governlayer_server.ports import Clock, Entropy
from governlayer_server.ports.accounts import Tenant
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.record_event import event


class UserEvents(Struct, frozen=True, kw_only=True):
    """Makes and appends such records."""

    clock: Clock
    entropy: Entropy

    async def by_user(self, tenant: Tenant, user: User, name: str, session_id: UUID | None = None, **more: str) -> None:
        """Record what the user did, in which session where that is known."""
        await tenant.record(self._event(Actor(id=str(user.id), kind=ActorKind.USER), user, name, session_id, more))

    async def by_system(self, tenant: Tenant, user: User, name: str, session_id: UUID | None = None) -> None:
        """Record what the operator or the appliance itself did to the user."""
        await tenant.record(self._event(SYSTEM, user, name, session_id, {}))

    def _event(self, actor: Actor, user: User, name: str, session_id: UUID | None, more: dict[str, str]) -> Append:
        body = {**more, "event": name, "user_id": str(user.id)}
        if session_id is not None:
            body["session_id"] = str(session_id)
        return event(self.clock, self.entropy, str(user.organization_id), actor, "user.changed", body)
