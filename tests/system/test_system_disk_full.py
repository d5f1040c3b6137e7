"""The disk of PostgreSQL is full: no decision without a record, and with space again all goes on without loss."""

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.appliance import Appliance
from tests.system.client import Client, question
from tests.system.recorded import assert_same_answers_again, compared
from tests.system.writers import PATIENCE_S, Writer

SIZE_MB = 320
FULL_S = 8.0
RECOVERY_S = 90.0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 320 MB. Mounting takes root, as which the project's CI runs."""
    place = tmp_path / "small"
    place.mkdir()
    for parent in place.parents[: len(place.parents) - 2]:
        parent.chmod(0o755)  # for the servers' own user
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=755", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(file: Path) -> None:
    """Write zeros to *file* until not a byte more fits."""
    size = 1 << 20
    with file.open("ab", buffering=0) as filler:
        while size:
            try:
                filler.write(bytes(size))
            except OSError:
                size //= 2


def test_a_full_disk_is_a_503_and_nothing_is_lost(small: Path) -> None:
    appliance = Appliance(small / "data").start()
    writers: list[Writer] = []
    try:
        tenant = appliance.tenant("Acme")
        writers = [Writer(appliance, tenant.key, f"w{n}", patient=n % 2 == 0) for n in range(4)]
        for writer in writers:
            writer.start()
        appliance.wait_for(lambda: all(writer.acks for writer in writers))
        big = question(content=[{"role": "user", "text": "When do you open? " * 20_000}])
        filler, refused, until = small / "filler", Counter[int](), time.monotonic() + RECOVERY_S
        while refused[503] < 3 and time.monotonic() < until:
            fill(filler)
            answer = Client(appliance.port, tenant.key, PATIENCE_S).govern(big)
            refused[answer.status] += 1
            if answer.status == 503:
                assert b'"decision"' not in answer.body
        assert refused[503] >= 3, f"the disk did not become full: {refused}"
        time.sleep(FULL_S)
        assert appliance.is_running
        filler.unlink()
        before = [len(writer.acks) for writer in writers]
        appliance.wait_for(
            lambda: all(len(writer.acks) > count for writer, count in zip(writers, before, strict=True)), RECOVERY_S
        )
        for writer in writers:
            writer.stop()
            writer.join(3 * PATIENCE_S)
        assert [fault for writer in writers for fault in writer.unexpected] == []
        dump = appliance.dump(tenant)
        appliance.assert_verified(dump)
        counts = compared(dump, writers)
        statuses = sum((writer.outcomes for writer in writers), Counter[str]())
        print(f"\ndisk full: {dict(counts)}, answers {dict(statuses)}, of large questions {dict(refused)}")
        assert counts["lost"] == counts["recorded twice"] == 0
        assert statuses["503"]
        assert statuses.keys() <= {"200", "503", "409"}, "a connection broke off without an answer"
        assert_same_answers_again(writers)
        assert appliance.stop() == 0
    finally:
        for writer in writers:
            writer.stop()
        left = appliance.end()
    assert left == []
