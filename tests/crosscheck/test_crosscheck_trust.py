"""
The server's witness cosigns, its ML-DSA-44 key signs, it has checkpoints stamped; the verifier judges by its own code.

What they sign is accepted with the time that they state; not one changed bit of it is.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from governlayer_server.adapters.anchors.timestamps import HttpTimestampAuthority
from governlayer_server.adapters.crypto.signer import Ed25519Signer, MlDsa44Signer
from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.adapters.outgoing import OutgoingClient
from governlayer_server.adapters.witness.state import SqliteWitnessState
from governlayer_server.domain.ledger.note import parse_checkpoint, parse_verifier_key
from governlayer_server.domain.ledger.witness import add_checkpoint_body
from governlayer_server.domain.times import SECOND_US
from governlayer_server.usecases.witness_checkpoint import WitnessCheckpoint
from governlayer_verifier import Report
from governlayer_verifier.cosignature import shown_time
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.crosscheck.ledgers import Written, write_decisions
from tests.fakes.canned_http import canned, http
from tests.fakes.clock import FakeClock
from tests.fakes.timestamp_authority import OpensslAuthority

WRITTEN = write_decisions("allow", "deny", "redact")
NOTE = next(
    json.loads(line)["checkpoint"] for line in reversed(WRITTEN.dump.split(b"\n")) if line.startswith(b'{"checkpoint"')
)
LOG_NAME = WRITTEN.key.partition("+")[0]
POST_QUANTUM = MlDsa44Signer(LOG_NAME, bytes(range(32)))
KEPT_S = 1_790_000_000


def post_quantum_line() -> str:
    checkpoint = parse_checkpoint(NOTE)
    return POST_QUANTUM.line(checkpoint.origin, checkpoint.size, checkpoint.root, KEPT_S)


def with_lines(written: Written, *lines: str) -> bytes:
    """The dump with *lines* under its newest checkpoint."""
    before, after = (json.dumps({"checkpoint": note}, ensure_ascii=False, separators=(",", ":")).encode()
                     for note in (NOTE, NOTE + "".join(lines)))  # fmt: skip
    assert written.dump.count(before) == 1
    return written.dump.replace(before, after)


@pytest.fixture
def witness(tmp_path: Path, clock: FakeClock) -> Iterator[WitnessCheckpoint]:
    state = SqliteWitnessState(tmp_path / "witness.sqlite")
    yield WitnessCheckpoint(
        logs=[parse_verifier_key(WRITTEN.key)],
        state=state,
        signer=Ed25519Signer("witness.example.com", b"w" * 32),
        verify=verify_ed25519,
        clock=clock,
    )
    state.close()


def judged(dump: bytes, trust: str = "quorum none\n", keys: tuple[str, ...] = (WRITTEN.key,)) -> Report:
    return WRITTEN.verdict(dump, keys=keys, trust=trust.encode())


def test_the_cosignature_of_the_server_s_witness_makes_a_quorum(witness: WitnessCheckpoint, clock: FakeClock) -> None:
    line = witness(add_checkpoint_body(0, [], NOTE).encode())
    trust = f"witness outside {witness.key}\nquorum outside\n"
    report = judged(with_lines(WRITTEN, line), trust)
    assert report.verdict == "valid", report.as_text()
    assert report.trust.witnesses is not None
    (cosigner,) = report.trust.witnesses.judged[0].cosigners
    assert (cosigner.name, cosigner.time) == ("outside", shown_time(clock.now_us() // SECOND_US))
    without = judged(WRITTEN.dump, trust)
    assert [step.step for step in without.steps if step.status == "fail"] == [10]


def test_the_server_s_ml_dsa_signature_is_good_and_shown() -> None:
    report = judged(with_lines(WRITTEN, post_quantum_line()), keys=(WRITTEN.key, POST_QUANTUM.vkey))
    assert report.verdict == "valid", report.as_text()
    assert [(key.algorithm, key.signed, key.time) for key in report.trust.keys] == [
        ("Ed25519", report.trust.keys[0].signed, None),
        ("ML-DSA-44", 1, shown_time(KEPT_S)),
    ]
    alone = judged(with_lines(WRITTEN, post_quantum_line()), keys=(POST_QUANTUM.vkey,))
    assert (alone.checkpoints, alone.verdict) == (1, "valid")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, (8 + 2420) * 8 - 1))
def test_no_changed_bit_of_an_ml_dsa_signature_is_accepted(bit: int) -> None:
    start, packed = post_quantum_line().rstrip("\n").rsplit(" ", 1)
    blob = bytearray(base64.b64decode(packed))
    blob[4 + bit // 8] ^= 1 << bit % 8
    line = f"{start} {base64.b64encode(blob).decode()}\n"
    report = judged(with_lines(WRITTEN, line), keys=(WRITTEN.key, POST_QUANTUM.vkey))
    assert [step.step for step in report.steps if step.status == "fail"] == [9]


async def test_the_time_stamp_that_the_server_asks_for_is_good_of_that_checkpoint_alone(tmp_path: Path) -> None:
    authority = OpensslAuthority(tmp_path / "authority")

    async def answer(query: bytes) -> bytes:
        return http(200, await authority.answer(query), "content-type: application/timestamp-reply")

    async with canned(answer) as port:
        client = OutgoingClient(f"http://127.0.0.1:{port}", None)
        asked = HttpTimestampAuthority(client, authority.ca)
        mine, other = [(await asked.stamp(text.encode()))[0] for text in (parse_checkpoint(NOTE).text, "another\n")]
        await client.close()
    authorities = [authority.ca.read_bytes()]
    report = WRITTEN.verdict(timestamps=[mine], authorities=authorities)
    assert (report.verdict, report.trust.stamps[0].size) == ("valid", parse_checkpoint(NOTE).size)
    assert WRITTEN.verdict(timestamps=[other], authorities=authorities).verdict == "incomplete"
