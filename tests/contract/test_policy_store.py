"""``ports.PolicyStore``: what every implementation promises."""

import asyncio
from uuid import uuid4

import pytest
from governlayer_server.adapters.postgres.deployment_store import PostgresPolicyStore
from governlayer_server.ports import PolicyStore

from tests.fakes.account_store import MemoryPolicyStore


@pytest.fixture(params=["fake", "real"])
def store(request: pytest.FixtureRequest) -> PolicyStore:
    if request.param == "fake":
        return MemoryPolicyStore()
    return PostgresPolicyStore(request.getfixturevalue("database"))


async def test_a_text_keeps_its_version_and_a_new_one_gets_a_higher(store: PolicyStore) -> None:
    one, other = uuid4().hex, uuid4().hex
    version, fresh = await store.version_of(one, "a", 1)
    assert fresh
    assert await store.version_of(one, "a", 2) == (version, False)
    later, fresh = await store.version_of(other, "b", 3)
    assert fresh
    assert later > version
    assert await store.version_of(one, "a", 4) == (version, False)


async def test_of_many_that_bring_a_text_at_once_one_brings_it_first(store: PolicyStore) -> None:
    text = uuid4().hex
    answers = await asyncio.gather(*(store.version_of(text, "a", 1) for _ in range(8)))
    assert len({version for version, _ in answers}) == 1
    assert sum(fresh for _, fresh in answers) == 1
