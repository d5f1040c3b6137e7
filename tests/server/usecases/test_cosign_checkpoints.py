"""Published checkpoints get a witness's cosignature, or somebody hears of it; and nothing else waits for that."""

import asyncio
from pathlib import Path

import pytest
from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.domain.errors import NotFound, Unavailable
from governlayer_server.domain.ledger.cosignature import Cosignature, cosignature_line
from governlayer_server.domain.ledger.note import COSIGNATURE, VerifierKey, parse_checkpoint
from governlayer_server.domain.times import MINUTE_US, SECOND_US
from governlayer_server.ports.anchors import StoredCosignature, WitnessAnswer
from governlayer_server.usecases.anchor_health import AnchorFault
from governlayer_server.usecases.verify_note import verified_cosignature

from tests.fakes.clock import FakeClock
from tests.server.usecases.anchors_world import AnchoredAppliance, DirectWitness, appliance


def unreachable() -> None:
    raise Unavailable("no answer")


async def test_what_is_published_is_cosigned_and_served_so(tmp_path: Path) -> None:
    mine = await appliance()
    witness = mine.witness(tmp_path)
    health, alarms = mine.health()
    turn = mine.cosign(witness, health)
    with pytest.raises(NotFound):
        await mine.read_ledger.cosigned_checkpoint(mine.organization_id)
    for _ in range(4):
        await mine.decide(3)
        published = await mine.publish()
        await turn()
        note = await mine.read_ledger.cosigned_checkpoint(mine.organization_id)
        read = parse_checkpoint(note)
        assert read.size == published.size
        found = verified_cosignature(read.text, read.signatures, witness.witness.key, verify_ed25519)
        assert health.last_us == found.time_s * SECOND_US
        assert note == await mine.read_ledger.checkpoint(mine.organization_id), "the ledger has not grown since"
        await mine.decide(1)
        assert "witness.example.com" not in await mine.read_ledger.checkpoint(mine.organization_id)
    asked = len(witness.bodies)
    await turn()
    assert len(witness.bodies) == asked, "nothing was published since"
    assert (health.fault, alarms) == (None, [])


async def test_a_checkpoint_that_another_replica_had_cosigned_is_proven_from_there(tmp_path: Path) -> None:
    mine = await appliance()
    witness = mine.witness(tmp_path)
    await mine.decide(5)
    await mine.publish()
    elsewhere = await appliance()
    await elsewhere.decide(5)
    await elsewhere.publish()
    await elsewhere.cosign(witness, elsewhere.health()[0])()
    await mine.decide(4)
    published = await mine.publish()
    health, alarms = mine.health()
    await mine.cosign(witness, health)()
    assert [body.partition("\n")[0] for body in witness.bodies[-2:]] == ["old 0", f"old {published.size - 4}"]
    assert await mine.anchors.newest_cosigned(mine.ledger_id, published.size) == published.size
    assert (health.fault, alarms) == (None, [])


async def test_two_replicas_at_once_do_no_harm(tmp_path: Path) -> None:
    mine = await appliance()
    witness = mine.witness(tmp_path)
    healths = [mine.health() for _ in range(2)]
    turns = [mine.cosign(witness, health) for health, _ in healths]
    for _ in range(5):
        await mine.decide(2)
        published = await mine.publish()
        await asyncio.gather(*(turn() for turn in turns))
        assert len(await mine.anchors.cosignatures(mine.ledger_id, published.size)) == 1
    assert [(health.fault, alarms) for health, alarms in healths] == [(None, [])] * 2


async def witnessed_backup(tmp_path: Path) -> tuple[AnchoredAppliance, DirectWitness]:
    """An appliance put back to a backup of 3 records, and a witness that has cosigned 5 of it."""
    original, backup = await appliance(), await appliance()
    await original.decide(5)
    await original.publish()
    witness = original.witness(tmp_path)
    await original.cosign(witness, original.health()[0])()
    await backup.decide(3)
    return backup, witness


async def test_a_rolled_back_database_is_found_and_alarms_once(tmp_path: Path) -> None:
    backup, witness = await witnessed_backup(tmp_path)
    await backup.publish()
    health, alarms = backup.health()
    turn = backup.cosign(witness, health)
    for _ in range(5):
        await turn()
        backup.clock.advance(400 * SECOND_US)
    assert alarms == [backup.ledger_id]
    assert health.fault is AnchorFault.CONTRADICTION
    assert await backup.anchors.newest_cosigned(backup.ledger_id, 100) == 0


async def test_a_rolled_back_database_that_has_grown_again_is_another_history(tmp_path: Path) -> None:
    backup, witness = await witnessed_backup(tmp_path)
    await backup.decide(6, "another text")
    await backup.publish()
    health, alarms = backup.health()
    await backup.cosign(witness, health)()
    assert alarms == [backup.ledger_id]
    assert health.fault is AnchorFault.CONTRADICTION
    assert await backup.anchors.newest_cosigned(backup.ledger_id, 100) == 0


async def test_a_ledger_that_was_rewritten_is_not_served_with_the_cosignature_of_the_one_before(tmp_path: Path) -> None:
    original, rewritten = await appliance(), await appliance()
    await original.decide(5)
    published = await original.publish()
    await original.cosign(original.witness(tmp_path), original.health()[0])()
    await rewritten.decide(5, "another text")
    await rewritten.checkpoints.add(published)
    for line in await original.anchors.cosignatures(original.ledger_id, published.size):
        await rewritten.anchors.add_cosignature(
            StoredCosignature(ledger_id=rewritten.ledger_id, size=published.size, witness="w", line=line, time_us=1)
        )
    read = parse_checkpoint(await rewritten.read_ledger.checkpoint(rewritten.organization_id))
    assert read.size == published.size
    assert "witness.example.com" not in {line.name for line in read.signatures}


async def test_a_ledger_in_trouble_does_not_hold_up_the_others(tmp_path: Path) -> None:
    backup, witness = await witnessed_backup(tmp_path)
    await backup.publish()
    other = await backup.start("Other")
    published = await backup.publish(str(other.id))
    health, _ = backup.health()
    await backup.cosign(witness, health)()
    assert await backup.anchors.newest_cosigned(str(other.id), 100) == published.size
    assert health.fault is AnchorFault.CONTRADICTION


async def test_a_ledger_shorter_than_its_checkpoint_does_not_hold_up_the_others(tmp_path: Path) -> None:
    original, shorter = await appliance(), await appliance()
    witness = original.witness(tmp_path)
    await shorter.decide(3)
    for _ in range(2):
        await original.decide(5)
        published = await original.publish()
        await shorter.checkpoints.add(published)
        if published.extends == 0:
            await original.cosign(witness, original.health()[0])()
    other = await shorter.start("Other")
    waiting = await shorter.publish(str(other.id))
    health, _ = shorter.health()
    await shorter.cosign(witness, health)()
    assert await shorter.anchors.newest_cosigned(str(other.id), 100) == waiting.size
    assert health.fault is AnchorFault.UNPROVEN
    assert health.resting() == [shorter.ledger_id]


async def test_an_unreachable_witness_is_left_alone_longer_and_longer(tmp_path: Path) -> None:
    mine = await appliance()
    witness = mine.witness(tmp_path)
    witness.before = unreachable
    health, alarms = mine.health()
    turn = mine.cosign(witness, health)
    await mine.decide(1)
    await mine.publish()
    asked_at = []
    for second in range(1200):
        asked = len(witness.bodies)
        await turn()
        if len(witness.bodies) > asked:
            asked_at.append(second)
        mine.clock.advance(SECOND_US)
    assert asked_at == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111]
    assert (health.fault, alarms) == (AnchorFault.UNREACHABLE, [])
    witness.before = lambda: None
    mine.clock.advance(300 * SECOND_US)
    await turn()
    assert health.fault is None
    assert health.last_us is not None


@pytest.mark.parametrize("status", [400, 403, 404, 418, 301])
async def test_a_refusal_is_a_fault_of_this_ledger_there(tmp_path: Path, status: int) -> None:
    await assert_refused(tmp_path, WitnessAnswer(status=status, text="no\n"))


@pytest.mark.parametrize(
    "text", ["", "nonsense\n", "— witness.example.com AAAA\n", "— other.example.com 7pd+VwAAAABpVbkA\n"]
)
async def test_an_answer_without_its_cosignature_is_refused(tmp_path: Path, text: str) -> None:
    await assert_refused(tmp_path, WitnessAnswer(status=200, text=text))


async def test_a_signature_that_does_not_hold_is_refused(tmp_path: Path) -> None:
    mine = await appliance()
    key = mine.witness(tmp_path).witness.key
    forged = Cosignature(time_s=mine.clock.now_us() // SECOND_US, signature=bytes(64))
    await assert_refused(tmp_path, WitnessAnswer(status=200, text=str(cosignature_line(key, forged))))


async def test_a_size_that_is_none_or_never_the_same_is_refused(tmp_path: Path) -> None:
    for number, text in enumerate(("many\n", "-1\n", "0\n", "1\n")):
        (tmp_path / str(number)).mkdir()
        await assert_refused(tmp_path / str(number), WitnessAnswer(status=409, text=text))


async def assert_refused(tmp_path: Path, answer: WitnessAnswer) -> None:
    mine = await appliance()
    witness = mine.witness(tmp_path)

    async def answer_so(body: str) -> WitnessAnswer:
        return answer

    witness.add_checkpoint = answer_so  # type: ignore[method-assign]
    await mine.decide(2)
    await mine.publish()
    health, alarms = mine.health()
    await mine.cosign(witness, health)()
    assert (health.fault, alarms) == (AnchorFault.REFUSED, [])
    assert await mine.anchors.newest_cosigned(mine.ledger_id, 100) == 0


async def test_a_cosignature_by_another_key_is_not_kept(tmp_path: Path) -> None:
    mine = await appliance()
    witness = mine.witness(tmp_path)
    await mine.decide(1)
    await mine.publish()
    stranger = Ed25519Signer("witness.example.com", b"s" * 32)
    key = VerifierKey(name=stranger.name, kind=COSIGNATURE, public_key=stranger.public_key)
    health, _ = mine.health()
    await mine.cosign(witness, health, key)()
    assert health.fault is AnchorFault.REFUSED
    assert await mine.anchors.newest_cosigned(mine.ledger_id, 100) == 0


@pytest.mark.parametrize(("minutes", "is_kept"), [(-6, False), (-4, True), (4, True), (6, False)])
async def test_a_cosignature_is_kept_if_both_clocks_nearly_agree(tmp_path: Path, minutes: int, is_kept: bool) -> None:
    mine = await appliance()
    await mine.decide(1)
    published = await mine.publish()
    witness = mine.witness(tmp_path, FakeClock(mine.clock.now_us() + minutes * MINUTE_US))
    health, _ = mine.health()
    await mine.cosign(witness, health)()
    assert health.fault is (None if is_kept else AnchorFault.REFUSED)
    assert await mine.anchors.newest_cosigned(mine.ledger_id, 100) == (published.size if is_kept else 0)
