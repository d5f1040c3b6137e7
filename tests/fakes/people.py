"""People who have joined and signed in, over the stores in memory."""

from uuid import UUID

from governlayer_server.domain.access import Principal, Role
from governlayer_server.domain.account import Session, User
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.domain.organization import Organization
from governlayer_server.usecases.email_addresses import email_index, seal_email
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.seal_rows import sealed

from tests.fakes.appliance import FakeAppliance

PASSWORD = "quiet otters vote at nine"


def principal_for(user: User, organization: Organization, authenticated_us: int = 0) -> Principal:
    return Principal(
        kind=ActorKind.USER,
        id=str(user.id),
        organization_id=organization.id,
        plan=organization.plan,
        role=user.role,
        authenticated_us=authenticated_us,
    )


async def add_user(
    appliance: FakeAppliance, organization: Organization, role: Role, *, joined: bool = True, disabled: bool = False
) -> User:
    """Store a user of *role*, with an address of their own."""
    user_id = new_id(appliance.clock, appliance.entropy)
    email = f"{user_id}@example.org"
    user = User(
        id=user_id,
        organization_id=organization.id,
        role=role,
        email_sealed=await seal_email(appliance.vault, organization.id, user_id, email),
        email_index=email_index(appliance.vault, email),
        password_hash=b"hash" if joined else None,
        created_us=appliance.clock.now_us(),
        disabled_us=1 if disabled else None,
    )
    user = sealed(appliance.vault, user)
    async with appliance.accounts.tenant(organization.id) as tenant:
        await tenant.users.add(user)
    return user


async def add_principal(appliance: FakeAppliance, organization: Organization, role: Role) -> Principal:
    return principal_for(await add_user(appliance, organization, role), organization)


async def sign_in(appliance: FakeAppliance, user: User, authenticated_us: int | None = None) -> str:
    """Return an access token of a new session."""
    now_us = appliance.clock.now_us()
    session = Session(
        id=new_id(appliance.clock, appliance.entropy),
        organization_id=user.organization_id,
        user_id=user.id,
        created_us=now_us,
        seen_us=now_us,
        authenticated_us=now_us if authenticated_us is None else authenticated_us,
    )
    async with appliance.accounts.tenant(user.organization_id) as tenant:
        await tenant.sessions.add(sealed(appliance.vault, session))
    return appliance.tokens.issue(
        subject=user.id,
        organization_id=user.organization_id,
        role=user.role,
        session_id=session.id,
        now_us=now_us,
    )


def live_sessions(appliance: FakeAppliance, user_id: UUID) -> int:
    return sum(one.user_id == user_id and one.ended_us is None for one in appliance.accounts.rows.sessions.values())
