"""A witness that is killed under load has never cosigned two histories, and remembers all that it cosigned."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.domain.ledger.note import (
    COSIGNATURE,
    ParsedCheckpoint,
    VerifierKey,
    parse_checkpoint,
    parse_signatures,
    parse_verifier_key,
)
from governlayer_server.usecases.verify_note import verified_cosignature

from tests.fakes.rfc6962 import mth
from tests.fakes.witness import Log
from tests.system.witness import WitnessProcess

pytestmark = pytest.mark.system
CYCLES, BRANCH = 5, 60


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[WitnessProcess]:
    process = WitnessProcess(tmp_path / "witness", str(Log().key)).start()
    yield process
    process.kill()


@dataclass
class Race:
    """Two histories that go on from the same leaves, and what was acknowledged of either."""

    url: str
    key: VerifierKey
    start: int
    branches: list[list[bytes]]
    acknowledged: list[tuple[int, bytes]] = field(default_factory=list)

    def submit(self, branch: list[bytes]) -> None:
        """Have *branch* cosigned, leaf by leaf, until the witness is gone."""
        old, client = self.start, httpx.Client(base_url=self.url)
        for size in range(self.start + 1, len(branch) + 1):
            log = Log(leaves=branch[:size])
            if size >= old:
                try:
                    answer = client.post("/add-checkpoint", content=log.request(old))
                except httpx.TransportError:
                    return
                old = self._size_after(answer, log, old)

    def _size_after(self, answer: httpx.Response, log: Log, old: int) -> int:
        if answer.status_code == 409:
            return int(answer.text)
        if answer.status_code != 200:
            return old
        verified_cosignature(log.text(), parse_signatures(answer.text), self.key, verify_ed25519)
        self.acknowledged.append((len(log.leaves), mth(log.leaves)))
        return len(log.leaves)

    def kill_after(self, witness: WitnessProcess, answers: int) -> None:
        while len(self.acknowledged) < answers:
            time.sleep(0.001)
        witness.kill()


def test_kill_9_under_load_of_two_histories(witness: WitnessProcess) -> None:
    """Each cycle two histories go on from what was cosigned, race, and the witness is killed in the midst of it."""
    key = parse_verifier_key(witness.key, kinds=(COSIGNATURE,))
    leaves: list[bytes] = []
    for cycle in range(CYCLES):
        branches = [[*leaves, *(b"%d %s %d" % (cycle, salt, n) for n in range(BRANCH))] for salt in (b"a", b"b")]
        race = Race(witness.url, key, len(leaves), branches)
        with ThreadPoolExecutor(5) as threads:
            killing = threads.submit(race.kill_after, witness, random.Random(cycle).randint(1, BRANCH // 2))
            for branch in branches * 2:
                threads.submit(race.submit, branch)
            killing.result()
        last = newest(witness.start())
        agreeing = [branch for branch in branches if mth(branch[: last.size]) == last.root]
        assert agreeing, "what the witness remembers is none of the histories it was shown"
        assert last.size >= max(size for size, _ in race.acknowledged)
        for size, root in race.acknowledged:
            assert root == mth(agreeing[0][:size]), "two histories were cosigned"
        leaves = agreeing[0][: last.size]


def newest(witness: WitnessProcess) -> ParsedCheckpoint:
    """What the witness says it cosigned last."""
    answer = httpx.get(f"{witness.url}/{sha256(Log().origin.encode()).hexdigest()}/checkpoint")
    return parse_checkpoint(answer.text)
