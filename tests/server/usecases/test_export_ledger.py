"""Dumps: recorded before their first byte, complete, and never signed over what was changed."""

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from governlayer_server.domain.errors import InvalidRequest, LedgerUnavailable, NotFound
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.usecases.export_ledger import Export, in_chunks
from msgspec.structs import replace

from tests.fakes.appliance import FakeAppliance, action, principal_of
from tests.fakes.cosigned import publish_cosigned

EMAIL = "ann.miller@example.org"


@pytest.fixture
async def acme(appliance: FakeAppliance) -> Organization:
    made = await appliance.start()
    for number in range(6):
        request = action(f"{number} {EMAIL}", action={"name": "n", "arguments": {"number": number}})
        await appliance.govern(principal_of(made), request)
    return made


def lines_of(dump: bytes) -> list[dict[str, Any]]:
    assert dump.endswith(b"\n")
    return [json.loads(line) for line in dump.splitlines()]


async def refused_dump(export: Export) -> list[bytes]:
    """What is given out of a dump that is then refused."""
    given: list[bytes] = []

    async def read() -> None:
        async for line in export.lines:
            given.append(line)  # noqa: PERF401  # what came before the refusal is looked at

    with pytest.raises(LedgerUnavailable):
        await read()
    return given


async def test_a_dump_holds_every_record_up_to_its_own_and_ends_signed(
    appliance: FakeAppliance, acme: Organization
) -> None:
    lines = lines_of(await appliance.dump(acme.id))
    head = await appliance.ledger.head(str(acme.id))
    records = [line for line in lines if "actor" in line]
    assert [record["seq"] for record in records] == list(range(head.size))
    assert records[-1]["type"] == "export"
    assert records[-1]["body"] == {"first": 0, "format": "gldump", "last": None, "payloads": []}
    assert lines[0]["dump"]["last"] == head.size - 1
    assert lines[-2]["checkpoint"].startswith(f"{head.origin}\n{head.size}\n")
    assert lines[-1] == {"end": {"head_hash": head.hash.hex(), "records": head.size}}


async def test_payloads_are_disclosed_by_name_only(appliance: FakeAppliance, acme: Organization) -> None:
    assert EMAIL.encode() not in await appliance.dump(acme.id)
    lines = lines_of(await appliance.dump(acme.id, names=["content", "arguments", "content"]))
    assert lines[0]["dump"]["payloads"] == ["arguments", "content"]
    payloads = [line["payload"] for line in lines if "payload" in line]
    assert {one["name"] for one in payloads} == {"content", "arguments"}
    assert len(payloads) == 12
    for line, following in pairwise(lines):
        if "payload" in following:
            previous = line.get("payload", line)
            assert previous["seq"] == following["payload"]["seq"]


async def test_a_dump_may_end_earlier(appliance: FakeAppliance, acme: Organization) -> None:
    for last in (-1, 0, 3):
        lines = lines_of(await appliance.dump(acme.id, last=last))
        assert [line["seq"] for line in lines if "actor" in line] == list(range(last + 1))
        notes = [line["checkpoint"] for line in lines if "checkpoint" in line]
        assert [note.split("\n")[1] for note in notes] == ([str(last + 1)] if last >= 0 else [])
        assert lines[-1]["end"]["records"] == last + 1


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"first": -1}, "/first"),
        ({"first": 1, "last": 0}, "/first"),
        ({"first": 1, "last": -1}, "/first"),
        ({"first": 1_000}, "/first"),
        ({"resume_at": 1}, "/last"),
        ({"resume_at": 4, "last": 3}, "/range"),
        ({"resume_at": -1, "last": 3}, "/range"),
        ({"resume_at": 0, "last": -1}, "/range"),
        ({"first": 2, "resume_at": 1, "last": 3}, "/range"),
        ({"last": -2}, "/last"),
        ({"last": 1_000}, "/last"),
        ({"names": ["content", "password"]}, "/payloads"),
        ({"names": [""]}, "/payloads"),
    ],
)
async def test_a_range_or_name_that_is_not_there_is_refused_and_not_recorded(
    appliance: FakeAppliance, acme: Organization, options: dict[str, Any], pointer: str
) -> None:
    before = await appliance.ledger.head(str(acme.id))
    with pytest.raises(InvalidRequest) as refused:
        await appliance.export_ledger(SYSTEM, acme.id, **options)
    assert [fault.pointer for fault in refused.value.faults] == [pointer]
    assert await appliance.ledger.head(str(acme.id)) == before


async def test_an_export_that_cannot_be_recorded_discloses_nothing(
    appliance: FakeAppliance, acme: Organization
) -> None:
    appliance.ledger.failure = LedgerUnavailable("away")
    with pytest.raises(LedgerUnavailable):
        await appliance.export_ledger(SYSTEM, acme.id)


async def test_there_is_no_dump_of_an_unknown_ledger(appliance: FakeAppliance) -> None:
    with pytest.raises(NotFound):
        await appliance.export_ledger(SYSTEM, uuid4())


@pytest.mark.parametrize("last", [None, 5, 7])
@pytest.mark.parametrize("rehash", [False, True])
async def test_records_that_were_changed_in_the_database_are_never_signed(
    appliance: FakeAppliance, acme: Organization, last: int | None, rehash: bool
) -> None:
    record = await appliance.ledger.record(str(acme.id), 4)
    canonical = record.canonical.replace(b'"allow"', b'"deny"')
    assert canonical != record.canonical
    changed_hash = sha256(canonical).digest() if rehash else record.hash
    appliance.ledger.replace(str(acme.id), replace(record, canonical=canonical, hash=changed_hash))
    export = await appliance.export_ledger(SYSTEM, acme.id, last=last)
    given = await refused_dump(export)
    assert len(given) >= 5
    assert not any(b'"checkpoint"' in line or b'"end"' in line for line in given)


@pytest.mark.parametrize("last", [None, 5])
async def test_records_that_are_missing_in_the_database_are_never_signed(
    appliance: FakeAppliance, acme: Organization, last: int | None
) -> None:
    rows = appliance.ledger._ledgers[str(acme.id)].rows
    del rows[5]
    export = await appliance.export_ledger(SYSTEM, acme.id, last=last)
    given = await refused_dump(export)
    assert not any(b'"checkpoint"' in line or b'"end"' in line for line in given)


async def test_an_early_dump_is_signed_only_as_part_of_the_whole(appliance: FakeAppliance, acme: Organization) -> None:
    """A row changed in the part that is dumped must not be signed, though the end of the ledger is not in the dump."""
    record = await appliance.ledger.record(str(acme.id), 2)
    canonical = record.canonical.replace(b'"allow"', b'"deny"')
    appliance.ledger.replace(str(acme.id), replace(record, canonical=canonical, hash=sha256(canonical).digest()))
    export = await appliance.export_ledger(SYSTEM, acme.id, last=2)
    given = await refused_dump(export)
    assert not any(b'"checkpoint"' in line or b'"end"' in line for line in given)


async def test_a_dump_may_start_later_and_roots_itself(appliance: FakeAppliance, acme: Organization) -> None:
    for first, last in ((1, 3), (3, 3), (5, None)):
        lines = lines_of(await appliance.dump(acme.id, first=first, last=last))
        head = await appliance.prove_ledger.head(str(acme.id), lines[0]["dump"]["last"] + 1)
        records = [line["seq"] for line in lines if "actor" in line]
        assert records == list(range(first, head.size))
        assert [next(iter(line)) for line in lines[-3:]] == ["inclusion", "checkpoint", "end"]
        assert (lines[-3]["inclusion"]["seq"], lines[-3]["inclusion"]["size"]) == (first, head.size)
        assert lines[-1] == {"end": {"head_hash": head.hash.hex(), "records": len(records)}}


async def test_a_dump_that_starts_later_is_tied_to_what_was_cosigned_before(
    appliance: FakeAppliance, acme: Organization
) -> None:
    await publish_cosigned(appliance, acme.id, 1, 2, 7)
    lines = lines_of(await appliance.dump(acme.id, first=3, last=5))
    assert [next(iter(line)) for line in lines[4:]] == ["inclusion", "consistency", "checkpoint", "checkpoint", "end"]
    assert (lines[5]["consistency"]["from"], lines[5]["consistency"]["to"]) == (2, 6)
    assert lines[6]["checkpoint"].split("\n")[1] == "2"
    lines = lines_of(await appliance.dump(acme.id, first=2, last=7))
    assert [next(iter(line)) for line in lines[7:]] == ["inclusion", "checkpoint", "checkpoint", "end"]


@pytest.mark.parametrize("first", [0, 2])
async def test_a_dump_that_was_cut_off_is_gone_on_with(
    appliance: FakeAppliance, acme: Organization, first: int
) -> None:
    names = ["content", "arguments"]
    whole = (await appliance.dump(acme.id, first=first, last=7, names=names)).splitlines(keepends=True)
    for seq in range(first, 8):
        before = next(i for i, line in enumerate(whole) if f'"seq":{seq},"time"'.encode() in line)
        rest = await appliance.dump(acme.id, first=first, last=7, names=names, resume_at=seq)
        assert b"".join(whole[:before]) + rest == b"".join(whole)
    newest = json.loads(appliance.ledger.canonical(str(acme.id))[-1])
    assert newest["type"] == "export"
    assert newest["body"] == {"first": 7, "format": "gldump", "last": 7, "payloads": sorted(names)}


async def test_lines_are_joined_and_nothing_is_lost() -> None:
    async def lines() -> AsyncIterator[bytes]:
        for number in range(3_000):
            yield b"%d\n" % number * 20

    expected = b"".join([line async for line in lines()])
    chunks = [chunk async for chunk in in_chunks(lines())]
    assert b"".join(chunks) == expected
    assert chunks[0] == b"0\n" * 20, "the first line goes at once"
    assert len(chunks) == 1 + -(-(len(expected) - len(chunks[0])) // 65_536)
    assert max(map(len, chunks)) < 65_536 + 200
    assert [chunk async for chunk in in_chunks(_nothing())] == []


async def _nothing() -> AsyncIterator[bytes]:
    for line in ():
        yield line
