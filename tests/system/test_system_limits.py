"""Limits of the plans over two real replicas: exactly the limit, in any window, whatever happens to Redis."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.system.appliance import Appliance, signal_all
from tests.system.client import Client
from tests.system.conftest import appliance_in_new_place
from tests.system.replicas import Replica, running_replicas

WINDOW_S = 60.0
PAUSE_S = 0.5
# What is proven of a Redis that answers holds where a busy machine makes it slow, too.
PATIENT = {"REDIS_TIMEOUT_MS": "5000"}


class Flood:
    """
    Threads that ask, each with a key of its organization, through all replicas in turn.

    They ask without pause until they are refused, and then often enough that none of what is free goes begging.
    """

    def __init__(self, replicas: list[Replica], keys: list[str], threads: int) -> None:
        self.answers: Counter[int] = Counter()
        self.admitted: list[tuple[float, float]] = []
        self.faults: list[str] = []
        self.slowest_s = 0.0
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(replicas[n % len(replicas)], keys[n % len(keys)]), daemon=True)
            for n in range(threads)
        ]

    def __enter__(self) -> "Flood":
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for one in self._threads:
            one.join(30)

    def _run(self, replica: Replica, key: str) -> None:
        client = Client(replica.port, key)
        while not self._end.is_set():
            sent = time.monotonic()
            try:
                answer = client.get("/v1/ledger", {"X-Forwarded-For": f"203.0.113.{int(sent * 1000) % 250}"})
            except Exception as error:  # noqa: BLE001  # whatever it is, it is reported
                self.faults.append(repr(error))
                continue
            came = time.monotonic()
            with self._lock:
                self.answers[answer.status] += 1
                self.slowest_s = max(self.slowest_s, came - sent)
                if answer.status == 200:
                    self.admitted.append((sent, came))
            if answer.status == 429:
                assert int(answer.header("Retry-After")) >= 1
                assert answer.header("RateLimit")
                time.sleep(PAUSE_S)
        client.close()

    def most(self) -> int:
        """The most admissions that surely lie in one half-open window of 60 s: asked for and answered inside it."""
        spans = sorted(self.admitted)
        return max(sum(sent >= start and came < start + WINDOW_S for sent, came in spans) for start, _ in spans)


@pytest.fixture(scope="module")
def appliance() -> Iterator[Appliance]:
    with appliance_in_new_place() as one:
        yield one.start()


@pytest.fixture(scope="module")
def replicas(appliance: Appliance) -> Iterator[list[Replica]]:
    with running_replicas(appliance, 2) as started:
        yield started


def organization(appliance: Appliance, plan: str, keys: int) -> list[str]:
    """Return the keys of a new organization."""
    name = f"{plan}-{time.monotonic_ns()}"
    made = appliance.cli_json(
        "orgs", "create", "--name", name, "--plan", plan, "--owner-email", f"owner@{name}.example"
    )
    return [
        appliance.cli_json("keys", "create", "--org", made["id"], "--name", f"k{n}", "--scopes", "audit")["key"]
        for n in range(keys)
    ]


def flooded(appliance: Appliance, replicas: list[Replica], plans: dict[str, int]) -> tuple[dict[str, Flood], bool]:
    """Flood new organizations over the edge of a window; tell too whether a replica did without Redis meanwhile."""
    keys = {plan: organization(appliance, plan, 10 if plan == "free" else 3) for plan in plans}
    time.sleep(WINDOW_S)  # organizations are new no more
    floods = {plan: Flood(replicas, keys[plan], 10) for plan in plans}
    for flood in floods.values():
        flood.__enter__()
    end, alone = time.monotonic() + WINDOW_S + 25, False
    while time.monotonic() < end:
        alone |= any(b"rate_limits" in Client(one.port).get("/readyz").body for one in replicas)
        time.sleep(0.5)
    for plan, flood in floods.items():
        flood.__exit__()
        print(f"\n{plan}: {dict(flood.answers)}, most in any window {flood.most()} of {plans[plan]}")
    return floods, alone


@pytest.mark.timeout(900)
def test_over_two_replicas_and_ten_keys_admitted_equals_the_limit_over_the_edge_of_a_window(
    appliance: Appliance,
) -> None:
    plans = {"free": 20, "starter": 100, "pro": 500}
    with running_replicas(appliance, 2, **PATIENT) as replicas:
        floods, alone = flooded(appliance, replicas, plans)
    assert not alone, "Redis did not answer for seconds"
    for plan, flood in floods.items():
        assert flood.faults == []
        assert set(flood.answers) == {200, 429}
        assert flood.most() == plans[plan]
        assert plans[plan] < flood.answers[200] <= 2 * plans[plan]


def test_while_redis_stands_still_no_window_is_over_the_limit_and_nothing_fails(
    appliance: Appliance, replicas: list[Replica]
) -> None:
    keys = organization(appliance, "free", 4)
    redis = appliance.redis()
    with Flood(replicas, keys, 8) as flood:
        time.sleep(5)
        signal_all(redis, signal.SIGSTOP)
        try:
            time.sleep(WINDOW_S + 10)
            ready = [Client(one.port).get("/readyz") for one in replicas]
        finally:
            signal_all(redis, signal.SIGCONT)
        time.sleep(WINDOW_S + 10)
    print(
        f"\nredis stopped: {dict(flood.answers)}, most in any window {flood.most()} of 20, "
        f"slowest {flood.slowest_s * 1000:.0f} ms"
    )
    for answer in ready:
        assert answer.status == 503
        assert answer.json() == {"status": "unavailable", "failing": ["redis"], "degraded": ["rate_limits"]}
    assert flood.faults == []
    assert set(flood.answers) == {200, 429}
    assert flood.most() <= 20
    assert flood.answers[200] > 20
    for one in replicas:
        client = Client(one.port)
        appliance.wait_for(lambda client=client: client.get("/readyz").json() == {"status": "ok"}, 2 * WINDOW_S)  # type: ignore[misc]


def test_a_flood_of_bad_credentials_is_refused_and_a_customer_is_not(
    appliance: Appliance, replicas: list[Replica]
) -> None:
    (key,) = organization(appliance, "pro", 1)
    customer, stranger = Client(replicas[0].port, key), Client(replicas[0].port, "gl_" + "0" * 36)
    assert customer.get("/v1/ledger").status == 200
    answers = Counter(
        stranger.get("/v1/ledger", {"X-Forwarded-For": f"203.0.113.{number % 250}"}).status for number in range(350)
    )
    assert answers == {401: 299, 429: 51}
    assert customer.get("/v1/ledger").status == 200
    stranger.get("/v1/ledger").problem(429, "rate_limited")
    assert Client(replicas[0].port).get("/livez").status == 200
