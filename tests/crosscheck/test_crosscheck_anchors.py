"""What witnesses said of a ledger reaches its dumps in a form that the verifier counts."""

import io
from pathlib import Path

import governlayer_verifier
from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.domain.ledger.note import COSIGNATURE, VerifierKey, parse_checkpoint

from tests.server.usecases.anchors_world import AnchoredAppliance, DirectWitness, appliance


def judged(dump: bytes, log: str, witness: VerifierKey, *checkpoints: str) -> governlayer_verifier.Report:
    """The verifier's word on *dump* for somebody who wants the log's signature and that of *witness*."""
    policy = f"log {log}\nwitness w1 {witness}\nquorum w1\n"
    return governlayer_verifier.verify(io.BytesIO(dump), trust=policy.encode(), checkpoints=checkpoints)


async def cosigned(tmp_path: Path) -> tuple[AnchoredAppliance, DirectWitness]:
    mine = await appliance()
    witness = mine.witness(tmp_path)
    await mine.decide(3)
    await mine.publish()
    await mine.cosign(witness, mine.health()[0])()
    await mine.decide(2)
    return mine, witness


async def test_a_dump_up_to_a_cosigned_checkpoint_has_the_quorum(tmp_path: Path) -> None:
    mine, witness = await cosigned(tmp_path)
    note = await mine.read_ledger.cosigned_checkpoint(mine.organization_id)
    dump = await mine.dump(mine.organization_id, last=parse_checkpoint(note).size - 1)
    report = judged(dump, mine.read_ledger.key, witness.witness.key, note)
    assert report.verdict == "valid", report.as_text()
    stranger = Ed25519Signer("witness.example.com", b"s" * 32)
    other = VerifierKey(name=stranger.name, kind=COSIGNATURE, public_key=stranger.public_key)
    assert judged(dump, mine.read_ledger.key, other).verdict == "invalid"


async def test_a_whole_dump_tells_how_far_the_quorum_goes(tmp_path: Path) -> None:
    mine, witness = await cosigned(tmp_path)
    dump = await mine.dump(mine.organization_id)
    plain = governlayer_verifier.verify(io.BytesIO(dump), keys=[mine.read_ledger.key])
    assert plain.verdict == "valid", plain.as_text()
    size = parse_checkpoint(await mine.read_ledger.cosigned_checkpoint(mine.organization_id)).size
    report = judged(dump, mine.read_ledger.key, witness.witness.key)
    assert report.verdict == "invalid"
    assert f"the quorum cosigned up to size {size}" in report.as_text()


async def test_an_altered_cosignature_in_a_dump_is_refused(tmp_path: Path) -> None:
    mine, witness = await cosigned(tmp_path)
    note = await mine.read_ledger.cosigned_checkpoint(mine.organization_id)
    dump = await mine.dump(mine.organization_id, last=parse_checkpoint(note).size - 1)
    line = note.splitlines()[-1]
    other = line[:-20] + ("B" if line[-20] == "A" else "A") + line[-19:]
    altered = dump.replace(line.encode(), other.encode())
    assert altered != dump
    assert judged(altered, mine.read_ledger.key, witness.witness.key).verdict == "invalid"
