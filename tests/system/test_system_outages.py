"""When PostgreSQL or Redis is away: no decision without a record, no hang, and everything by itself afterwards."""

import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.system.appliance import Appliance, Tenant, signal_all
from tests.system.client import Answer, Client, question
from tests.system.conftest import Start
from tests.system.writers import Writer

DEADLINE_S = 8.0
RECOVERY_S = 30.0
# For those who must not decide while Redis is away, and for those who may: a load balancer.
READY_PATHS = ("/readyz", "/readyz?exclude=redis")


@pytest.fixture
def running(new_appliance: Start) -> Iterator[tuple[Appliance, Tenant, Client]]:
    appliance = new_appliance().start()
    tenant = appliance.tenant("Acme")
    client = Client(appliance.port, tenant.key)
    yield appliance, tenant, client
    client.close()


def _timed(ask: Callable[[], Answer]) -> tuple[Answer, float]:
    start = time.monotonic()
    return ask(), time.monotonic() - start


def test_without_postgresql_every_answer_is_a_503_and_service_comes_back_by_itself(
    running: tuple[Appliance, Tenant, Client],
) -> None:
    appliance, tenant, client = running
    writers = [Writer(appliance, tenant.key, f"w{n}", patient=n % 2 == 0) for n in range(4)]
    for writer in writers:
        writer.start()
    appliance.wait_for(lambda: all(writer.acks for writer in writers))
    away = 0
    until = time.monotonic() + 3
    while time.monotonic() < until:  # each new one is killed too
        signal_all(appliance.postgres(), signal.SIGKILL)
        for path, ask in _asks(client).items():
            answer, seconds = _timed(ask)
            assert seconds < DEADLINE_S, path
            if answer.status == 503 and path != "/readyz":
                answer.problem(503, "ledger_unavailable")
                assert answer.header("Retry-After")
                away += 1
    before = [len(writer.acks) for writer in writers]
    appliance.wait_for(
        lambda: all(len(writer.acks) > count for writer, count in zip(writers, before, strict=True)), RECOVERY_S
    )
    appliance.wait_for(lambda: client.get("/readyz").status == 200)
    for writer in writers:
        writer.stop()
        writer.join(DEADLINE_S)
    assert [fault for writer in writers for fault in writer.unexpected] == []
    refused = sum(writer.outcomes["503"] for writer in writers)
    print(f"\nanswers of 503 while PostgreSQL was away: {away + refused}, of 200 over all: {_total(writers)}")
    assert away
    assert refused
    assert max(writer.slowest_s for writer in writers) < DEADLINE_S


def _asks(client: Client) -> dict[str, Callable[[], Answer]]:
    return {
        "/v1/govern": lambda: client.govern(question()),
        "/v1/ledger": lambda: client.get("/v1/ledger"),
        "/v1/ledger/dump": lambda: client.get("/v1/ledger/dump?payloads=content"),
        "/readyz": lambda: client.get("/readyz"),
    }


def _total(writers: list[Writer]) -> int:
    return sum(writer.outcomes["200"] for writer in writers)


def test_a_postgresql_that_does_not_move_is_given_up_in_time(running: tuple[Appliance, Tenant, Client]) -> None:
    appliance, tenant, client = running
    before = client.size()
    stopped = appliance.postgres()
    signal_all(stopped, signal.SIGSTOP)
    try:
        answers = _at_once(
            [lambda: client_of(appliance, tenant).govern(question()) for _ in range(12)]
            + [lambda path=path: Client(appliance.port).get(path) for path in READY_PATHS]  # type: ignore[misc]  # mypy: default of a lambda
        )
        assert Client(appliance.port).get("/livez").status == 200
    finally:
        signal_all(stopped, signal.SIGCONT)
    for answer, seconds in answers:
        assert answer.status == 503
        assert seconds < DEADLINE_S
    for answer, _ in answers[:12]:
        answer.problem(503, "ledger_unavailable")
    for answer, _ in answers[12:]:
        assert {"ledger", "postgresql"} <= set(answer.json()["failing"])
    appliance.wait_for(lambda: client.govern(question()).status == 200, RECOVERY_S)
    # A refused request may still be recorded, but none is recorded twice.
    assert before < client.size() <= before + 14
    appliance.assert_verified(appliance.dump(tenant))


def client_of(appliance: Appliance, tenant: Tenant) -> Client:
    return Client(appliance.port, tenant.key)


def _at_once(asks: list[Callable[[], Answer]]) -> list[tuple[Answer, float]]:
    found: dict[int, tuple[Answer, float]] = {}

    def run(number: int, ask: Callable[[], Answer]) -> None:
        found[number] = _timed(ask)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(asks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * DEADLINE_S)
    return [found[number] for number in range(len(asks))]


def test_without_redis_decisions_go_on_and_readiness_names_it(running: tuple[Appliance, Tenant, Client]) -> None:
    appliance, _, client = running
    stopped = appliance.redis()
    signal_all(stopped, signal.SIGSTOP)
    for number in range(3):
        answer, seconds = _timed(lambda n=number: client.govern(question(), {"Idempotency-Key": f"away-{n}"}))  # type: ignore[misc]  # mypy: default of a lambda
        assert answer.status == 200
        assert seconds < DEADLINE_S
    again = client.govern(question(), {"Idempotency-Key": "away-0"})
    assert again.header("Idempotency-Replayed") == "true"
    ready, without = (client.get(path) for path in READY_PATHS)
    assert (ready.status, ready.json()["failing"]) == (503, ["redis"])
    assert (without.status, without.json()["excluded"]) == (200, ["redis"])
    signal_all(stopped, signal.SIGCONT)
    appliance.wait_for(lambda: client.get("/readyz").status == 200)

    signal_all(stopped, signal.SIGKILL)
    for number in range(50):
        assert client.govern(question(), {"Idempotency-Key": f"killed-{number}"}).status == 200
    appliance.wait_for(lambda: appliance.redis() and client.get("/readyz").status == 200)
    assert appliance.redis() != stopped


def test_both_away_at_once_is_survived(running: tuple[Appliance, Tenant, Client]) -> None:
    appliance, tenant, client = running
    signal_all([*appliance.postgres(), *appliance.redis()], signal.SIGKILL)
    appliance.wait_for(lambda: client.govern(question(), {"Idempotency-Key": "both"}).status == 200, RECOVERY_S)
    appliance.wait_for(lambda: client.get("/readyz").status == 200)
    appliance.wait_for(lambda: appliance.cli("ledger", "key").returncode == 0, RECOVERY_S)
    appliance.assert_verified(appliance.dump(tenant))
