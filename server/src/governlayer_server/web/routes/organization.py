"""/v1/organization: the caller's organization, its settings, and how much was asked."""

from collections.abc import Mapping
from typing import Annotated

from litestar import get, patch
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, Struct, UnsetType

from governlayer_server.domain.access import MEMBERS, Role, only
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.organization import (
    DataClassDays,
    DefaultDecision,
    Joining,
    OnError,
    Organization,
    SettingsChange,
    StorePayloads,
)
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.times import DAY_US, time_text
from governlayer_server.usecases.change_organization import ChangeOrganization
from governlayer_server.usecases.read_usage import Day, ReadUsage
from governlayer_server.web.authenticate import UserRequest
from governlayer_server.web.bodies import JsonBody, refuse_empty
from governlayer_server.web.body_texts import OrganizationName

_MAX_DAYS = 90


class SettingsBody(Struct, frozen=True, kw_only=True):
    """What the organization has chosen; ``retention_days`` null: payloads are kept until erased."""

    on_error: OnError
    default_decision: DefaultDecision
    retention_days: int | None
    retention: DataClassDays
    retention_reason: str | None
    store_payloads: StorePayloads
    registration: Joining


class OrganizationBody(Struct, frozen=True, kw_only=True):
    """The organization."""

    id: str
    name: str
    plan: Plan
    created_at: str
    settings: SettingsBody


class OrganizationChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    name: OrganizationName | UnsetType = UNSET
    settings: SettingsChange | UnsetType = UNSET


class PrincipalUsage(Struct, frozen=True):
    """How often an API key or user asked, by outcome."""

    id: str
    outcomes: Mapping[str, int]


class DayUsage(Struct, frozen=True, kw_only=True):
    """The requests of one day, UTC."""

    date: str
    principals: list[PrincipalUsage]
    totals: Mapping[str, int]


class UsageList(Struct, frozen=True):
    """The days on which there was anything, oldest first."""

    data: list[DayUsage]


@get("/v1/organization", opt={"access": MEMBERS}, operation_id="organization", summary="The organization")
async def organization_route(
    request: UserRequest, change_organization: NamedDependency[ChangeOrganization]
) -> OrganizationBody:
    """Return name, plan and settings."""
    return _body(await change_organization.read(request.auth))


@patch(
    "/v1/organization",
    dto=JsonBody[OrganizationChange],
    return_dto=None,
    before_request=refuse_empty,
    opt={"access": only(Role.ADMIN, step_up=True)},
    operation_id="change_organization",
    summary="Change name or settings of the organization",
)
async def change_organization_route(
    request: UserRequest,
    data: JSONBody[OrganizationChange],
    change_organization: NamedDependency[ChangeOrganization],
) -> OrganizationBody:
    """Return the changed organization."""
    if data.name is UNSET and data.settings is UNSET:
        raise InvalidRequest("the body changes nothing", [Fault("", "at least one of name, settings")])
    name = None if data.name is UNSET else data.name
    change = SettingsChange() if data.settings is UNSET else data.settings
    return _body(await change_organization(request.auth, name, change))


@get(
    "/v1/organization/usage",
    opt={"access": only(Role.ADMIN, Role.AUDITOR, Role.DEVELOPER)},
    operation_id="organization_usage",
    summary="How much was asked, per day, principal and outcome",
)
async def usage_route(
    request: UserRequest,
    read_usage: NamedDependency[ReadUsage],
    days: Annotated[int, QueryParameter(ge=1, le=_MAX_DAYS)] = 30,
) -> UsageList:
    """Return the counts of the last *days* days, today included."""
    return UsageList([_day(day) for day in await read_usage(request.auth.organization_id, days)])


def _body(organization: Organization) -> OrganizationBody:
    settings = organization.settings
    return OrganizationBody(
        id=str(organization.id),
        name=organization.name,
        plan=organization.plan,
        created_at=time_text(organization.created_us),
        settings=SettingsBody(
            on_error=settings.on_error,
            default_decision=settings.default_decision,
            retention_days=settings.retention_days,
            retention=settings.retention,
            retention_reason=settings.retention_reason,
            store_payloads=settings.store_payloads,
            registration=settings.registration,
        ),
    )


def _day(day: Day) -> DayUsage:
    principals = [PrincipalUsage(name, outcomes) for name, outcomes in sorted(day.principals.items())]
    return DayUsage(date=time_text(day.day * DAY_US)[:10], principals=principals, totals=day.totals)
