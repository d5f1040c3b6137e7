"""kill -9 at random moments under writers loses no decision that was answered (security.md §1 row 1)."""

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.system.appliance import Appliance, Tenant, signal_all
from tests.system.conftest import Start
from tests.system.writers import PATIENCE_S, Ack, Writer, acknowledged

WRITERS = 4
LATEST_S = 0.9
RECOVERY_S = 30.0


def _kill_server(appliance: Appliance) -> None:
    appliance.kill()


def _kill_postmaster(appliance: Appliance) -> None:
    signal_all(appliance.postgres()[:1], signal.SIGKILL)


def _kill_postgres_tree(appliance: Appliance) -> None:
    signal_all(appliance.postgres(), signal.SIGKILL)


def _kill_everything(appliance: Appliance) -> None:
    signal_all([appliance.pid, *appliance.postgres(), *appliance.redis()], signal.SIGKILL)
    appliance.kill()


VICTIMS = (_kill_server, _kill_postmaster, _kill_postgres_tree, _kill_everything)


@pytest.fixture
def load(new_appliance: Start) -> Iterator[tuple[Appliance, Tenant, list[Writer]]]:
    """Return a running appliance with four writers at work, two patient ones and two that give up."""
    appliance = new_appliance().start()
    tenant = appliance.tenant("Acme")
    writers = [Writer(appliance, tenant.key, f"w{n}", patient=n % 2 == 0) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    yield appliance, tenant, writers
    _end(writers)


def _end(writers: list[Writer]) -> None:
    for writer in writers:
        writer.stop()
    for writer in writers:
        writer.join(3 * PATIENCE_S)


@pytest.mark.parametrize("cycles", [range(10), range(10, 20)], ids=["first-ten", "second-ten"])
def test_no_answered_decision_is_lost_and_none_is_recorded_twice(
    load: tuple[Appliance, Tenant, list[Writer]], cycles: range, record_property: Callable[[str, object], None]
) -> None:
    appliance, tenant, writers = load
    seed = random.SystemRandom().getrandbits(32)
    print(f"\nseed {seed}, cycles {cycles.start} to {cycles.stop - 1}")
    moments = random.Random(seed)
    for cycle in cycles:
        _wait_for_answers(appliance, writers)
        time.sleep(moments.uniform(0, LATEST_S))
        VICTIMS[cycle % len(VICTIMS)](appliance)
        if not appliance.is_running:
            appliance.start()
    _wait_for_answers(appliance, writers)
    _end(writers)
    assert [fault for writer in writers for fault in writer.unexpected] == []

    # Processes of a killed postmaster may go on serving for a moment; who connects anew has to wait for the next one.
    appliance.wait_for(lambda: appliance.cli("ledger", "key").returncode == 0, RECOVERY_S)
    dump = appliance.dump(tenant)
    appliance.assert_verified(dump)
    counts = _compared(dump, writers)
    outcomes = sum((writer.outcomes for writer in writers), Counter[str]())
    counts["slowest answer, ms"] = int(1000 * max(writer.slowest_s for writer in writers))
    print(f"{len(cycles)} cycles: {counts}\nanswers: {dict(outcomes)}")
    record_property("kill_cycles", counts)
    assert counts["lost"] == 0
    assert counts["recorded twice"] == 0
    assert counts["recorded though never asked"] == 0
    assert max(writer.slowest_s for writer in writers) < PATIENCE_S
    _assert_same_answer_again(writers)
    assert appliance.stop() == 0


def _wait_for_answers(appliance: Appliance, writers: list[Writer]) -> None:
    """Return when every writer has been served again."""
    before = [len(writer.acks) for writer in writers]
    appliance.wait_for(
        lambda: all(len(writer.acks) > count for writer, count in zip(writers, before, strict=True)), RECOVERY_S
    )


def _compared(dump: Path, writers: list[Writer]) -> dict[str, int]:
    """Hold what was answered against what is recorded."""
    records = _records(dump)
    decisions = {seq: json.loads(line)["body"] for seq, line in records.items() if b'"type":"decision"' in line}
    times_recorded = Counter(body["action"] for body in decisions.values())
    acks = [ack for writer in writers for ack in writer.acks]
    given_up = set[str]().union(*(writer.given_up for writer in writers))
    answered = {ack.action for ack in acks}
    return {
        "acknowledged": len(acks),
        "lost": sum(not _stands(ack, records, decisions) for ack in acks),
        "acknowledged at the second try": sum(ack.replayed for ack in acks),
        "given up": len(given_up),
        "given up but recorded": sum(action in times_recorded for action in given_up),
        "recorded twice": sum(times > 1 for times in times_recorded.values()),
        "recorded though never asked": len(times_recorded.keys() - answered - given_up),
        "records": len(records),
    }


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


def _assert_same_answer_again(writers: list[Writer]) -> None:
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
