"""Retention and exports of data subjects: what the server destroys, keeps and hands out, the verifier accepts."""

import asyncio
import json
from typing import NamedTuple

import pytest
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import DataClassDays, OrganizationSettings
from governlayer_server.domain.times import DAY_US
from governlayer_server.usecases.export_ledger import PAYLOAD_NAMES
from governlayer_server.usecases.manage_holds import HoldTerms
from msgspec.structs import replace

from tests.crosscheck.ledgers import Written
from tests.fakes.appliance import FakeAppliance, action, principal_of

TEXT = "my address is ann@example.org"


class Made(NamedTuple):
    written: Written
    receipts: list[str]


async def _write() -> Made:
    appliance = FakeAppliance()
    acme = await appliance.start()
    days = DataClassDays(findings=200)
    async with appliance.accounts.tenant(acme.id) as tenant:
        await tenant.save_organization(replace(acme, settings=OrganizationSettings(retention_days=300, retention=days)))
    for number in range(40):
        names = [["ann"], ["bob"], ["ann", "bob"], []][number % 4]
        await appliance.govern(principal_of(acme), action(TEXT, data_subjects=names))
    await appliance.manage_holds.create(SYSTEM, acme.id, HoldTerms(reason="a lawsuit", data_subject="ann"))
    for passed in (201, 100):  # findings go first, and then the rest
        appliance.clock.advance(passed * DAY_US)
        await replace(appliance.apply_retention, batch=7)()
    await appliance.govern(principal_of(acme), action(TEXT, data_subjects=["ann"]))
    export = await appliance.export_subject(SYSTEM, acme.id, "ann")
    lines = [json.loads(line) async for line in export.lines]
    receipts = [line["record"]["receipt"] for line in lines if "record" in line]
    state = await appliance.read_ledger.state(acme.id)
    dump = await appliance.dump(acme.id, names=PAYLOAD_NAMES)
    return Made(Written(dump=dump, key=state.keys[0], origin=state.origin, checkpoint="", receipts=()), receipts)


@pytest.fixture(scope="module")
def made() -> Made:
    return asyncio.run(_write())


def test_a_dump_verifies_after_payloads_expired_by_data_class_around_a_hold(made: Made) -> None:
    lines = [json.loads(line) for line in made.written.dump.splitlines()]
    assert sum(line.get("type") == "retention" for line in lines) > 4
    with_payloads = {line["payload"]["seq"] for line in lines if "payload" in line}
    assert len(with_payloads) == 21
    report = made.written.verdict()
    assert report.verdict == "valid", report.as_text()


def test_without_what_retention_says_the_payloads_are_missed(made: Made) -> None:
    lines = made.written.dump.splitlines(keepends=True)
    first = next(line for line in lines if b'"payload"' in line)
    report = made.written.verdict(b"".join(line for line in lines if line != first))
    assert report.verdict != "valid"


def test_the_receipts_of_an_export_verify(made: Made) -> None:
    assert len(made.receipts) == 21
    report = made.written.verdict(receipts=made.receipts)
    assert report.verdict == "valid", report.as_text()
