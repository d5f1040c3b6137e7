"""Acts about members at the same time, on a real PostgreSQL: one after the other, and an owner always stays."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from governlayer_server.adapters.crypto.common_passwords import ZxcvbnPasswords
from governlayer_server.adapters.postgres.account_store import PostgresAccountStore
from governlayer_server.adapters.postgres.data_keys import PostgresDataKeys
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.domain.access import Principal, Role
from governlayer_server.domain.account import Purpose, User, UserStatus
from governlayer_server.domain.errors import GovernLayerError
from governlayer_server.domain.organization import Organization, SettingsChange, StorePayloads
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.registration import Registration
from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.usecases.answer_once import AnswerOnce
from governlayer_server.usecases.change_organization import ChangeOrganization
from governlayer_server.usecases.identity import Credentials, Letters, make_identity
from governlayer_server.usecases.manage_organizations import ManageOrganizations
from governlayer_server.usecases.manage_users import ManageUsers
from governlayer_server.usecases.register import NewAccount
from governlayer_server.usecases.set_up import SetUp

from tests.fakes.appliance import PUBLIC_URL, FakeAppliance
from tests.fakes.clock import FakeEntropy
from tests.fakes.people import PASSWORD, add_user, principal_for

ROUNDS = 8


class Real(FakeAppliance):
    """The use cases over PostgreSQL."""

    def __init__(self, database: Database) -> None:
        keys: Any = PostgresDataKeys(database)
        super().__init__(entropy=FakeEntropy(uuid4().bytes), data_keys=keys)  # the database outlives the test
        self.ledger: Any = PostgresLedgerStore(database, self.clock)
        self.accounts: Any = PostgresAccountStore(database, self.clock, _forget, self.vault.ready)
        common: dict[str, Any] = {"vault": self.vault, "clock": self.clock, "entropy": self.entropy}
        once = AnswerOnce(ledger=self.ledger, running=self.running, vault=self.vault, clock=self.clock)
        self.manage_users = ManageUsers(accounts=self.accounts, once=once, one_time=self.one_time, **common)
        self.change_organization = ChangeOrganization(accounts=self.accounts, **common)
        self.set_up = SetUp(accounts=self.accounts, one_time=self.one_time)
        self.manage_organizations = ManageOrganizations(
            accounts=self.accounts, one_time=self.one_time, clock=self.clock, entropy=self.entropy
        )
        self.registering = self.register(Registration.OPEN)

        self.identity = make_identity(
            self.accounts, self.vault, self.clock, self.entropy, self.attempts,
            Credentials(
                passwords=self.passwords, common=ZxcvbnPasswords(), codes=self.codes, tokens=self.tokens,
                lifetime_s=900, limits=SessionLimits(),
            ),
            Letters(mailer=self.mailer, public_url=PUBLIC_URL, later=self.later),
        )  # fmt: skip

    async def found_organization(self) -> Organization:
        made = await self.registering(account(self))
        return made.organization


async def _forget(_: UUID) -> None:
    pass


def account(real: Real, **members: Any) -> NewAccount:
    email = f"{real.entropy.bytes(8).hex()}@example.org"
    return NewAccount(**{"address": email, "email": email, "password": PASSWORD, "organization": "Races", **members})


@pytest.fixture
async def real(database: Database) -> Real:
    made = Real(database)
    await made.ledger.create(SYSTEM_LEDGER, None, "test/ledgers/system")
    return made


async def at_once(*acts: Awaitable[object]) -> list[str]:
    """What became of each: ``done``, or the code of its refusal."""
    results = await asyncio.gather(*acts, return_exceptions=True)
    for one in results:
        if isinstance(one, BaseException) and not isinstance(one, GovernLayerError):
            raise one
    return [one.code if isinstance(one, GovernLayerError) else "done" for one in results]


async def two_owners(real: Real) -> tuple[Organization, list[User]]:
    """An organization with exactly two active owners."""
    organization = await real.found_organization()
    async with real.accounts.tenant(organization.id) as tenant:
        (first,) = await tenant.users.all()
    return organization, [first, await add_user(real, organization, Role.OWNER)]


async def active_owners(real: Real, organization: Organization) -> int:
    async with real.accounts.tenant(organization.id) as tenant:
        users: Sequence[User] = await tenant.users.all()
    return sum(one.role is Role.OWNER and one.status is UserStatus.ACTIVE for one in users)


Act = Callable[[ManageUsers, Principal, User, User], Awaitable[object]]
ACTS: dict[str, Act] = {
    "both leave": lambda users, me, mine, _: users.remove(me, mine.id),
    "each demotes the other": lambda users, me, _, other: users.change(me, other.id, Role.VIEWER),
    "each disables the other": lambda users, me, _, other: users.change(me, other.id, disabled=True),
    "each removes the other": lambda users, me, _, other: users.remove(me, other.id),
}


@pytest.mark.parametrize("what", ACTS)
async def test_of_two_owners_one_stays_whatever_they_do_at_once(real: Real, what: str) -> None:
    for _ in range(ROUNDS):
        organization, (one, two) = await two_owners(real)
        first, second = principal_for(one, organization), principal_for(two, organization)
        act = ACTS[what]
        became = await at_once(act(real.manage_users, first, one, two), act(real.manage_users, second, two, one))
        assert sorted(became) in (["done", "forbidden"], ["done", "last_owner"])
        assert await active_owners(real, organization) == 1


async def test_one_leaves_while_the_other_is_demoted(real: Real) -> None:
    for _ in range(ROUNDS):
        organization, (one, two) = await two_owners(real)
        leaving, demoting = principal_for(two, organization), principal_for(one, organization)
        await at_once(real.manage_users.remove(demoting, one.id), real.manage_users.change(leaving, one.id, Role.ADMIN))
        assert await active_owners(real, organization) >= 1


async def test_a_change_of_role_and_one_of_the_row_do_not_overwrite_each_other(real: Real) -> None:
    organization, (one, _) = await two_owners(real)
    viewer = await add_user(real, organization, Role.VIEWER)
    owner = principal_for(one, organization)
    for role in (Role.AUDITOR, Role.VIEWER) * ROUNDS:
        became = await at_once(
            real.manage_users.change(owner, viewer.id, role), real.manage_users.change(owner, viewer.id, disabled=True)
        )
        assert became == ["done", "done"]
        async with real.accounts.tenant(organization.id) as tenant:
            stored = await tenant.users.one(viewer.id)
        assert (stored.role, stored.status) == (role, UserStatus.DISABLED)
        await real.manage_users.change(owner, viewer.id, disabled=False)


async def test_who_signs_in_while_managers_change_them_is_not_turned_away(real: Real) -> None:
    """Neither waits for a row that the other holds while holding one that the other waits for."""
    founder = account(real)
    made = await real.registering(founder)
    manager = principal_for(await add_user(real, made.organization, Role.OWNER), made.organization)
    for number, role in enumerate((Role.ADMIN, Role.OWNER) * ROUNDS):
        became = await at_once(
            *(real.identity.sign_in(founder.email, PASSWORD, None, f"192.0.2.{number}") for _ in range(2)),
            real.manage_users.change(manager, made.user.id, role),
            real.change_organization(manager, None, SettingsChange(retention_days=365 + number)),
            real.manage_users.change(manager, made.user.id, role),
        )
        assert became == ["done"] * 5


async def test_settings_that_two_managers_change_at_once_are_both_kept(real: Real) -> None:
    organization, (one, two) = await two_owners(real)
    first, second = principal_for(one, organization), principal_for(two, organization)
    changes = SettingsChange(retention_days=365), SettingsChange(store_payloads=StorePayloads.NONE)
    became = await at_once(
        real.change_organization(first, None, changes[0]), real.change_organization(second, None, changes[1])
    )
    assert became == ["done", "done"]
    settings = (await real.change_organization.read(first)).settings
    assert (settings.retention_days, settings.store_payloads) == (365, StorePayloads.NONE)


async def test_an_invitation_that_many_take_up_at_once_works_once(real: Real) -> None:
    organization, (one, _) = await two_owners(real)
    made = await real.manage_users.invite(principal_for(one, organization), "ann@races.example", Role.VIEWER)
    joining = NewAccount(address="", email="ann@races.example", password=PASSWORD, invite=made.token)
    became = await at_once(*(real.registering(joining) for _ in range(6)))
    assert sorted(became) == ["done"] + ["not_authenticated"] * 5
    founding = await real.manage_organizations.invite(Plan.PRO)
    became = await at_once(*(real.registering(account(real, invite=founding)) for _ in range(6)))
    assert sorted(became) == ["done"] + ["not_authenticated"] * 5


async def test_a_taken_address_leaves_no_trace_and_the_invitation_good(real: Real) -> None:
    taken = account(real)
    await real.registering(taken)
    founding = await real.manage_organizations.invite(Plan.STARTER)
    before = await real.ledger.head(SYSTEM_LEDGER), len(await real.accounts.organizations())
    became = await at_once(real.registering(account(real, email=taken.email.upper(), invite=founding)))
    assert became == ["invalid_request"]
    assert (await real.ledger.head(SYSTEM_LEDGER), len(await real.accounts.organizations())) == before
    made = await real.registering(account(real, invite=founding))
    assert made.organization.plan is Plan.STARTER
    records = await real.ledger.records(str(made.organization.id), -1, 10, RecordFilter())
    assert [one.type for one in records] == ["organization.changed", "user.created"]


async def test_founding_an_organization_drops_the_set_up_tokens(real: Real) -> None:
    stored = real.one_time.make(None, Purpose.SETUP, None, 60_000_000)
    async with real.accounts.tenant(None) as deployment:
        await deployment.tokens.add(stored.stored)
    assert await at_once(real.registering(account(real, invite=stored.text))) == ["not_authenticated"], "there are some"
    async with real.accounts.tenant(None) as deployment:
        assert await deployment.tokens.find(stored.stored.fingerprint, real.clock.now_us()) == stored.stored
    await real.found_organization()
    async with real.accounts.tenant(None) as deployment:
        assert await deployment.tokens.find(stored.stored.fingerprint, real.clock.now_us()) is None
