"""Every answer of a witness over HTTP (c2sp.org/tlog-witness), and what it remembers of each."""

import base64
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.adapters.witness.state import SqliteWitnessState
from governlayer_server.domain.errors import Inconsistent, OtherSize
from governlayer_server.domain.ledger.checkpoint import signed_note
from governlayer_server.domain.ledger.note import parse_checkpoint, parse_signatures
from governlayer_server.domain.ledger.witness import add_checkpoint_body
from governlayer_server.ports.anchors import Witnessed
from governlayer_server.usecases.verify_note import log_signatures, verified_cosignature
from governlayer_server.usecases.witness_checkpoint import WitnessCheckpoint
from governlayer_server.web.witness import create_witness_app

from tests.fakes.clock import FakeClock, FakeEntropy
from tests.fakes.rfc6962 import proof as consistency
from tests.fakes.witness import Log

LOG = Log()
NAME = "witness.example.com"


def witness_of(state: SqliteWitnessState, clock: FakeClock, *logs: Log) -> WitnessCheckpoint:
    return WitnessCheckpoint(
        logs=[log.key for log in logs or (LOG,)],
        state=state,
        signer=Ed25519Signer(NAME, b"w" * 32),
        verify=verify_ed25519,
        clock=clock,
    )


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteWitnessState]:
    opened = SqliteWitnessState(tmp_path / "witness.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def witness(state: SqliteWitnessState, clock: FakeClock) -> WitnessCheckpoint:
    return witness_of(state, clock)


@pytest.fixture
def http(witness: WitnessCheckpoint, clock: FakeClock, entropy: FakeEntropy) -> httpx.AsyncClient:
    app = create_witness_app(witness, clock, entropy, lambda *_, **__: None)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://witness")


async def add(http: httpx.AsyncClient, body: bytes) -> httpx.Response:
    return await http.post("/add-checkpoint", content=body)


async def newest(http: httpx.AsyncClient, log: Log = LOG) -> httpx.Response:
    return await http.get(f"/{sha256(log.origin.encode()).hexdigest()}/checkpoint")


async def test_a_growing_log_is_cosigned_and_the_last_note_is_shown(
    http: httpx.AsyncClient, witness: WitnessCheckpoint, clock: FakeClock
) -> None:
    old = 0
    for size in (1, 2, 7, 7, 8, 300):
        clock.advance(5_000_000)
        log = LOG.grown(size)
        answer = await add(http, log.request(old))
        assert answer.status_code == 200, answer.text
        cosignature = verified_cosignature(log.text(), parse_signatures(answer.text), witness.key, verify_ed25519)
        assert cosignature.time_s == clock.time_us // 1_000_000
        shown = parse_checkpoint((await newest(http)).text)
        assert shown.text == log.text()
        assert log_signatures(shown, [log.key], verify_ed25519)
        assert verified_cosignature(shown.text, shown.signatures, witness.key, verify_ed25519) == cosignature
        old = size


async def test_another_size_is_answered_with_the_one_cosigned_last(http: httpx.AsyncClient) -> None:
    assert (await add(http, LOG.grown(5).request(0))).status_code == 200
    for log, old in ((LOG.grown(8), 0), (LOG.grown(8), 4), (LOG.grown(8), 6), (LOG.grown(3), 3), (LOG.grown(5), 0)):
        answer = await add(http, log.request(old))
        assert (answer.status_code, answer.text) == (409, "5\n")
        assert answer.headers["content-type"].partition(";")[0] == "text/x.tlog.size"
    assert (await add(http, LOG.grown(8).request(5))).status_code == 200


async def test_a_first_request_from_another_size_is_told_zero(http: httpx.AsyncClient) -> None:
    answer = await add(http, LOG.grown(8).request(5))
    assert (answer.status_code, answer.text) == (409, "0\n")


async def test_a_fork_is_refused_and_what_was_cosigned_stays(http: httpx.AsyncClient) -> None:
    await add(http, LOG.grown(5).request(0))
    before = (await newest(http)).text
    fork = LOG.grown(8, salt=b"other ")
    assert (await add(http, fork.request(5))).status_code == 422
    same_size = LOG.grown(5, salt=b"other ")
    assert (await add(http, same_size.request(5))).status_code == 422
    assert (await newest(http)).text == before


async def test_a_rolled_back_log_is_told_what_was_cosigned(http: httpx.AsyncClient) -> None:
    """An appliance put back to a backup of size 3 asks from there, or from what the witness tells it."""
    await add(http, LOG.grown(5).request(0))
    assert (await add(http, LOG.grown(4).request(3))).text == "5\n"
    assert (await add(http, LOG.grown(4).request(5, proof=()))).status_code == 400
    regrown = [*LOG.grown(3).leaves, b"new", b"new", b"new"]
    assert (await add(http, Log(leaves=regrown).request(5))).status_code == 422


@pytest.mark.parametrize("size", [6, 8, 300])
async def test_no_proof_but_the_right_one_will_do(http: httpx.AsyncClient, size: int) -> None:
    await add(http, LOG.grown(5).request(0))
    log = LOG.grown(size)
    right = consistency(5, log.leaves)
    for proof in (right[:-1], right[1:], [*right, right[0]], right[::-1], [bytes(32), *right[1:]], []):
        assert proof != right
        assert (await add(http, log.request(5, proof))).status_code == 422
    assert (await add(http, log.request(5))).status_code == 200


async def test_from_nothing_and_to_the_same_size_the_proof_is_empty(http: httpx.AsyncClient) -> None:
    assert (await add(http, LOG.grown(5).request(0, [bytes(32)]))).status_code == 422
    assert (await add(http, LOG.grown(5).request(0))).status_code == 200
    assert (await add(http, LOG.grown(5).request(5, [bytes(32)]))).status_code == 422


async def test_the_empty_log_has_one_root(http: httpx.AsyncClient) -> None:
    text = f"{LOG.origin}\n0\n{base64.b64encode(bytes(32)).decode()}\n"
    wrong = signed_note(text, [LOG.signer.line(text)])
    assert (await add(http, add_checkpoint_body(0, (), wrong).encode())).status_code == 422
    assert (await add(http, LOG.request(0))).status_code == 200
    assert (await add(http, LOG.grown(5).request(0))).status_code == 200


async def test_an_unknown_origin_and_an_untrusted_key_are_refused(http: httpx.AsyncClient) -> None:
    for stranger in (Log(origin="other.example.com/ledgers/1"), Log(origin="log.example.com.evil/1")):
        assert (await add(http, stranger.grown(1).request(0))).status_code == 404
        assert (await newest(http, stranger)).status_code == 404
    impostor = Log(seed=b"i" * 32).grown(1)
    assert (await add(http, impostor.request(0))).status_code == 403
    altered = LOG.grown(1).request(0).replace(b"\n1\n", b"\n2\n")
    assert (await add(http, altered)).status_code == 403
    assert (await newest(http)).status_code == 404


async def test_a_key_speaks_for_the_origins_below_its_name(http: httpx.AsyncClient) -> None:
    second = Log(origin="log.example.com/ledgers/2")
    assert (await add(http, LOG.grown(5).request(0))).status_code == 200
    assert (await add(http, second.grown(1).request(0))).status_code == 200
    assert parse_checkpoint((await newest(http, second)).text).size == 1


async def test_malformed_and_oversized_requests_are_refused(http: httpx.AsyncClient) -> None:
    assert (await add(http, b"")).status_code == 400
    assert (await add(http, b"old 1\n\nnonsense\n")).status_code == 400
    assert (await add(http, LOG.grown(3).request(0).replace(b"old 0", b"old 4"))).status_code == 400
    assert (await add(http, b"x" * 100_000)).status_code == 413
    assert (await http.get("/add-checkpoint")).status_code == 405
    assert (await http.get("/nothing")).status_code == 404


class Interrupted(SqliteWitnessState):
    """A memory in which something else happens between reading and writing."""

    def __init__(self, file: Path, meanwhile: Callable[[], object]) -> None:
        super().__init__(file)
        self._meanwhile = [meanwhile]

    def newest(self, origin: str) -> Witnessed | None:
        found = super().newest(origin)
        while self._meanwhile:
            self._meanwhile.pop()()
        return found


@pytest.mark.parametrize("size", [5, 6, 8, 9])
def test_what_was_judged_before_another_checkpoint_became_the_last_is_not_cosigned(
    state: SqliteWitnessState, clock: FakeClock, tmp_path: Path, size: int
) -> None:
    """The race that the protocol describes: a slow request must not roll back a faster one."""
    faster = witness_of(state, clock)
    faster(LOG.grown(5).request(0))
    slow = Interrupted(tmp_path / "witness.sqlite", lambda: faster(LOG.grown(8).request(5)))
    with pytest.raises(OtherSize) as refused:
        witness_of(slow, clock)(LOG.grown(size).request(5))
    slow.close()
    assert refused.value.size == 8
    last = state.newest(LOG.origin)
    assert last is not None
    assert last.size == 8


def test_of_many_at_once_each_cosigned_checkpoint_extends_the_one_before(
    state: SqliteWitnessState, clock: FakeClock, tmp_path: Path
) -> None:
    """Two histories race through two witnesses on one memory, as two processes would: one of them wins."""
    histories = {salt: [LOG.grown(size, salt) for size in range(1, 40)] for salt in (b"a ", b"b ")}
    other = SqliteWitnessState(tmp_path / "witness.sqlite")
    start, cosigned = threading.Barrier(4), list[tuple[int, bytes]]()

    def submit(salt: bytes, memory: SqliteWitnessState) -> None:
        witness, old = witness_of(memory, clock), 0
        start.wait()
        for log in histories[salt]:
            if old > len(log.leaves):
                continue
            try:
                witness(log.request(old))
                cosigned.append((len(log.leaves), salt))
                old = len(log.leaves)
            except OtherSize as error:
                old = error.size
            except Inconsistent:
                continue

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(submit, (b"a ", b"b ", b"a ", b"b "), (state, state, other, other)))
    other.close()
    assert cosigned
    assert len({salt for _, salt in cosigned}) == 1


def test_what_could_not_be_committed_is_not_served_and_does_not_block(
    state: SqliteWitnessState, clock: FakeClock, tmp_path: Path
) -> None:
    state._connection.execute("PRAGMA busy_timeout = 1")
    witness, old, new = witness_of(state, clock), LOG.grown(5), LOG.grown(9)
    witness(old.request(0))
    shown = witness.newest(sha256(LOG.origin.encode()).hexdigest())
    with closing(sqlite3.connect(tmp_path / "witness.sqlite", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM witnessed").fetchall()
        for _ in range(2):
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                witness(new.request(5))
            assert witness.newest(sha256(LOG.origin.encode()).hexdigest()) == shown
    witness(new.request(5))
    last = state.newest(LOG.origin)
    assert last is not None
    assert last.size == 9
