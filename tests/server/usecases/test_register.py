"""Who may found an organization or join one, with what, and how often."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from governlayer_server.domain.access import Role
from governlayer_server.domain.account import Purpose, UserStatus
from governlayer_server.domain.errors import (
    InvalidRequest,
    LedgerUnavailable,
    NotAuthenticated,
    NotFound,
    RegistrationClosed,
    TooManyAttempts,
)
from governlayer_server.domain.organization import Joining, Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.registration import Registration
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.domain.token_text import ONE_TIME_PREFIX, make_token
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.usecases.create_organization import origin_of
from governlayer_server.usecases.password_hashes import open_hash
from governlayer_server.usecases.register import NewAccount, Registered
from governlayer_server.usecases.seal_rows import is_genuine
from msgspec.structs import replace

from tests.fakes.appliance import DEPLOYMENT, FakeAppliance
from tests.fakes.people import PASSWORD, add_principal

MINUTE_US = 60_000_000
DAY_US = 24 * 60 * MINUTE_US
REFUSED = "the credential is not valid"


def account(email: str = "new@example.org", **members: Any) -> NewAccount:
    return NewAccount(
        **{"address": "192.0.2.1", "email": email, "password": PASSWORD, "organization": "New", **members}
    )


async def bodies(appliance: FakeAppliance, ledger_id: object) -> list[tuple[str, dict[str, Any], str]]:
    records = await appliance.ledger.records(str(ledger_id), -1, 100, RecordFilter())
    lines = [json.loads(one.canonical) for one in records]
    return [(one["type"], one["body"], one["actor"]["id"]) for one in lines]


async def refused(appliance: FakeAppliance, wanted: NewAccount, registration: Registration = Registration.OPEN) -> str:
    """The words of the refusal, which must leave everything as it was."""
    rows, ledgers = appliance.accounts.rows.copy(), appliance.ledger.snapshot()
    with pytest.raises(NotAuthenticated) as error:
        await appliance.register(registration)(wanted)
    assert (vars(appliance.accounts.rows), appliance.ledger.snapshot()) == (vars(rows), ledgers)
    return str(error.value)


async def empty(appliance: FakeAppliance) -> FakeAppliance:
    await appliance.ledger.create(SYSTEM_LEDGER, None, origin_of(DEPLOYMENT, SYSTEM_LEDGER))
    return appliance


async def test_anybody_founds_an_organization_where_registration_is_open(
    appliance: FakeAppliance, acme: Organization
) -> None:
    made = await appliance.register(Registration.OPEN)(account())
    organization, user = made.organization, made.user
    assert (organization.name, organization.plan, user.role) == ("New", Plan.FREE, Role.OWNER)
    assert (user.status, is_genuine(appliance.vault, user)) == (UserStatus.ACTIVE, True)
    assert await appliance.found.passwords.verify(PASSWORD, await open_hash(appliance.vault, user))
    created = {"event": "created", "organization_id": str(organization.id), "plan": "free"}
    owner = {"role": "owner", "user_id": str(user.id)}
    assert await bodies(appliance, organization.id) == [
        ("organization.changed", created, str(user.id)),
        ("user.created", owner, str(user.id)),
    ]
    assert (await bodies(appliance, "system"))[-1] == ("organization.changed", created, str(user.id))
    for shown in (repr(account()), repr(made)):
        assert PASSWORD not in shown
        assert "new@" not in shown


@pytest.mark.parametrize("registration", [Registration.INVITE, Registration.CLOSED])
async def test_nobody_founds_an_organization_without_an_invitation_elsewhere(
    appliance: FakeAppliance, acme: Organization, registration: Registration
) -> None:
    with pytest.raises(RegistrationClosed):
        await appliance.register(registration)(account())
    assert list(appliance.accounts.rows.organizations) == [acme.id]


async def test_a_name_that_another_organization_has_is_not_told(appliance: FakeAppliance, acme: Organization) -> None:
    made = await appliance.register(Registration.OPEN)(account(organization=acme.name))
    assert made.organization.name == acme.name
    assert made.organization.id != acme.id


@pytest.mark.parametrize(
    ("members", "pointers"),
    [
        ({"organization": None}, ["/organization"]),
        ({"organization": " "}, ["/organization"]),
        ({"organization": "x" * 101}, ["/organization"]),
        ({"email": "none"}, ["/email"]),
        ({"email": "ACME@example.com"}, ["/email"]),
        ({"password": "short"}, ["/password"]),
        ({"password": "x" * 129}, ["/password"]),
        ({"password": "passwordpassword"}, ["/password"]),
        ({"organization": "quiet otters vote at nine ltd", "password": "quietottersvoteatnineltd"}, ["/password"]),
        ({"email": "none", "organization": "", "password": ""}, ["/organization", "/email"]),
    ],
)
async def test_values_outside_their_limits_are_refused_and_leave_the_invitation_good(
    appliance: FakeAppliance, acme: Organization, members: dict[str, Any], pointers: list[str]
) -> None:
    token = await appliance.manage_organizations.invite(Plan.PRO)
    with pytest.raises(InvalidRequest) as error:
        await appliance.register()(account(invite=token, **members))
    assert [fault.pointer for fault in error.value.faults] == pointers
    assert list(appliance.accounts.rows.organizations) == [acme.id]
    assert (await appliance.register()(account(invite=token))).organization.plan is Plan.PRO


async def test_a_founding_invitation_works_once_for_seven_days_and_gives_its_plan(
    appliance: FakeAppliance, acme: Organization
) -> None:
    first, second = [await appliance.manage_organizations.invite(Plan.ENTERPRISE) for _ in range(2)]
    appliance.clock.advance(7 * DAY_US - 1)
    made = await appliance.register()(account(invite=first))
    assert made.organization.plan is Plan.ENTERPRISE
    assert await refused(appliance, account("b@example.org", invite=first)) == REFUSED
    appliance.clock.advance(1)
    assert await refused(appliance, account("b@example.org", invite=second)) == REFUSED


async def test_a_founding_invitation_founds_nothing_where_registration_is_closed(
    appliance: FakeAppliance, acme: Organization
) -> None:
    token = await appliance.manage_organizations.invite(Plan.FREE)
    with pytest.raises(RegistrationClosed):
        await appliance.register(Registration.CLOSED)(account(invite=token))
    assert (await appliance.register()(account(invite=token))).organization.name == "New"


async def test_the_set_up_token_founds_the_first_organization_whatever_registration_is(
    appliance: FakeAppliance,
) -> None:
    token = await (await empty(appliance)).set_up()
    made = await appliance.register(Registration.CLOSED)(account(invite=token))
    assert (made.organization.plan, made.user.role) == (Plan.FREE, Role.OWNER)
    assert await refused(appliance, account("b@example.org", invite=token)) == REFUSED
    assert await appliance.set_up() is None
    assert {one.purpose for one in appliance.accounts.rows.tokens.values()} <= {Purpose.FOUND}


async def test_the_set_up_token_is_good_for_thirty_minutes(appliance: FakeAppliance) -> None:
    token = await (await empty(appliance)).set_up()
    appliance.clock.advance(30 * MINUTE_US)
    assert await refused(appliance, account(invite=token)) == REFUSED


async def test_each_start_makes_a_set_up_token_and_those_before_are_dropped(appliance: FakeAppliance) -> None:
    await empty(appliance)
    invited = await appliance.manage_organizations.invite(Plan.PRO)
    tokens = [await appliance.set_up() for _ in range(3)]
    assert len(set(tokens)) == 3
    for old in tokens[:-1]:
        assert await refused(appliance, account(invite=old)) == REFUSED
    await appliance.register()(account(invite=tokens[-1]))
    assert (await appliance.register()(account("b@example.org", invite=invited))).organization.plan is Plan.PRO


async def test_the_set_up_token_is_good_for_nothing_once_there_is_an_organization(appliance: FakeAppliance) -> None:
    await empty(appliance)
    token = await appliance.set_up()
    tokens = dict(appliance.accounts.rows.tokens)
    await appliance.create_organization("Acme", Plan.PRO, "acme@example.com", None)
    assert appliance.accounts.rows.tokens == {}
    assert await refused(appliance, account(invite=token)) == REFUSED
    # Made by a start that did not see the organization yet.
    appliance.accounts.rows.tokens = tokens
    assert await refused(appliance, account(invite=token)) == REFUSED


async def invited(appliance: FakeAppliance, acme: Organization, email: str = "ann@example.org") -> tuple[str, UUID]:
    owner = await add_principal(appliance, acme, Role.OWNER)
    made = await appliance.manage_users.invite(owner, email, Role.AUDITOR)
    return made.token, UUID(made.member.id)


async def join(appliance: FakeAppliance, token: str, email: str = "ann@example.org", **members: Any) -> Registered:
    wanted = account(email, **{"organization": None, "invite": token, **members})
    return await appliance.register(Registration.CLOSED)(wanted)


async def test_an_invited_member_joins_with_the_role_they_were_given(
    appliance: FakeAppliance, acme: Organization
) -> None:
    token, user_id = await invited(appliance, acme)
    made = await join(appliance, token, "ANN@example.org")
    assert (made.organization, made.user.id, made.user.role) == (acme, user_id, Role.AUDITOR)
    stored = appliance.accounts.rows.users[user_id]
    assert (stored.status, is_genuine(appliance.vault, stored)) == (UserStatus.ACTIVE, True)
    assert await appliance.found.passwords.verify(PASSWORD, await open_hash(appliance.vault, stored))
    joined = {"event": "joined", "user_id": str(user_id)}
    assert (await bodies(appliance, acme.id))[-1] == ("user.changed", joined, str(user_id))
    assert await refused(appliance, account("ann@example.org", organization=None, invite=token)) == REFUSED


@pytest.mark.parametrize("members", [{"password": "short"}, {"password": "passwordpassword"}, {"organization": "New"}])
async def test_a_member_who_errs_may_try_again(
    appliance: FakeAppliance, acme: Organization, members: dict[str, Any]
) -> None:
    token, _ = await invited(appliance, acme)
    with pytest.raises(InvalidRequest) as error:
        await join(appliance, token, **members)
    assert [fault.pointer for fault in error.value.faults] == [f"/{name}" for name in members]
    await join(appliance, token)


async def test_whatever_is_wrong_with_an_invitation_is_told_with_the_same_words(
    appliance: FakeAppliance, acme: Organization
) -> None:
    token, user_id = await invited(appliance, acme)
    other = await appliance.create_organization("Other", Plan.PRO, "other@example.com", None)
    unknown = [make_token(ONE_TIME_PREFIX, place, bytes(32)) for place in (None, acme.id, other.id, uuid4())]
    reset = appliance.one_time.make(acme.id, Purpose.RESET, user_id, DAY_US)
    misplaced = appliance.one_time.make(None, Purpose.JOIN, None, DAY_US)
    founding = appliance.one_time.make(acme.id, Purpose.FOUND, None, DAY_US)
    for made in (reset, misplaced, founding):
        appliance.accounts.rows.tokens[made.stored.fingerprint] = made.stored
    wrong = ["", "x", token[:-1], token + "x", token.swapcase(), "gl_" + token[4:], *unknown]
    wrong += [reset.text, misplaced.text, founding.text]
    words = {await refused(appliance, account("ann@example.org", organization=None, invite=one)) for one in wrong}
    words.add(await refused(appliance, account("mallory@example.org", organization=None, invite=token)))
    appliance.clock.advance(7 * DAY_US)
    words.add(await refused(appliance, account("ann@example.org", organization=None, invite=token)))
    assert words == {REFUSED}


async def test_an_invitation_is_gone_with_what_it_rests_on(appliance: FakeAppliance, acme: Organization) -> None:
    token, user_id = await invited(appliance, acme)
    wanted = account("ann@example.org", organization=None, invite=token)
    rows = appliance.accounts.rows.copy()

    async def refused_with(**tables: Any) -> str:
        appliance.accounts.rows = replace_rows(rows, **tables)
        return await refused(appliance, wanted)

    user = rows.users[user_id]
    closed = replace(acme, closed_us=1)
    assert await refused_with(organizations={acme.id: closed}) == REFUSED
    for changed in ({"disabled_us": 1}, {"password_hash": b"hash"}, {"role": Role.OWNER}):
        assert await refused_with(users={**rows.users, user_id: replace(user, **changed)}) == REFUSED
    assert await refused_with(users={}) == REFUSED
    appliance.accounts.rows = rows
    await join(appliance, token)


def replace_rows(rows: Any, **tables: Any) -> Any:
    return type(rows)(**{**vars(rows.copy()), **tables})


async def test_a_closed_organization_of_members_takes_nobody(appliance: FakeAppliance, acme: Organization) -> None:
    token, _ = await invited(appliance, acme)
    settings = replace(acme.settings, registration=Joining.CLOSED)
    appliance.accounts.rows.organizations[acme.id] = replace(acme, settings=settings)
    with pytest.raises(RegistrationClosed):
        await join(appliance, token)
    appliance.accounts.rows.organizations[acme.id] = acme
    await join(appliance, token)


@pytest.mark.parametrize("joining", [True, False])
async def test_what_cannot_be_recorded_is_not_done_and_the_invitation_stays(
    appliance: FakeAppliance, acme: Organization, joining: bool
) -> None:
    token = (await invited(appliance, acme))[0] if joining else await appliance.manage_organizations.invite(Plan.PRO)
    wanted = account("ann@example.org", organization=None if joining else "New", invite=token)
    rows = appliance.accounts.rows.copy()
    appliance.ledger.failure = LedgerUnavailable("away")
    with pytest.raises(LedgerUnavailable):
        await appliance.register()(wanted)
    appliance.ledger.failure = None
    assert vars(appliance.accounts.rows) == vars(rows)
    await appliance.register()(wanted)


async def test_without_a_good_invitation_no_password_is_hashed(
    appliance: FakeAppliance, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> str:
        pytest.fail("a core was kept busy for nothing")

    monkeypatch.setattr(type(appliance.found.passwords), "hash", fail)
    for place in (None, acme.id):
        token = make_token(ONE_TIME_PREFIX, place, bytes(32))
        assert await refused(appliance, account(invite=token)) == REFUSED


async def test_nobody_reads_an_organization_that_is_not_there(appliance: FakeAppliance) -> None:
    with pytest.raises(NotFound):
        await appliance.manage_organizations.close(uuid4())


async def test_one_address_registers_so_often_and_no_password_is_hashed_after_that(
    appliance: FakeAppliance, acme: Organization
) -> None:
    register = appliance.register(Registration.OPEN)
    for _ in range(20):
        with pytest.raises(InvalidRequest):
            await register(account(email="ACME@example.com"))
    hashed = appliance.passwords.hashed
    with pytest.raises(TooManyAttempts):
        await register(account())
    assert appliance.passwords.hashed == hashed
    await register(account(address="192.0.2.2"))
    appliance.clock.advance(MINUTE_US)
    await register(account(email="another@example.org"))


async def test_an_invitation_is_dead_for_a_while_after_ten_failures_from_anywhere(
    appliance: FakeAppliance, acme: Organization
) -> None:
    token, other = [await appliance.manage_organizations.invite(Plan.PRO) for _ in range(2)]
    register = appliance.register()
    for number in range(10):
        with pytest.raises(InvalidRequest):
            await register(account(address=f"192.0.2.{number}", email="ACME@example.com", invite=token))
    hashed = appliance.passwords.hashed
    with pytest.raises(TooManyAttempts):
        await register(account(address="192.0.2.99", invite=token))
    assert appliance.passwords.hashed == hashed
    await register(account(email="other@example.org", invite=other))
    appliance.clock.advance(15 * MINUTE_US)
    await register(account(invite=token))
