"""An appliance told of anchors goes to them by itself, says how they fare, and answers whatever they do."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.adapters.postgres.checkpoints import PostgresCheckpointStore
from governlayer_server.adapters.system import SystemClock
from governlayer_server.adapters.witness.state import SqliteWitnessState
from governlayer_server.domain.ledger.note import COSIGNATURE, VerifierKey, parse_checkpoint, parse_verifier_key
from governlayer_server.domain.ledger.tree import root
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.times import HOUR_US
from governlayer_server.ports.checkpoints import Checkpoint
from governlayer_server.settings import AnchorSettings, Settings
from governlayer_server.settings.anchors import TimestampSettings, WitnessSettings
from governlayer_server.usecases.sign_checkpoint import sign_checkpoint
from governlayer_server.usecases.witness_checkpoint import WitnessCheckpoint
from governlayer_server.web.edge import Edge
from governlayer_server.web.links import Links
from governlayer_server.wiring import Appliance, open_appliance
from msgspec.structs import replace

from tests.fakes.canned_http import canned, http
from tests.fakes.timestamp_authority import OpensslAuthority
from tests.server.usecases.anchors_world import DirectWitness

TOKEN = "T1o2k3e4n5-abcdefghijklmnopqrstuvwxyz0123456"
PATIENCE_S = 30.0


@dataclass
class Outside:
    """The anchors, and what they are told by."""

    settings: AnchorSettings
    witness: list[DirectWitness]
    directory: Path
    log: socket.socket


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Outside]:
    authority = OpensslAuthority(tmp_path / "tsa")
    signer, witness = Ed25519Signer("witness.example.com", b"w" * 32), list[DirectWitness]()

    async def cosign(body: bytes) -> bytes:
        answer = await witness[0].add_checkpoint(body.decode())
        return http(answer.status, answer.text.encode())

    async def stamp(body: bytes) -> bytes:
        return http(200, await authority.answer(body))

    (tmp_path / "notes").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(tmp_path / "log"))
        log.setblocking(False)  # noqa: FBT003
        async with canned(cosign) as witness_port, canned(stamp) as tsa_port:
            key = VerifierKey(name=signer.name, kind=COSIGNATURE, public_key=signer.public_key)
            settings = AnchorSettings(
                witnesses=(WitnessSettings(name="w1", key=key, url=f"http://127.0.0.1:{witness_port}"),),
                directory=tmp_path / "notes",
                syslog=str(tmp_path / "log"),
                timestamps=TimestampSettings(
                    url=f"http://127.0.0.1:{tsa_port}", roots=authority.ca, interval_us=HOUR_US
                ),
            )
            yield Outside(settings, witness, tmp_path / "notes", log)


def witness_for(key: str, directory: Path) -> DirectWitness:
    return DirectWitness(
        WitnessCheckpoint(
            logs=[parse_verifier_key(key)], state=SqliteWitnessState(directory / "witness.sqlite"),
            signer=Ed25519Signer("witness.example.com", b"w" * 32), verify=verify_ed25519, clock=SystemClock(),
        )
    )  # fmt: skip


async def publish(appliance: Appliance, ledger_id: str) -> Checkpoint:
    store = PostgresCheckpointStore(appliance.parts.database)
    head, newest = await appliance.ledger.head(ledger_id), await store.newest(ledger_id)
    published = Checkpoint(
        ledger_id=ledger_id, size=head.size, root=root(head.edge), note=sign_checkpoint(appliance.parts.signer, head),
        published_us=appliance.parts.clock.now_us(), extends=newest.size if newest else 0,
    )  # fmt: skip
    await store.add(published)
    return published


async def within_patience(holds: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110  # it is told by nobody
            await asyncio.sleep(0.05)


async def test_all_anchors_get_what_is_published(migrated: Settings, outside: Outside, tmp_path: Path) -> None:
    settings = replace(migrated, anchors=outside.settings, edge=Edge(metrics_token=TOKEN))
    async with open_appliance(settings) as appliance:
        outside.witness.append(witness_for(appliance.read_ledger.key, tmp_path))
        app = await appliance.application(settings, Links("http://test"))
        organization = await appliance.create_organization("Acme", Plan.PRO, "ann@example.com", None)
        ledger_id = str(organization.id)
        published = await publish(appliance, ledger_id)

        async def is_cosigned() -> bool:
            return await appliance.read_ledger.cosigned.newest(ledger_id, published.size) is not None

        await within_patience(is_cosigned)
        note = parse_checkpoint(await appliance.read_ledger.cosigned_checkpoint(organization.id))
        assert (note.size, note.root) == (published.size, published.root)

        async def is_kept() -> bool:
            return len(list(outside.directory.glob(f"*/{published.size}.note"))) > 0

        await within_patience(is_kept)
        logged = json.loads((await asyncio.get_running_loop().sock_recv(outside.log, 65_536)).rstrip(b"\0")[17:])
        assert parse_checkpoint(logged["checkpoint"]).origin.startswith(f"{settings.deployment}/ledgers/")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            await assert_told(client)
        facts = {fact.kind.value: fact.last_us for fact in await appliance.anchors.recalled()}
        assert facts["witness"]


async def assert_told(client: httpx.AsyncClient) -> None:
    plain, verbose = (await client.get("/readyz")).json(), (await client.get("/readyz?verbose")).json()
    assert "anchors" not in plain
    told: dict[str, Any] = {one["kind"]: one for one in verbose["anchors"]}
    assert set(told) == {"witness", "directory", "syslog", "timestamps"}
    assert all(told[kind]["last"] and told[kind]["fault"] is None for kind in ("witness", "directory", "syslog"))
    figures = (await client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})).text
    assert 'governlayer_anchor_failing{anchor="witness:w1"} 0.0' in figures
    assert 'governlayer_anchor_age_seconds{anchor="timestamps:rfc3161"} +Inf' in figures


async def test_without_its_witness_an_appliance_is_ready_all_the_same(migrated: Settings, outside: Outside) -> None:
    key = outside.settings.witnesses[0].key
    gone = AnchorSettings(witnesses=(WitnessSettings(name="gone", key=key, url="http://127.0.0.1:9"),))
    settings = replace(migrated, anchors=gone)
    async with open_appliance(settings) as appliance:
        app = await appliance.application(settings, Links("http://test"))
        await publish(appliance, "system")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:

            async def is_failing() -> bool:
                answer = await client.get("/readyz?verbose")
                assert answer.status_code == 200
                return bool(answer.json()["anchors"][0]["fault"] == "unreachable")

            await within_patience(is_failing)


async def test_an_appliance_told_of_none_connects_to_nobody(
    migrated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_appliance(migrated) as appliance:
        assert migrated.anchors == AnchorSettings()
        assert appliance.anchors() == []
