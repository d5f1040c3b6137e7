"""What managers and the operator change of an organization, and how much it asked."""

import json
from typing import Any

import msgspec
import pytest
from governlayer_server.domain.access import Role
from governlayer_server.domain.errors import Forbidden, InvalidRequest, LedgerUnavailable, NotAuthenticated
from governlayer_server.domain.organization import (
    DataClassDays,
    DefaultDecision,
    Joining,
    Organization,
    SettingsChange,
    StorePayloads,
)
from governlayer_server.domain.plan import Plan
from governlayer_server.ports.ledger import RecordFilter

from tests.fakes.appliance import FakeAppliance
from tests.fakes.people import add_principal, add_user, live_sessions, sign_in

DAY_US = 24 * 3600 * 1_000_000


async def newest(appliance: FakeAppliance, ledger_id: object) -> dict[str, Any]:
    records = await appliance.ledger.records(str(ledger_id), -1, 100, RecordFilter())
    line: dict[str, Any] = json.loads(records[-1].canonical)
    return {"type": line["type"], "actor": line["actor"]["kind"], **line["body"]}


async def size(appliance: FakeAppliance, ledger_id: object) -> int:
    return (await appliance.ledger.head(str(ledger_id))).size


async def test_changed_settings_are_stored_recorded_and_in_force_at_once(
    appliance: FakeAppliance, acme: Organization
) -> None:
    admin = await add_principal(appliance, acme, Role.ADMIN)
    key = await appliance.key_for(acme)
    change = SettingsChange(default_decision=DefaultDecision.REQUIRE_APPROVAL, retention_days=183)
    made = await appliance.change_organization(admin, None, change)
    assert (made.name, made.settings.store_payloads) == (acme.name, StorePayloads.ENCRYPTED)
    assert (made.settings.default_decision, made.settings.retention_days) == (DefaultDecision.REQUIRE_APPROVAL, 183)
    assert await appliance.change_organization.read(admin) == made
    assert (await appliance.authenticate(key)).settings == made.settings
    assert appliance.accounts.forgotten[-1] == acme.id
    changed = {"default_decision": "require_approval", "retention_days": 183}
    assert await newest(appliance, acme.id) == {
        "type": "organization.changed", "actor": "user", "event": "settings_changed", "settings": changed,
    }  # fmt: skip
    await appliance.change_organization(admin, None, SettingsChange(retention_days=None, registration=Joining.CLOSED))
    assert (await newest(appliance, acme.id))["settings"] == {"registration": "closed", "retention_days": None}


async def test_the_operator_changes_settings_under_the_same_floor(appliance: FakeAppliance, acme: Organization) -> None:
    manage = appliance.manage_organizations
    made = await manage.change_settings(acme.id, SettingsChange(retention_days=200))
    assert made.settings.retention_days == 200
    for ledger_id in (acme.id, "system"):
        assert await newest(appliance, ledger_id) == {
            "type": "organization.changed", "actor": "system", "event": "settings_changed",
            "organization_id": str(acme.id), "settings": {"retention_days": 200},
        }  # fmt: skip
    before = await size(appliance, acme.id)
    with pytest.raises(InvalidRequest, match="183"):
        await manage.change_settings(acme.id, SettingsChange(retention_days=182))
    assert await manage.change_settings(acme.id, SettingsChange(retention_days=200)) == made
    assert await size(appliance, acme.id) == before
    given = SettingsChange(retention=DataClassDays(findings=30), retention_reason="contract 7")
    assert (await manage.change_settings(acme.id, given)).settings.retention.findings == 30


async def test_a_new_name_is_recorded_as_changed_and_not_as_what(appliance: FakeAppliance, acme: Organization) -> None:
    admin = await add_principal(appliance, acme, Role.ADMIN)
    made = await appliance.change_organization(admin, "Secret plans", SettingsChange())
    assert made.name == "Secret plans"
    body = await newest(appliance, acme.id)
    assert (body["name_changed"], body["settings"]) == (True, {})
    for record in await appliance.ledger.records(str(acme.id), -1, 100, RecordFilter()):
        assert b"Secret" not in record.canonical


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\nb", "a\0"])
async def test_a_name_outside_the_limits_is_refused(appliance: FakeAppliance, acme: Organization, name: str) -> None:
    admin = await add_principal(appliance, acme, Role.ADMIN)
    with pytest.raises(InvalidRequest) as refused:
        await appliance.change_organization(admin, name, SettingsChange())
    assert [fault.pointer for fault in refused.value.faults] == ["/name"]


@pytest.mark.parametrize("role", Role)
async def test_only_managers_change_settings(appliance: FakeAppliance, acme: Organization, role: Role) -> None:
    principal = await add_principal(appliance, acme, role)
    change = SettingsChange(store_payloads=StorePayloads.NONE)
    if role in {Role.OWNER, Role.ADMIN}:
        assert (await appliance.change_organization(principal, None, change)).settings != acme.settings
    else:
        with pytest.raises(Forbidden):
            await appliance.change_organization(principal, None, change)


async def test_what_is_so_already_is_not_recorded(appliance: FakeAppliance, acme: Organization) -> None:
    admin = await add_principal(appliance, acme, Role.ADMIN)
    before = await size(appliance, acme.id), await size(appliance, "system")
    same = SettingsChange(store_payloads=StorePayloads.ENCRYPTED, retention_days=None)
    await appliance.change_organization(admin, acme.name, same)
    await appliance.manage_organizations.set_plan(acme.id, acme.plan)
    await appliance.manage_organizations.reopen(acme.id)
    assert (await size(appliance, acme.id), await size(appliance, "system")) == before


async def test_payloads_are_kept_for_the_floor_unless_a_reason_is_on_record(
    appliance: FakeAppliance, acme: Organization
) -> None:
    admin = await add_principal(appliance, acme, Role.ADMIN)

    async def faults(change: SettingsChange) -> list[str]:
        size_before = await size(appliance, acme.id)
        with pytest.raises(InvalidRequest, match="floor of 183 days") as refused:
            await appliance.change_organization(admin, None, change)
        assert await size(appliance, acme.id) == size_before
        return [fault.pointer for fault in refused.value.faults]

    assert await faults(SettingsChange(retention_days=182)) == ["/settings/retention_days"]
    short = SettingsChange(retention_days=400, retention=DataClassDays(findings=1, content=182, context=183))
    assert await faults(short) == ["/settings/retention/content", "/settings/retention/findings"]
    reasoned = SettingsChange(retention_days=1, retention_reason="GDPR Art. 5(1)(e)")
    made = await appliance.change_organization(admin, None, reasoned)
    assert made.settings.retention_days == 1
    recorded = (await newest(appliance, acme.id))["settings"]
    assert recorded == {"retention_days": 1, "retention_reason": "GDPR Art. 5(1)(e)"}
    assert await faults(SettingsChange(retention_reason=None)) == ["/settings/retention_days"]
    back = SettingsChange(retention_days=None, retention_reason=None, retention=DataClassDays(findings=200))
    made = await appliance.change_organization(admin, None, back)
    assert (made.settings.retention_days, made.settings.retention.findings) == (None, 200)


@pytest.mark.parametrize("days", [1, 183, 36_500, None])
def test_retention_within_the_limits_is_admitted(days: int | None) -> None:
    assert msgspec.convert({"retention_days": days}, SettingsChange).retention_days == days


@pytest.mark.parametrize(
    "value",
    [
        {"retention_days": 0}, {"retention_days": 36_501}, {"retention_days": 200.5}, {"retention_days": "200"},
        {"on_error": "allow"}, {"default_decision": "allow"}, {"default_decision": None}, {"store_payloads": "plain"},
        {"retention": None}, {"retention": {"findings": 0}}, {"retention": {"secrets": 200}}, {"retention_reason": ""},
        {"retention_reason": "Ann's wish"}, {"retention_reason": "x" * 101}, {"registration": "open"}, {"plan": "enterprise"}, {"closed_us": None},
    ],
    ids=str,
)  # fmt: skip
def test_no_setting_outside_its_limits_and_no_other_member_is_admitted(value: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(value, SettingsChange)


async def test_a_plan_is_set_and_recorded_on_both_ledgers(appliance: FakeAppliance, acme: Organization) -> None:
    key = await appliance.key_for(acme)
    assert (await appliance.manage_organizations.set_plan(acme.id, Plan.ENTERPRISE)).plan is Plan.ENTERPRISE
    assert (await appliance.authenticate(key)).plan is Plan.ENTERPRISE
    body = {"event": "plan_changed", "organization_id": str(acme.id), "plan": "enterprise"}
    for ledger_id in (acme.id, "system"):
        assert await newest(appliance, ledger_id) == {"type": "organization.changed", "actor": "system", **body}


async def test_a_closed_organization_lets_nobody_in_until_it_is_reopened(
    appliance: FakeAppliance, acme: Organization
) -> None:
    other = await appliance.create_organization("Other", Plan.PRO, "other@example.com", None)
    key, theirs = await appliance.key_for(acme), await appliance.key_for(other)
    user = await add_user(appliance, acme, Role.OWNER)
    token = await sign_in(appliance, user)
    await appliance.authenticate(token)
    closed = await appliance.manage_organizations.close(acme.id)
    assert closed.closed_us == appliance.clock.now_us()
    for credential in (key, token):
        with pytest.raises(NotAuthenticated):
            await appliance.authenticate(credential)
    await appliance.authenticate(theirs)
    assert live_sessions(appliance, user.id) == 0
    body = {"event": "closed", "organization_id": str(acme.id)}
    for ledger_id in (acme.id, "system"):
        assert await newest(appliance, ledger_id) == {"type": "organization.changed", "actor": "system", **body}
    assert await appliance.manage_organizations.close(acme.id) == closed
    assert (await appliance.manage_organizations.reopen(acme.id)).closed_us is None
    await appliance.authenticate(key)
    with pytest.raises(NotAuthenticated):
        await appliance.authenticate(token)
    assert (await newest(appliance, "system"))["event"] == "reopened"


async def test_an_operators_act_that_cannot_be_recorded_is_not_done(
    appliance: FakeAppliance, acme: Organization
) -> None:
    appliance.ledger.failure = LedgerUnavailable("away")
    manage = appliance.manage_organizations
    for act in (manage.close(acme.id), manage.set_plan(acme.id, Plan.FREE), manage.invite(Plan.PRO)):
        with pytest.raises(LedgerUnavailable):
            await act
    assert appliance.accounts.rows.organizations == {acme.id: acme}
    assert appliance.accounts.rows.tokens == {}


async def test_usage_is_shown_per_day_principal_and_outcome_with_totals(
    appliance: FakeAppliance, acme: Organization
) -> None:
    other = await appliance.create_organization("Other", Plan.PRO, "other@example.com", None)
    for principal, outcome in (("a", "admitted"), ("a", "admitted"), ("a", "expired"), ("b", "admitted")):
        appliance.usage.note(acme.id, principal, outcome)
    appliance.usage.note(other.id, "c", "admitted")
    appliance.clock.advance(DAY_US)
    appliance.usage.note(acme.id, "a", "admitted")
    today = appliance.clock.now_us() // DAY_US
    first, second = await appliance.read_usage(acme.id, 2)
    assert (first.day, second.day) == (today - 1, today)
    assert first.principals == {"a": {"admitted": 2, "expired": 1}, "b": {"admitted": 1}}
    assert first.totals == {"admitted": 3, "expired": 1}
    assert (second.principals, second.totals) == ({"a": {"admitted": 1}}, {"admitted": 1})
    assert await appliance.read_usage(acme.id, 1) == [second]
