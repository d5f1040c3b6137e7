"""A witness that is killed under load has never cosigned two histories, and remembers all that it cosigned."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.domain.ledger.note import (
    COSIGNATURE,
    ParsedCheckpoint,
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


def test_kill_9_under_load_of_two_histories(witness: WitnessProcess) -> None:
    """Each cycle two histories go on from what was cosigned, race, and the witness is killed in the midst of it."""
    key = parse_verifier_key(witness.key, kinds=(COSIGNATURE,))
    leaves: list[bytes] = []
    for cycle in range(CYCLES):
        branches = [[*leaves, *(b"%d %s %d" % (cycle, salt, n) for n in range(BRANCH))] for salt in (b"a", b"b")]
        acknowledged: list[tuple[int, bytes]] = []

        def submit(branch: list[bytes], start: int = len(leaves), into: list[tuple[int, bytes]] = acknowledged) -> None:
            old, client = start, httpx.Client(base_url=witness.url)
            for size in range(start + 1, len(branch) + 1):
                if size < old:
                    continue
                log = Log(leaves=branch[:size])
                try:
                    answer = client.post("/add-checkpoint", content=log.request(old))
                except httpx.TransportError:
                    return
                if answer.status_code == 200:
                    verified_cosignature(log.text(), parse_signatures(answer.text), key, verify_ed25519)
                    into.append((size, mth(branch[:size])))
                    old = size
                elif answer.status_code == 409:
                    old = int(answer.text)

        def kill_after(answers: int, into: list[tuple[int, bytes]] = acknowledged) -> None:
            while len(into) < answers:
                time.sleep(0.001)
            witness.kill()

        with ThreadPoolExecutor(5) as threads:
            killing = threads.submit(kill_after, random.Random(cycle).randint(1, BRANCH // 2))
            for branch in branches * 2:
                threads.submit(submit, branch)
            killing.result()
        witness.start()
        survivor = _last(witness)
        agreeing = [branch for branch in branches if mth(branch[: survivor.size]) == survivor.root]
        assert agreeing, "what the witness remembers is none of the histories it was shown"
        assert survivor.size >= max(size for size, _ in acknowledged)
        for size, root in acknowledged:
            assert root == mth(agreeing[0][:size]), "two histories were cosigned"
        leaves = agreeing[0][: survivor.size]


def _last(witness: WitnessProcess) -> ParsedCheckpoint:
    return parse_checkpoint(httpx.get(f"{witness.url}/{sha256(Log().origin.encode()).hexdigest()}/checkpoint").text)
