"""Principals, scopes and plans."""

from itertools import chain, combinations
from uuid import UUID

import pytest
from governlayer_server.domain.access import (
    ANY_PRINCIPAL,
    MEMBERS,
    STEP_UP_US,
    Principal,
    Role,
    Rule,
    Scope,
    dual,
    only,
)
from governlayer_server.domain.errors import Forbidden, MissingScope, StepUpRequired
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.domain.plan import Plan

NOW_US = 1_795_456_800_000_000
SETS = [frozenset(some) for some in chain.from_iterable(combinations(Scope, count) for count in range(len(Scope) + 1))]


def principal(scopes: frozenset[Scope]) -> Principal:
    return Principal(kind=ActorKind.API_KEY, id="k1", organization_id=UUID(int=1), plan=Plan.FREE, scopes=scopes)


def user(role: Role, authenticated_us: int = NOW_US) -> Principal:
    return Principal(kind=ActorKind.USER, id=str(UUID(int=2)), organization_id=UUID(int=1), plan=Plan.FREE, role=role,
                     authenticated_us=authenticated_us)  # fmt: skip


@pytest.mark.parametrize("scope", Scope)
def test_a_scope_is_admitted_exactly_where_it_is_held(scope: Scope) -> None:
    for held in SETS:
        if scope in held:
            principal(held).require(dual(scope), NOW_US)
        else:
            with pytest.raises(MissingScope, match=f"`{scope}`"):
                principal(held).require(dual(scope), NOW_US)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("rule", [only(Role.ADMIN), only(Role.AUDITOR), only(), dual(Scope.AUDIT), dual(Scope.GOVERN)])
def test_a_user_is_admitted_exactly_where_the_role_is_named(role: Role, rule: Rule) -> None:
    if role in rule.roles:
        user(role).require(rule, NOW_US)
    else:
        with pytest.raises(Forbidden, match="role"):
            user(role).require(rule, NOW_US)


def test_an_owner_may_do_whatever_a_role_may() -> None:
    for rule in (*map(only, Role), *map(dual, Scope)):
        assert Role.OWNER in rule.roles


@pytest.mark.parametrize("rule", [only(*Role), MEMBERS, only(Role.ADMIN, step_up=True)])
def test_no_key_manages_whatever_its_scopes(rule: Rule) -> None:
    with pytest.raises(Forbidden, match="API keys cannot"):
        principal(frozenset(Scope)).require(rule, NOW_US)


@pytest.mark.parametrize("one", [principal(frozenset()), *map(user, Role)])
def test_what_is_for_any_principal_is_for_all(one: Principal) -> None:
    one.require(ANY_PRINCIPAL, NOW_US)


def test_a_dangerous_act_wants_a_sign_in_of_the_last_ten_minutes() -> None:
    rule = only(Role.ADMIN, step_up=True)
    for age_us in (0, 1, STEP_UP_US):
        user(Role.ADMIN, NOW_US - age_us).require(rule, NOW_US)
    for age_us in (STEP_UP_US + 1, NOW_US, -1):
        with pytest.raises(StepUpRequired):
            user(Role.ADMIN, NOW_US - age_us).require(rule, NOW_US)


def test_only_a_user_has_a_user_id() -> None:
    assert user(Role.VIEWER).user_id == UUID(int=2)
    with pytest.raises(Forbidden):
        _ = principal(frozenset()).user_id


def test_a_missing_scope_is_a_kind_of_forbidden() -> None:
    assert issubclass(MissingScope, Forbidden)


def test_a_principal_stands_in_a_record_by_id_and_kind_alone() -> None:
    actor = principal(frozenset()).actor
    assert (actor.id, actor.kind, actor.__struct_fields__) == ("k1", ActorKind.API_KEY, ("id", "kind"))


def test_plans_have_the_limits_of_the_contract() -> None:
    assert {plan.value: plan.requests_per_minute for plan in Plan} == {
        "free": 20,
        "starter": 100,
        "pro": 500,
        "enterprise": 2000,
    }
