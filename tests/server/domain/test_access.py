"""Principals, scopes and plans."""

from itertools import chain, combinations
from uuid import UUID

import pytest
from governlayer_server.domain.access import Principal, Scope
from governlayer_server.domain.errors import Forbidden, MissingScope
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.domain.plan import Plan

SETS = [frozenset(some) for some in chain.from_iterable(combinations(Scope, count) for count in range(len(Scope) + 1))]


def principal(scopes: frozenset[Scope]) -> Principal:
    return Principal(kind=ActorKind.API_KEY, id="k1", organization_id=UUID(int=1), plan=Plan.FREE, scopes=scopes)


@pytest.mark.parametrize("scope", Scope)
def test_a_scope_is_admitted_exactly_where_it_is_held(scope: Scope) -> None:
    for held in SETS:
        if scope in held:
            principal(held).require(scope)
        else:
            with pytest.raises(MissingScope, match=f"`{scope}`"):
                principal(held).require(scope)


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
