"""A key follows another: who trusts any one of them accepts what the server dumps, and no forgery."""

import asyncio
import io
import json
from dataclasses import dataclass
from uuid import UUID

import governlayer_verifier
import pytest
from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.domain.ledger.checkpoint import signed_note
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports.anchors import StoredCosignature
from governlayer_server.ports.ledger_keys import Algorithm
from governlayer_server.usecases.record_key_event import KeyEvent, record_key_event
from governlayer_server.usecases.rotate_keys import MIN_OVERLAP_US

from tests.fakes.appliance import DEPLOYMENT, SEED, FakeAppliance

THIEF = Ed25519Signer(DEPLOYMENT, b"t" * 32)


@dataclass
class Rotated:
    """An appliance, and the keys it has had, oldest first."""

    appliance: FakeAppliance
    organization_id: UUID
    keys: list[str]

    async def grow(self, count: int = 3) -> None:
        for _ in range(count):
            await self.appliance.export_ledger(SYSTEM, self.organization_id)

    async def rotate(self) -> None:
        key = await self.appliance.rotate_keys.rotate(Algorithm.ED25519, lambda *_: None)
        self.keys.append(key.vkey)

    async def retire(self) -> None:
        self.appliance.clock.advance(MIN_OVERLAP_US)
        await self.appliance.rotate_keys.retire(Algorithm.ED25519, lambda *_: None)

    async def dump(self, **options: int) -> bytes:
        return await self.appliance.dump(self.organization_id, **options)


async def begun() -> Rotated:
    appliance = FakeAppliance()
    acme = await appliance.start()
    made = Rotated(appliance, acme.id, list(appliance.read_ledger.keys))
    await made.grow()
    return made


async def over(rotations: int) -> tuple[Rotated, bytes]:
    """A ledger over that many rotations, with records before, between and after, and its dump."""
    made = await begun()
    for _ in range(rotations):
        await made.rotate()
        await made.grow()
        await made.retire()
        await made.grow()
    return made, await made.dump()


def verdict(dump: bytes, *keys: str) -> str:
    report = governlayer_verifier.verify(io.BytesIO(dump), keys=list(keys))
    return str(report.verdict)


@pytest.mark.parametrize("rotations", [1, 2, 3])
def test_every_key_alone_leads_through_the_whole_dump(rotations: int) -> None:
    made, dump = asyncio.run(over(rotations))
    assert len(set(made.keys)) == rotations + 1
    for key in made.keys:
        assert verdict(dump, key) == "valid"
    assert verdict(dump, THIEF.vkey) == "invalid"


def test_during_the_overlap_both_keys_are_good_and_each_alone() -> None:
    async def overlapping() -> tuple[Rotated, bytes]:
        made = await begun()
        await made.rotate()
        await made.grow()
        return made, await made.dump()

    made, dump = asyncio.run(overlapping())
    assert [verdict(dump, key) for key in made.keys] == ["valid", "valid"]


def test_a_dump_that_ends_in_the_overlap_and_is_made_later_is_good_for_both() -> None:
    async def later() -> tuple[Rotated, bytes]:
        made = await begun()
        await made.rotate()
        await made.appliance.publish_checkpoints.one(str(made.organization_id))
        last = (await made.appliance.ledger.head(str(made.organization_id))).size
        await made.grow()
        await made.retire()
        return made, await made.dump(last=last)

    made, dump = asyncio.run(later())
    assert [verdict(dump, key) for key in made.keys] == ["valid", "valid"]


def test_without_the_checkpoint_of_both_the_old_key_leads_nowhere() -> None:
    """What the server puts into the dump for it is what makes it so."""
    made, dump = asyncio.run(over(1))
    lines = dump.splitlines(keepends=True)
    overlap = [line for line in lines if line.startswith(b'{"checkpoint"')]
    assert len(overlap) == 2
    without = b"".join(line for line in lines if line != overlap[0])
    assert [verdict(without, key) for key in made.keys] == ["invalid", "valid"]


def test_the_system_ledger_is_followed_as_well() -> None:
    async def system() -> tuple[list[str], bytes]:
        made, _ = await over(1)
        export = await made.appliance.export_ledger(SYSTEM, None)
        return made.keys, b"".join([line async for line in export.lines])

    keys, dump = asyncio.run(system())
    assert json.loads(dump.splitlines()[0])["dump"]["origin"] == f"{DEPLOYMENT}/ledgers/{SYSTEM_LEDGER}"
    assert [verdict(dump, key) for key in keys] == ["valid", "valid"]


def test_a_key_that_no_trusted_key_covers_is_not_trusted() -> None:
    """Who can write records, and not sign with the ledger's key, introduces his own key and signs with it."""

    async def forged() -> tuple[str, bytes]:
        made = await begun()
        ledger_id = str(made.organization_id)
        await record_key_event(made.appliance.ledger, made.appliance.clock, ledger_id, THIEF.vkey, KeyEvent.INTRODUCED)
        made.appliance.signer.renew([THIEF])
        return made.keys[0], await made.dump()

    key, dump = asyncio.run(forged())
    assert verdict(dump, key) == "invalid"


def test_a_retired_key_signs_nothing_beyond_its_retirement() -> None:
    """A thief of the old key goes on signing with it: whoever trusts the old key alone is not taken in."""
    made, dump = asyncio.run(over(1))
    lines = dump.splitlines(keepends=True)
    note = json.loads(lines[-2])["checkpoint"]
    text = note.split("\n\n")[0] + "\n"
    old = Ed25519Signer(DEPLOYMENT, SEED)
    assert old.vkey == made.keys[0]
    lines[-2] = json.dumps({"checkpoint": signed_note(text, [old.line(text)])}, ensure_ascii=False).encode() + b"\n"
    assert verdict(b"".join(lines), made.keys[0]) == "invalid"
    assert verdict(b"".join(lines), made.keys[1]) == "invalid"


def test_a_checkpoint_cosigned_before_the_rotation_does_not_stand_in_the_way_of_the_new_key() -> None:
    """The old key alone signed it, which says nothing to who trusts the new one."""

    async def cosigned_long_ago() -> tuple[list[str], bytes]:
        made = await begun()
        ledger_id = str(made.organization_id)
        old = await made.appliance.publish_checkpoints.one(ledger_id)
        assert old is not None
        line = Ed25519Signer("witness.example.com", bytes(32)).line(old.note)
        await made.appliance.anchors.add_cosignature(
            StoredCosignature(ledger_id=ledger_id, size=old.size, witness="w", line=line, time_us=1)
        )
        assert line.encode()[:20] in await made.dump()
        await made.rotate()
        await made.grow()
        await made.retire()
        return made.keys, await made.dump()

    keys, dump = asyncio.run(cosigned_long_ago())
    assert [verdict(dump, key) for key in keys] == ["valid", "valid"]
