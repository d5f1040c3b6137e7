"""What the use cases about members share: the lock that puts their acts in a row, and a member as answers show it."""

from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.access import Principal, Role
from governlayer_server.domain.account import User, UserStatus
from governlayer_server.domain.errors import Forbidden, NotAuthenticated, NotFound
from governlayer_server.domain.membership import MANAGERS
from governlayer_server.domain.times import time_text
from governlayer_server.ports import Vault
from governlayer_server.ports.accounts import Tenant
from governlayer_server.usecases.email_addresses import open_email
from governlayer_server.usecases.seal_rows import is_genuine


class Member(Struct, frozen=True, kw_only=True):
    """A user as the organization's managers see them."""

    id: str
    email: str
    role: Role
    status: UserStatus
    created_at: str

    def __repr__(self) -> str:
        """No address."""
        return f"Member({self.id})"


async def shown(vault: Vault, user: User) -> Member:
    """Return *user* as answers show them."""
    return Member(
        id=str(user.id),
        email=await open_email(vault, user),
        role=user.role,
        status=user.status,
        created_at=time_text(user.created_us),
    )


async def active_user(tenant: Tenant, vault: Vault, user_id: UUID, *, lock: bool = False) -> User | None:
    """Return the user if they are active and as the appliance wrote them: nothing of another row is trusted."""
    try:
        user = await tenant.users.one(user_id, lock=lock)
    except NotFound:
        return None
    return user if user.status is UserStatus.ACTIVE and is_genuine(vault, user) else None


async def acting_user(tenant: Tenant, vault: Vault, principal: Principal, *, lock: bool = True) -> User:
    """
    Return the user who acts, as the database knows them now: active, as the appliance wrote them, and locked.

    Nothing of an altered row is trusted, and none is saved: a fresh seal would make it genuine.

    Raises:
        NotAuthenticated: the principal is no such user, or not any more. Save nothing.
    """
    user = await active_user(tenant, vault, principal.user_id, lock=lock)
    if user is None:
        raise NotAuthenticated
    return user


async def lock_and_find_actor(tenant: Tenant, vault: Vault, principal: Principal) -> User:
    """
    Return the acting user as the database knows them now, once no other act about members can run until the end.

    What was true when the request came in may have changed while it waited: the role that counts is that of the row.

    Raises:
        Forbidden: they are no active user of the organization any more, or an API key.
    """
    await tenant.organization(lock=True)
    actor = await active_user(tenant, vault, principal.user_id)
    if actor is None:
        raise Forbidden("your role may not do this")
    return actor


async def find_target(tenant: Tenant, vault: Vault, user_id: UUID, *, removing: bool = False) -> User:
    """
    Return the user, locked: a sign-in at the same time neither overwrites the change nor is overwritten.

    Raises:
        NotFound: the organization has none with this id.
        Forbidden: the row is not as the appliance wrote it; to save it would make it genuine. It can be removed.
    """
    user = await tenant.users.one(user_id, lock=True)
    if not removing and not is_genuine(vault, user):
        raise Forbidden("this user was changed outside the appliance and can only be removed")
    return user


async def other_owners(tenant: Tenant, vault: Vault, user: User) -> int:
    """Return how many active owners there are besides *user*."""
    return sum(
        one.role is Role.OWNER and one.status is UserStatus.ACTIVE and one.id != user.id and is_genuine(vault, one)
        for one in await tenant.users.all()
    )


def require_manager(actor: User) -> None:
    """
    Return if *actor* manages the organization.

    Raises:
        Forbidden: the role does not.
    """
    if actor.role not in MANAGERS:
        raise Forbidden("your role may not do this")
