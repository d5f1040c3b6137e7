"""
Who may do what to which member of an organization.

Owners and admins manage. Only an owner makes, changes, disables or removes an owner; nobody gives more than they hold;
nobody changes their own role or disables themselves, but anybody may leave. One active owner always stays.
"""

from enum import StrEnum

from msgspec import Struct

from governlayer_server.domain.access import Role
from governlayer_server.domain.account import User, UserStatus
from governlayer_server.domain.errors import Forbidden, LastOwner

MANAGERS = frozenset({Role.OWNER, Role.ADMIN})


class Act(StrEnum):
    """What is done to a member."""

    INVITE = "invite"
    CHANGE_ROLE = "change_role"
    DISABLE = "disable"
    ENABLE = "enable"
    REMOVE = "remove"


class Deed(Struct, frozen=True, kw_only=True):
    """
    An act, by whom and to whom.

    ``role`` is the one to be given; ``other_owners`` is how many active owners there are besides the target.
    """

    act: Act
    actor: User
    target: User | None = None
    role: Role | None = None
    other_owners: int = 0

    @property
    def to_oneself(self) -> bool:
        """Whether actor and target are the same."""
        return self.target is not None and self.target.id == self.actor.id


def check(deed: Deed) -> None:
    """
    Return if *deed* is admitted.

    Raises:
        Forbidden: the actor's role may not do this, to this target or with this role.
        LastOwner: no active owner would be left.
    """
    leaving = deed.act is Act.REMOVE and deed.to_oneself
    if deed.actor.role not in MANAGERS and not leaving:
        raise Forbidden("your role may not do this")
    target_role = None if deed.target is None else deed.target.role
    if Role.OWNER in {deed.role, target_role} and deed.actor.role is not Role.OWNER:
        raise Forbidden("only an owner may do this with an owner")
    if deed.other_owners == 0 and _ends_ownership(deed):
        raise LastOwner("this is the last active owner: make somebody else an owner first")
    if deed.to_oneself and not leaving:
        raise Forbidden("nobody changes their own role or disables themselves")


def _ends_ownership(deed: Deed) -> bool:
    target = deed.target
    if target is None or target.role is not Role.OWNER or target.status is not UserStatus.ACTIVE:
        return False
    demoted = deed.act is Act.CHANGE_ROLE and deed.role is not Role.OWNER
    return demoted or deed.act in {Act.DISABLE, Act.REMOVE}
