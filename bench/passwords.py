"""
What passwords cost: JSON lines of milliseconds.

    hash                 one bcrypt hash at the configured cost, fastest of N
    idle, busy           how late a coroutine that sleeps for 1 ms wakes up, while nothing and while 20 checks run
    busy.p99 / idle.p99  the ratio, from the same run
    new_password         the check of a new password against common ones: of a strong one, and of the slowest known

Run: python bench/passwords.py [--cost 12] [--checks 20] [--repeat 5]
"""

import argparse
import asyncio
import json
import platform
import time
from collections.abc import Awaitable, Callable

from governlayer_server.adapters.crypto.common_passwords import ZxcvbnPasswords
from governlayer_server.adapters.crypto.passwords import COST, MAX_WAITING, BcryptPasswords

PASSWORD = "correct horse battery staple"
TICK_S = 0.001
NEW_PASSWORDS = {
    "strong": "x7$kQ9!mZp2w maple cloud river",
    "repeated": "a" * 128,
    "symbols": "({<[4@1!|8$5+7%0239" * 6 + "x",
    "digits": "9684204551782613731897276284063296842045517826137318972762840632",
}


def emit(metric: str, value: float, unit: str) -> None:
    machine = f"{platform.machine()} {platform.system()} python {platform.python_version()}"
    line = {"bench": "passwords", "metric": metric, "value": round(value, 3), "unit": unit, "machine": machine}
    print(json.dumps(line), flush=True)


async def lateness(until: Callable[[], bool]) -> list[float]:
    """Return by how many milliseconds each tick came late, in order of size."""
    late = []
    while not until():
        start = time.perf_counter()
        await asyncio.sleep(TICK_S)
        late.append((time.perf_counter() - start - TICK_S) * 1000)
    return sorted(late)


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def fastest(work: Callable[[], Awaitable[object]], repeat: int) -> float:
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - start) * 1000)
    return min(taken)


async def measure(cost: int, checks: int, repeat: int) -> None:
    passwords = BcryptPasswords(bytes(range(32)), cost, waiting=max(MAX_WAITING, checks))
    emit(f"hash.cost_{cost}", await fastest(lambda: passwords.hash(PASSWORD), repeat), "ms")
    stored = await passwords.hash(PASSWORD)
    end = time.perf_counter() + 3
    idle = await lateness(lambda: time.perf_counter() >= end)
    start = time.perf_counter()
    running = asyncio.gather(*(passwords.verify(PASSWORD, stored) for _ in range(checks)))
    busy = await lateness(running.done)
    emit(f"busy.{checks}_checks", (time.perf_counter() - start) * 1000, "ms")
    assert all(await running)
    for name, ordered in (("idle", idle), ("busy", busy)):
        emit(f"{name}.p50", percentile(ordered, 0.5), "ms")
        emit(f"{name}.p99", percentile(ordered, 0.99), "ms")
        emit(f"{name}.max", ordered[-1], "ms")
    emit("busy_to_idle.p99", percentile(busy, 0.99) / max(percentile(idle, 0.99), 0.001), "ratio")


def new_passwords(repeat: int) -> None:
    common = ZxcvbnPasswords()
    for name, password in NEW_PASSWORDS.items():
        taken = []
        for _ in range(repeat):
            start = time.perf_counter()
            common.guessable(password)
            taken.append((time.perf_counter() - start) * 1000)
        emit(f"new_password.{name}", min(taken), "ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cost", type=int, default=COST)
    parser.add_argument("--checks", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    asyncio.run(measure(options.cost, options.checks, options.repeat))
    new_passwords(options.repeat)


if __name__ == "__main__":
    main()
