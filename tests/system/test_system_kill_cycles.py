"""kill -9 at random moments under writers loses no decision that was answered (security.md §1 row 1)."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.system.appliance import Appliance, Tenant, signal_all
from tests.system.conftest import Start
from tests.system.replicas import Replica, running_replicas
from tests.system.writers import PATIENCE_S, Ack, Writer, acknowledged

CYCLES = int(os.environ.get("KILL_CYCLES", "20"))
WRITERS, LEDGERS = 8, 3
LATEST_S = 0.9
RECOVERY_S = 60.0


class Load(NamedTuple):
    """Two server processes, and eight writers at work on three ledgers through both of them."""

    appliance: Appliance
    replica: Replica
    tenants: Sequence[Tenant]
    writers: Sequence[Writer]

    def of(self, tenant: Tenant) -> list[Writer]:
        """Return who writes to the ledger of *tenant*."""
        return [one for number, one in enumerate(self.writers) if self.tenants[number % LEDGERS] is tenant]


def _kill_server(load: Load) -> None:
    load.appliance.kill()  # its PostgreSQL ends with it


def _kill_replica(load: Load) -> None:
    load.replica.kill()


def _kill_postmaster(load: Load) -> None:
    signal_all(load.appliance.postgres()[:1], signal.SIGKILL)


def _kill_postgres_tree(load: Load) -> None:
    signal_all(load.appliance.postgres(), signal.SIGKILL)


def _kill_everything(load: Load) -> None:
    signal_all([load.appliance.pid, *load.appliance.postgres(), *load.appliance.redis()], signal.SIGKILL)
    load.appliance.kill()
    load.replica.kill()


VICTIMS = (_kill_server, _kill_replica, _kill_postmaster, _kill_postgres_tree, _kill_everything)


@pytest.fixture
def load(new_appliance: Start) -> Iterator[Load]:
    """Half of the writers are patient, half give up; half ask the one server, half the other."""
    appliance = new_appliance().start()
    tenants = [appliance.tenant(name) for name in ("Acme", "Umbrella", "Initech")]
    with running_replicas(appliance, 1) as (replica,):
        servers = (appliance, replica)
        writers = [
            Writer(servers[n // 2 % 2], tenants[n % LEDGERS].key, f"w{n}", patient=n % 2 == 0) for n in range(WRITERS)
        ]
        for writer in writers:
            writer.start()
        yield Load(appliance, replica, tenants, writers)
        _end(writers)


def _end(writers: Sequence[Writer]) -> None:
    for writer in writers:
        writer.stop()
    for writer in writers:
        writer.join(3 * PATIENCE_S)


@pytest.mark.timeout(60 + 30 * CYCLES)
def test_no_answered_decision_is_lost_and_none_is_recorded_twice(
    load: Load, record_property: Callable[[str, object], None]
) -> None:
    appliance, writers = load.appliance, load.writers
    seed = random.SystemRandom().getrandbits(32)
    print(f"\nseed {seed}, {CYCLES} cycles")
    moments = random.Random(seed)
    for cycle in range(CYCLES):
        _wait_for_answers(load)
        time.sleep(moments.uniform(0, LATEST_S))
        VICTIMS[cycle % len(VICTIMS)](load)
        if not appliance.is_running:
            # Where the replica looks for its stores, they are again; where its clients look for the server, it is.
            appliance.start("--port", str(appliance.port))
        if not load.replica.is_running:
            load.replica.start()
    _wait_for_answers(load)
    _end(writers)
    assert [fault for writer in writers for fault in writer.unexpected] == []

    # Processes of a killed postmaster may go on serving for a moment; who connects anew has to wait for the next one.
    appliance.wait_for(lambda: appliance.cli("ledger", "key").returncode == 0, RECOVERY_S)
    counts = Counter[str]()
    for tenant in load.tenants:
        dump = appliance.dump(tenant)
        appliance.assert_verified(dump)
        counts += _compared(dump, load.of(tenant))
    outcomes = sum((writer.outcomes for writer in writers), Counter[str]())
    slowest_s = max(writer.slowest_s for writer in writers)
    print(f"{CYCLES} cycles: {dict(counts)}, slowest answer {slowest_s:.1f} s\nanswers: {dict(outcomes)}")
    record_property("kill_cycles", dict(counts))
    assert counts["lost"] == 0
    assert counts["recorded twice"] == 0
    assert counts["recorded though never asked"] == 0
    assert slowest_s < PATIENCE_S
    _assert_same_answer_again(writers)


def _wait_for_answers(load: Load) -> None:
    """Return when every writer has been served again."""
    before = [len(writer.acks) for writer in load.writers]
    load.appliance.wait_for(
        lambda: all(len(writer.acks) > count for writer, count in zip(load.writers, before, strict=True)), RECOVERY_S
    )


def _compared(dump: Path, writers: Sequence[Writer]) -> Counter[str]:
    """Hold what was answered against what is recorded."""
    records = _records(dump)
    decisions = {seq: json.loads(line)["body"] for seq, line in records.items() if b'"type":"decision"' in line}
    times_recorded = Counter(body["action"] for body in decisions.values())
    acks = [ack for writer in writers for ack in writer.acks]
    given_up = set[str]().union(*(writer.given_up for writer in writers))
    answered = {ack.action for ack in acks}
    counts = {
        "acknowledged": len(acks),
        "lost": sum(not _stands(ack, records, decisions) for ack in acks),
        "acknowledged at the second try": sum(ack.replayed for ack in acks),
        "given up": len(given_up),
        "given up but recorded": sum(action in times_recorded for action in given_up),
        "recorded twice": sum(times > 1 for times in times_recorded.values()),
        "recorded though never asked": len(times_recorded.keys() - answered - given_up),
        "records": len(records),
    }
    return Counter(counts)


def _records(dump: Path) -> dict[int, bytes]:
    lines = [line for line in dump.read_bytes().splitlines() if line.startswith(b'{"actor":')]
    return {json.loads(line)["seq"]: line for line in lines}


def _stands(ack: Ack, records: dict[int, bytes], decisions: dict[int, dict[str, Any]]) -> bool:
    """Whether the decision is where its answer said, as it said."""
    body = decisions.get(ack.seq)
    return (
        body is not None
        and body["decision_id"] == ack.decision_id
        and body["action"] == ack.action
        and sha256(records[ack.seq]).hexdigest() == ack.hash
    )


def _assert_same_answer_again(writers: Sequence[Writer]) -> None:
    """The idempotency keys of before all crashes still give the answers of then."""
    before = acknowledged(writers)
    for writer in writers:
        for ack in (*writer.acks[:10], *writer.acks[-10:]):
            answer = writer.again(ack)
            body = answer.json()
            place = body["ledger"]
            assert (body["decision_id"], place["seq"], place["hash"]) == (ack.decision_id, ack.seq, ack.hash)
            assert answer.header("Idempotency-Replayed") == "true"
    assert acknowledged(writers) == before
