"""Where a ledger stands, as it is told and signed."""

import base64
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ledger.chain import genesis_hash
from governlayer_server.ports.ledger import RecordFilter

from tests.fakes.appliance import FakeAppliance


def public_key_of(vkey: str) -> bytes:
    return base64.b64decode(vkey.split("+", 2)[2])[1:]


async def test_the_state_names_size_hashes_and_key(appliance: FakeAppliance) -> None:
    acme = await appliance.start()
    state = await appliance.read_ledger.state(acme.id)
    head = await appliance.ledger.head(str(acme.id))
    assert (state.origin, state.size, state.head_hash) == (head.origin, head.size, head.hash.hex())
    assert state.genesis_hash == genesis_hash(head.origin).hex()
    assert state.keys == [appliance.read_ledger.key]


async def test_a_checkpoint_is_signed_and_the_same_state_gives_the_same_bytes(appliance: FakeAppliance) -> None:
    acme = await appliance.start()
    note = await appliance.read_ledger.checkpoint(acme.id)
    assert note == await appliance.read_ledger.checkpoint(acme.id)
    text, signature_line = note.split("\n\n")
    signature = base64.b64decode(signature_line.split(" ")[2])[4:]
    Ed25519PublicKey.from_public_bytes(public_key_of(appliance.read_ledger.key)).verify(signature, f"{text}\n".encode())


async def test_records_are_read_one_by_one_and_in_pages(appliance: FakeAppliance) -> None:
    acme = await appliance.start()
    records = await appliance.read_ledger.records(acme.id, -1, 10, RecordFilter())
    assert [record.seq for record in records] == [0, 1]
    assert await appliance.read_ledger.record(acme.id, 1) == records[1]


async def test_a_ledger_that_is_not_there_is_not_found(appliance: FakeAppliance) -> None:
    await appliance.start()
    for call in (appliance.read_ledger.state, appliance.read_ledger.checkpoint):
        with pytest.raises(NotFound):
            await call(uuid4())
