"""
Whether the time of a refused sign-in tells which accounts exist: medians of known, unknown and disabled users.

The use case runs over a real PostgreSQL with attempts uncounted; kinds of accounts take turns in an order that changes
with every round. Arguments: samples of each kind (1,000), and bcrypt's cost (12; lower ones are quicker and stricter,
because what is not bcrypt weighs more).
"""

import asyncio
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Sequence
from uuid import UUID

from governlayer_server.adapters.crypto.common_passwords import ZxcvbnPasswords
from governlayer_server.adapters.crypto.passwords import COST, BcryptPasswords
from governlayer_server.adapters.crypto.totp import Totp
from governlayer_server.adapters.system import SystemClock, SystemEntropy
from governlayer_server.domain.errors import NotAuthenticated
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.sign_in_throttle import Bucket
from governlayer_server.settings import Settings
from governlayer_server.usecases.identity import Credentials, Identity, Letters, make_identity
from governlayer_server.wiring import Appliance
from support.appliance import opened

SAMPLES = 1_000
MACHINE = f"{platform.machine()}, {os.cpu_count()} cores"
PASSWORD, WRONG, ADDRESS = "correct horse battery", "wrong horse battery", "192.0.2.1"
EMAILS = {"known": "known@a.example", "unknown": "unknown@a.example", "disabled": "disabled@b.example"}


class Uncounted:
    """``ports.sign_in.SignInAttempts`` that admits all: a benchmark is not an attack."""

    async def spend(self, attempt: UUID, buckets: Sequence[Bucket]) -> int:  # noqa: ARG002
        return 0

    async def give_back(self, attempt: UUID, buckets: Sequence[Bucket]) -> None:  # noqa: ARG002
        return


def identity_of(appliance: Appliance, settings: Settings, cost: int) -> Identity:
    clock, entropy = SystemClock(), SystemEntropy()
    credentials = Credentials(
        passwords=BcryptPasswords(appliance.parts.keys.peppers, cost),
        common=ZxcvbnPasswords(),
        codes=Totp(entropy),
        tokens=None,  # nobody gets one
        lifetime_s=900,
        limits=settings.identity.sessions,
    )
    letters = Letters(mailer=None, public_url="", later=lambda work: work.close())
    vault = appliance.create_organization.found.vault
    return make_identity(appliance.accounts, vault, clock, entropy, Uncounted(), credentials, letters)


async def refused(identity: Identity, email: str) -> float:
    """Return the seconds that a wrong password took."""
    start = time.perf_counter()
    try:
        await identity.sign_in(email, WRONG, None, ADDRESS)
    except NotAuthenticated:
        return time.perf_counter() - start
    raise SystemExit("a wrong password was accepted")


async def measure(appliance: Appliance, settings: Settings, samples: int, cost: int) -> dict[str, list[float]]:
    await appliance.create_organization("a", Plan.FREE, EMAILS["known"], PASSWORD)
    closed = await appliance.create_organization("b", Plan.FREE, EMAILS["disabled"], PASSWORD)
    await appliance.operate_users.disable(closed.id, EMAILS["disabled"])
    identity = identity_of(appliance, settings, cost)
    times: dict[str, list[float]] = {kind: [] for kind in EMAILS}
    for number in range(samples + 10):
        for kind in random.sample(sorted(EMAILS), len(EMAILS)):
            taken = await refused(identity, EMAILS[kind])
            if number >= 10:  # the first ones fill caches
                times[kind].append(taken)
    return times


async def run(samples: int, cost: int) -> dict[str, list[float]]:
    # The stored hashes have the cost of the setting, so that no check has to make up for a lower one.
    async with opened(cost) as (appliance, settings):
        return await measure(appliance, settings, samples, cost)


def main() -> None:
    samples, cost = (int(text) for text in (*sys.argv[1:], *(str(SAMPLES), str(COST))[len(sys.argv) - 1 :]))
    times = asyncio.run(run(samples, cost))
    known = statistics.median(times["known"])
    for kind, values in times.items():
        median = statistics.median(values)
        line = {
            "bench": "sign_in_timing", "metric": f"{kind}_median_cost_{cost}", "value": round(median * 1000, 3),
            "unit": "ms", "baseline": "known", "ratio": round(median / known, 4), "samples": samples,
            "machine": MACHINE,
        }  # fmt: skip
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
