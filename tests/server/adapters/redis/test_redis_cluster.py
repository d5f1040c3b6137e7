"""A Redis Cluster of three nodes: every organization is one hash tag, so one script call is one node."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.adapters.redis.connect import connect_redis
from governlayer_server.adapters.redis.outage import Outage
from governlayer_server.adapters.redis.quota import RedisQuotaStore
from governlayer_server.adapters.redis.running_requests import RedisRunningRequests, redis_answers
from governlayer_server.adapters.system import SystemClock
from governlayer_server.domain.errors import IdempotencyInProgress
from governlayer_server.domain.quota import Bucket, Mode
from redis.asyncio import Redis

from tests.fakes.clock import FakeEntropy
from tests.fakes.forgetting import is_heard
from tests.fakes.redis_processes import PATIENT_MS, RedisProcess, free_ports

SLOTS = 16_384
# Enough for a busy machine, and not long to wait for nodes that stand still.
_STILL_MS = 2_000
NODE = ["cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 2000"]


def _is_whole(info: dict[str, str]) -> bool:
    return (info["cluster_state"], info["cluster_known_nodes"]) == ("ok", "3")


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[list[RedisProcess]]:
    made = [RedisProcess(tmp_path / str(port), NODE, port=port) for port in free_ports(3)]
    try:
        for number, node in enumerate(made):
            await node.start()
            async with Redis(port=node.port) as admin:
                first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3
                await admin.execute_command("CLUSTER", "ADDSLOTS", *range(first, last))
                await admin.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                await admin.execute_command("CLUSTER", "MEET", "127.0.0.1", made[0].port)
        deadline = time.monotonic() + 30
        for node in made:
            async with Redis(port=node.port) as admin:
                while not _is_whole(await admin.execute_command("CLUSTER INFO")):
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.05)
        yield made
    finally:
        for node in made:
            node.kill()


def address(nodes: list[RedisProcess], timeout_ms: int = PATIENT_MS) -> RedisAddress:
    return RedisAddress(cluster=tuple(("127.0.0.1", node.port) for node in nodes[:2]), tls=False, timeout_ms=timeout_ms)


async def test_organizations_on_all_nodes_get_exactly_their_limits(nodes: list[RedisProcess]) -> None:
    clients = [connect_redis(address(nodes)) for _ in range(2)]
    stores = [RedisQuotaStore(one, SystemClock(), replicas=2, timeout_us=PATIENT_MS * 1_000) for one in clients]
    now_us = time.time_ns() // 1000
    organizations = [str(uuid4()) for _ in range(20)]

    async def spend(owner: str, number: int) -> bool:
        buckets = [Bucket("key", 6, str(number % 4)), Bucket("org", 20)]
        verdict = await stores[number % 2].spend(owner, buckets, now_us)
        assert verdict.mode is Mode.SHARED
        return verdict.admitted

    for owner in organizations:
        assert sum(await asyncio.gather(*(spend(owner, number) for number in range(40)))) == 20
    found = set()
    for node in nodes:
        async with Redis(port=node.port) as admin:
            keys = [key.decode() for key in await admin.keys("*:quota:org")]
        found.update(keys)
        assert keys, "an empty node"
    assert found == {f"{{{owner}}}:quota:org" for owner in organizations}
    for client in clients:
        await client.aclose()


async def test_without_a_node_its_organizations_are_counted_alone(nodes: list[RedisProcess]) -> None:
    client = connect_redis(address(nodes, _STILL_MS))
    store = RedisQuotaStore(client, SystemClock(), timeout_us=_STILL_MS * 1_000)
    assert (await store.spend("first", [Bucket("org", 20)])).mode is Mode.SHARED
    for node in nodes:
        node.stop()
    try:
        verdicts = [await store.spend("first", [Bucket("org", 20)]) for _ in range(25)]
    finally:
        for node in nodes:
            node.go_on()
    assert sum(one.admitted for one in verdicts) == 19
    assert {one.mode for one in verdicts} == {store.mode} == {Mode.LOCAL}
    deadline = time.monotonic() + 30
    while (await store.spend("first", [Bucket("org", 20)])).mode is Mode.LOCAL:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert not (await store.spend("first", [Bucket("org", 20)])).admitted
    await client.aclose()


async def test_idempotency_markers_and_readiness_work_in_a_cluster(nodes: list[RedisProcess]) -> None:
    client = connect_redis(address(nodes))
    assert await redis_answers(client)
    running = RedisRunningRequests(client, FakeEntropy(), Outage(client, SystemClock()))
    for _ in range(6):
        organization = uuid4()
        async with running.claim(organization, b"k"):
            with pytest.raises(IdempotencyInProgress):
                async with running.claim(organization, b"k"):
                    pytest.fail("the key was held twice")
    await client.aclose()


async def test_what_one_replica_tells_every_other_hears_whichever_node_it_listens_to(nodes: list[RedisProcess]) -> None:
    clients = [connect_redis(address(nodes)) for _ in range(2)]
    for _ in range(4):
        assert await is_heard(*clients)
    nodes[0].kill()
    assert await is_heard(*clients)
    for client in clients:
        await client.aclose()
