"""Who may do what to whom: every actor, target and act, against a table written by hand."""

from itertools import product
from uuid import UUID

import pytest
from governlayer_server.domain.access import Role
from governlayer_server.domain.account import User, UserStatus
from governlayer_server.domain.errors import Forbidden, GovernLayerError, LastOwner
from governlayer_server.domain.membership import Act, Deed, check

ORGANIZATION = UUID(int=9)
OWNER, ADMIN = Role.OWNER, Role.ADMIN
LOWER = [Role.APPROVER, Role.AUDITOR, Role.DEVELOPER, Role.VIEWER]


def user(number: int, role: Role, status: UserStatus = UserStatus.ACTIVE) -> User:
    return User(
        id=UUID(int=number),
        organization_id=ORGANIZATION,
        role=role,
        email_sealed=b"",
        email_index=b"",
        password_hash=None if status is UserStatus.INVITED else b"hash",
        created_us=0,
        disabled_us=1 if status is UserStatus.DISABLED else None,
    )


def verdict(deed: Deed) -> type[GovernLayerError] | None:
    try:
        check(deed)
    except (Forbidden, LastOwner) as refused:
        return type(refused)
    return None


# Actor → whom they may invite, and whom they may change, disable, enable and remove; by role. All others: nobody.
REACH: dict[Role, set[Role]] = {OWNER: set(Role), ADMIN: {ADMIN, *LOWER}, **{role: set() for role in LOWER}}


@pytest.mark.parametrize(("actor", "role"), list(product(Role, Role)))
def test_nobody_invites_above_what_they_hold(actor: Role, role: Role) -> None:
    found = verdict(Deed(act=Act.INVITE, actor=user(1, actor), role=role))
    assert found is (None if role in REACH[actor] else Forbidden)


@pytest.mark.parametrize("act", [Act.DISABLE, Act.ENABLE, Act.REMOVE])
@pytest.mark.parametrize(("actor", "target", "status"), list(product(Role, Role, UserStatus)))
def test_who_keeps_whom_out_or_lets_them_in(actor: Role, target: Role, status: UserStatus, act: Act) -> None:
    deed = Deed(act=act, actor=user(1, actor), target=user(2, target, status), other_owners=1)
    assert verdict(deed) is (None if target in REACH[actor] else Forbidden)


@pytest.mark.parametrize(("actor", "target", "role"), list(product(Role, Role, Role)))
def test_who_gives_whom_which_role(actor: Role, target: Role, role: Role) -> None:
    deed = Deed(act=Act.CHANGE_ROLE, actor=user(1, actor), target=user(2, target), role=role, other_owners=1)
    assert verdict(deed) is (None if {target, role} <= REACH[actor] else Forbidden)


@pytest.mark.parametrize(
    ("actor", "act", "role"), list(product(Role, [Act.CHANGE_ROLE, Act.DISABLE, Act.ENABLE], Role))
)
def test_nobody_changes_themselves(actor: Role, act: Act, role: Role) -> None:
    oneself = user(1, actor)
    deed = Deed(act=act, actor=oneself, target=oneself, role=role, other_owners=1)
    assert verdict(deed) is Forbidden


@pytest.mark.parametrize("actor", Role)
def test_anybody_leaves_but_the_last_owner(actor: Role) -> None:
    oneself = user(1, actor)
    assert verdict(Deed(act=Act.REMOVE, actor=oneself, target=oneself, other_owners=1)) is None
    alone = verdict(Deed(act=Act.REMOVE, actor=oneself, target=oneself, other_owners=0))
    assert alone is (LastOwner if actor is OWNER else None)


@pytest.mark.parametrize(("status", "role"), list(product(UserStatus, Role)))
def test_the_last_active_owner_stays_what_they_are(status: UserStatus, role: Role) -> None:
    actor, target = user(1, OWNER), user(2, OWNER, status)
    last = LastOwner if status is UserStatus.ACTIVE else None
    demoted = Deed(act=Act.CHANGE_ROLE, actor=actor, target=target, role=role, other_owners=0)
    assert verdict(demoted) is (None if role is OWNER else last)
    for act in (Act.DISABLE, Act.REMOVE):
        assert verdict(Deed(act=act, actor=actor, target=target, other_owners=0)) is last
    assert verdict(Deed(act=Act.ENABLE, actor=actor, target=target, other_owners=0)) is None


@pytest.mark.parametrize("act", [Act.CHANGE_ROLE, Act.DISABLE, Act.REMOVE])
def test_a_sole_owner_is_told_that_they_are_the_last(act: Act) -> None:
    oneself = user(1, OWNER)
    deed = Deed(act=act, actor=oneself, target=oneself, role=ADMIN, other_owners=0)
    assert verdict(deed) is LastOwner
