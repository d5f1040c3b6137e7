"""Erasures over the real PostgreSQL and the real vault: dumps, fsck, remnants in files, restores."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.settings import LedgerSettings, Settings
from governlayer_server.usecases.evaluate import Evaluate
from governlayer_server.usecases.govern import Govern
from governlayer_server.wiring import Appliance, open_appliance
from msgspec.structs import replace

from tests.fakes.appliance import action, principal_of
from tests.fakes.policy_engine import ScriptedEngine
from tests.fakes.servers import Servers, address

BASIS = "GDPR Art. 17(1)(a)"
NAMES = ["arguments", "content", "context", "findings"]


class Office:
    def __init__(self, appliance: Appliance, organization: Organization) -> None:
        self.appliance = appliance
        self.organization = organization
        self.id = organization.id
        self.govern = Govern(
            evaluate=Evaluate(engine=ScriptedEngine("allow"), clock=appliance.parts.clock),
            ledger=appliance.ledger,
            running=appliance.manage_keys.once.running,
            signer=appliance.parts.signer,
            **appliance.parts.common,
        )

    async def decide(self, *names: str, text: str = "text") -> UUID:
        answered = await self.govern(principal_of(self.organization), action(text, data_subjects=list(names)), None)
        return UUID(answered.decision.decision_id)

    async def dump(self) -> list[dict[str, object]]:
        export = await self.appliance.export_ledger(SYSTEM, self.id, names=NAMES)
        return [json.loads(line) async for line in export.lines]


@pytest.fixture
async def office(migrated: Settings, migrated_database: Servers, tmp_path: Path) -> AsyncIterator[Office]:
    admin = replace(address(migrated_database.admin), database=migrated_database.app.database)
    kept = LedgerSettings(tombstones=tmp_path / "tombstones")
    async with open_appliance(replace(migrated, ledgers=kept, maintenance=admin)) as appliance:
        organization = await appliance.create_organization("Acme", Plan.PRO, "owner@example.com", None)
        yield Office(appliance, organization)


async def test_a_dump_has_no_payload_of_what_was_erased_and_all_others(office: Office) -> None:
    for names in (("ann",), ("bob",), ("ann", "bob"), ()):
        await office.decide(*names)
    erased = await office.appliance.erasures.erase.subject(SYSTEM, office.id, "ann", BASIS)
    lines = await office.dump()
    with_payloads = {line["payload"]["seq"] for line in lines if "payload" in line}  # type: ignore[index]
    covered = {seq for first, last in erased.erasure.tombstone.ranges for seq in range(first, last + 1)}
    decided = {line["seq"] for line in lines if line.get("type") == "decision"}
    assert with_payloads == decided - covered
    assert len(covered) == 2
    assert (office.appliance.erasures.tombstones) is not None
    listed = [one async for one in office.appliance.erasures.tombstones.read()]
    assert listed == [erased.erasure.tombstone]
    with pytest.raises(NotFound):
        await office.appliance.erasures.erase.subject(SYSTEM, office.id, "carol", BASIS)
