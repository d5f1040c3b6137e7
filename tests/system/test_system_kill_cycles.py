"""kill -9 at random moments under writers loses no decision that was answered (security.md §1 row 1)."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pytest

from tests.system.appliance import Appliance, Tenant, signal_all
from tests.system.conftest import Start
from tests.system.recorded import assert_same_answers_again, compared
from tests.system.replicas import Replica, running_replicas
from tests.system.writers import PATIENCE_S, Writer

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
    with running_replicas(appliance, 1, ENTERPRISE_LIMIT="60000") as (replica,):
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
        counts += compared(dump, load.of(tenant))
    fsck = appliance.cli("ledger", "fsck", "--all")
    assert fsck.returncode == 0, fsck.stdout + fsck.stderr
    outcomes = sum((writer.outcomes for writer in writers), Counter[str]())
    slowest_s = max(writer.slowest_s for writer in writers)
    print(f"{CYCLES} cycles: {dict(counts)}, slowest answer {slowest_s:.1f} s\nanswers: {dict(outcomes)}")
    record_property("kill_cycles", dict(counts))
    assert counts["lost"] == 0
    assert counts["recorded twice"] == 0
    assert counts["recorded though never asked"] == 0
    assert slowest_s < PATIENCE_S
    assert_same_answers_again(writers)


def _wait_for_answers(load: Load) -> None:
    """Return when every writer has been served again."""
    before = [len(writer.acks) for writer in load.writers]
    load.appliance.wait_for(
        lambda: all(len(writer.acks) > count for writer, count in zip(load.writers, before, strict=True)), RECOVERY_S
    )
