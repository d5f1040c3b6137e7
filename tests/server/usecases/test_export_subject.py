"""Exports of a data subject: all that names it and nothing else, verifiable, and on record first."""

import hmac
import json
from hashlib import sha256
from typing import Any

import pytest
from governlayer_server.domain.errors import LedgerUnavailable, NotFound
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.usecases.answer_once import Once
from governlayer_server.usecases.manage_holds import HoldTerms

from tests.fakes.appliance import FakeAppliance, action, principal_of


class Desk:
    """An organization that is asked what it knows of people."""

    def __init__(self, appliance: FakeAppliance, organization: Organization) -> None:
        self.appliance = appliance
        self.organization = organization
        self.id = organization.id

    async def decide(self, text: str, *names: str) -> int:
        answered = await self.appliance.govern(principal_of(self.organization), action(text, data_subjects=list(names)))
        assert answered.decision.ledger is not None
        return answered.decision.ledger.seq

    async def export(self, name: str, once: Once | None = None) -> list[dict[str, Any]]:
        export = await self.appliance.export_subject(SYSTEM, self.id, name, once)
        return [json.loads(line) async for line in export.lines]

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.appliance.ledger.canonical(str(self.id))]


@pytest.fixture
async def desk() -> Desk:
    appliance = FakeAppliance()
    return Desk(appliance, await appliance.start())


async def test_it_holds_all_that_names_the_data_subject_and_nothing_else(desk: Desk) -> None:
    first = await desk.decide("about ann", "ann")
    await desk.decide("about bob", "bob")
    both = await desk.decide("about both", "bob", "ann")
    head, *records, end = await desk.export("ann")
    assert [one["record"]["seq"] for one in records] == [first, both]
    texts = [[json.loads(each["text"]) for each in one["record"]["payloads"]] for one in records]
    assert [[each[0]["text"] for each in one if isinstance(each, list)] for one in texts] == [
        ["about ann"],
        ["about both"],
    ]
    assert head["subject_export"]["data_subject"] == "ann"
    assert (head["subject_export"]["records"], end) == (2, {"end": {"records": 2}})
    assert "about bob" not in json.dumps(records)


async def test_each_record_is_the_ledgers_and_each_payload_is_the_one_it_commits_to(desk: Desk) -> None:
    seq = await desk.decide("about ann", "ann")
    (one,) = [line["record"] for line in await desk.export("ann") if "record" in line]
    assert one["canonical"] == desk.records()[seq]
    canonical = desk.appliance.ledger.canonical(str(desk.id))[seq]
    assert one["hash"] == sha256(canonical).hexdigest()
    commitments = one["canonical"]["commitments"]
    assert {each["name"] for each in one["payloads"]} == set(commitments)
    for each in one["payloads"]:
        nonce = bytes.fromhex(each["nonce"])
        assert hmac.digest(nonce, each["text"].encode(), "sha256").hex() == commitments[each["name"]]


async def test_it_is_recorded_without_the_name_before_its_first_byte(desk: Desk) -> None:
    seq = await desk.decide("about ann", "ann")
    subject = await desk.appliance.vault.find_subject(desk.id, "ann")
    await desk.appliance.export_subject(SYSTEM, desk.id, "ann")
    record = desk.records()[-1]
    assert (record["type"], record["body"]) == ("export", {
        "first": seq, "format": "subject", "last": seq, "payloads": ["arguments", "content", "context", "findings"],
        "records": 1, "subject": str(subject),
    })  # fmt: skip
    desk.appliance.ledger.failure = LedgerUnavailable("away")
    with pytest.raises(LedgerUnavailable):
        await desk.appliance.export_subject(SYSTEM, desk.id, "ann")


async def test_of_whom_nothing_is_known_there_is_no_export_and_no_record(desk: Desk) -> None:
    other = Desk(desk.appliance, await desk.appliance.start("Other"))
    await other.decide("about ann", "ann")
    await desk.decide("about bob", "bob")
    await desk.appliance.erase.subject(SYSTEM, desk.id, "bob", "law")
    await desk.appliance.manage_holds.create(SYSTEM, desk.id, HoldTerms(reason="why", data_subject="dora"))
    size = len(desk.records())
    for name in ("ann", "bob", "carol", "dora"):
        with pytest.raises(NotFound, match="no data of this data subject"):
            await desk.export(name)
    assert len(desk.records()) == size


async def test_the_same_question_gives_the_same_export_and_no_second_record(desk: Desk) -> None:
    await desk.decide("about ann", "ann")
    first = await desk.export("ann", Once(key="k", body=b"b"))
    await desk.decide("later", "ann")
    size = len(desk.records())
    assert await desk.export("ann", Once(key="k", body=b"b")) == first
    assert len(desk.records()) == size
    assert len(await desk.export("ann")) == len(first) + 1


async def test_an_export_that_meets_an_erasure_has_no_end(desk: Desk) -> None:
    for _ in range(2):
        await desk.decide("about ann", "ann")
    export = await desk.appliance.export_subject(SYSTEM, desk.id, "ann")
    lines = [await anext(export.lines)]
    await desk.appliance.erase.subject(SYSTEM, desk.id, "ann", "law")
    lines += [line async for line in export.lines]
    assert b"about ann" not in b"".join(lines)
