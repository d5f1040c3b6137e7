"""
What one rate limit costs: JSON lines of microseconds of this process's CPU per request and requests a second, for one
and for 32 tasks, shared (Redis on a Unix socket, started here) and local (Redis away).

Run: python bench/limits.py [--requests N]. A request spends from a key's and an organization's limit.
"""

import argparse
import asyncio
import json
import platform
import tempfile
import time
from pathlib import Path

import uvloop
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.adapters.redis.connect import connect_redis
from governlayer_server.adapters.redis.quota import RedisQuotaStore
from governlayer_server.adapters.system import SystemClock
from governlayer_server.domain.quota import Bucket

TASKS = (1, 32)
LIMIT = 2_000
MACHINE = f"{platform.machine()} {platform.system()} python {platform.python_version()}"


async def measure(name: str, address: RedisAddress, requests: int) -> None:
    redis = connect_redis(address)
    store = RedisQuotaStore(redis, SystemClock())
    for tasks in TASKS:
        owners = [f"{name}-{tasks}-{number}" for number in range(10)]
        await spend(store, owners, requests // 10, tasks)
        started, cpu = time.perf_counter(), time.process_time()
        await spend(store, owners, requests, tasks)
        seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
        emit(f"{name}.cpu.{tasks}", cpu_s / requests * 1e6, "us")
        emit(f"{name}.rate.{tasks}", requests / seconds, "1/s")
    await redis.aclose()


async def spend(store: RedisQuotaStore, owners: list[str], requests: int, tasks: int) -> None:
    async def ask() -> None:
        for number in range(requests // tasks):
            buckets = [Bucket("key", LIMIT, "key"), Bucket("org", LIMIT)]
            await store.spend(owners[number % len(owners)], buckets, 1)

    await asyncio.gather(*(ask() for _ in range(tasks)))


def emit(metric: str, value: float, unit: str) -> None:
    line = {"bench": "limits", "metric": metric, "value": round(value, 1), "unit": unit, "machine": MACHINE}
    print(json.dumps(line), flush=True)


async def run(directory: DataDirectory, requests: int) -> None:
    redis = EmbeddedRedis(directory)
    await redis.start()
    try:
        login = redis.login
        await measure("shared", RedisAddress(socket=login.socket, user=login.user, password=login.password), requests)
    finally:
        await redis.stop()
    await measure("local", RedisAddress(socket=str(directory.path / "none")), requests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=19_200)
    requests = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        directory = DataDirectory.open(Path(place, "data"))
        with directory.lock():
            uvloop.run(run(directory, requests))


if __name__ == "__main__":
    main()
