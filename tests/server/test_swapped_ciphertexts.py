"""Ciphertexts in the database, moved, swapped, put back or flipped by who can write all of it: none opens (claim 10)."""

import json
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest
from governlayer_server.domain.access import Scope
from governlayer_server.domain.errors import CipherError
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.ports.ledger import SealedPayload
from governlayer_server.usecases.seal_payloads import open_payload
from governlayer_server.wiring import Appliance, open_appliance

from tests.fakes.ledger_place import QUESTION, Place, ask

HEADER = 6 + 16


class Rows:
    """The payloads of two organizations: two records that name ann, one that names bob, one that names nobody."""

    def __init__(self, place: Place, ids: list[UUID]) -> None:
        self.place, self.ids = place, ids

    async def all(self, number: int) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self.place.tables.fetch(
            "SELECT p.ledger_id, p.seq, p.name, p.sealed, r.record_id FROM ledger_payload p "
            "JOIN ledger_record r USING (ledger_id, seq) WHERE p.ledger_id = $1 ORDER BY seq, name",
            str(self.ids[number]),
        )
        return rows

    async def opens(self, appliance: Appliance, row: asyncpg.Record, sealed: bytes, number: int = 0) -> bool:
        stored = SealedPayload(name=row["name"], sealed=sealed)
        try:
            await open_payload(appliance.parts.vault, self.ids[number], UUID(int=row["record_id"].int), stored)
        except CipherError:
            return False
        return True


@pytest.fixture
async def rows(place: Place) -> Rows:
    organizations = await place.found("acme", "other")
    async with open_appliance(place.settings) as appliance:
        for organization in organizations:
            terms = KeyTerms(name="key", scopes=[Scope.GOVERN])
            key = (await appliance.manage_keys.create(SYSTEM, organization.id, terms)).key
            for subjects in (["ann"], ["ann"], ["bob"], []):
                answer = await ask(appliance, place.settings, key, {**QUESTION, "data_subjects": subjects})
                assert answer.status_code == 200, json.dumps(answer.json())
    return Rows(place, [organization.id for organization in organizations])


def of(rows: list[asyncpg.Record], name: str) -> list[asyncpg.Record]:
    return [row for row in rows if row["name"] == name]


async def moved_to_another_record(rows: Rows, appliance: Appliance) -> list[bool]:
    ann, again, *_ = of(await rows.all(0), "content")
    return [await rows.opens(appliance, ann, again["sealed"]), await rows.opens(appliance, again, ann["sealed"])]


async def moved_to_another_column(rows: Rows, appliance: Appliance) -> list[bool]:
    mine = await rows.all(0)
    content, context = of(mine, "content")[0], of(mine, "context")[0]
    return [
        await rows.opens(appliance, content, context["sealed"]),
        await rows.opens(appliance, context, content["sealed"]),
    ]


async def moved_to_another_organization(rows: Rows, appliance: Appliance) -> list[bool]:
    mine, theirs = await rows.all(0), await rows.all(1)
    return [
        await rows.opens(appliance, one, other["sealed"], number)
        for ours, others, number in ((mine, theirs, 0), (theirs, mine, 1))
        for one, other in zip(ours, others, strict=True)
    ]


async def said_to_name_somebody_else(rows: Rows, appliance: Appliance) -> list[bool]:
    ann, _, bob, nobody = of(await rows.all(0), "content")
    swapped = ann["sealed"][: HEADER - 16] + bob["sealed"][HEADER - 16 : HEADER] + ann["sealed"][HEADER:]
    without = ann["sealed"][:5] + b"\x00" + ann["sealed"][HEADER:]
    added = nobody["sealed"][:5] + b"\x01" + ann["sealed"][6:HEADER] + nobody["sealed"][6:]
    return [
        await rows.opens(appliance, ann, swapped),
        await rows.opens(appliance, ann, without),
        await rows.opens(appliance, nobody, added),
    ]


async def said_to_be_of_another_version(rows: Rows, appliance: Appliance) -> list[bool]:
    ann, *_, nobody = of(await rows.all(0), "content")
    return [
        await rows.opens(appliance, row, changed)
        for row in (ann, nobody)
        for changed in (
            b"\x01" + row["sealed"][1:],
            b"\x01" + row["sealed"][6:],
            b"\x01" + row["sealed"][HEADER:],
            row["sealed"][:1] + (2).to_bytes(4, "big") + row["sealed"][5:],
            row["sealed"][:1] + bytes(4) + row["sealed"][5:],
        )
    ]


async def flipped(rows: Rows, appliance: Appliance) -> list[bool]:
    draw, results = random.Random(1), []
    for row in await rows.all(0):
        for _ in range(40):
            changed = bytearray(row["sealed"])
            changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
            results.append(await rows.opens(appliance, row, bytes(changed)))
    return results


@pytest.mark.parametrize(
    "attack",
    [
        moved_to_another_record,
        moved_to_another_column,
        moved_to_another_organization,
        said_to_name_somebody_else,
        said_to_be_of_another_version,
        flipped,
    ],
)
async def test_no_ciphertext_opens_where_it_was_not_put(
    place: Place, rows: Rows, attack: Callable[[Rows, Appliance], Awaitable[list[bool]]]
) -> None:
    async with open_appliance(place.settings) as appliance:
        for number in (0, 1):
            for row in await rows.all(number):
                assert await rows.opens(appliance, row, row["sealed"], number), "as it was put, each opens"
        opened = await attack(rows, appliance)
    assert opened
    assert not any(opened)


async def test_a_payload_of_a_destroyed_subject_key_opens_no_more_though_it_is_still_there(
    place: Place, rows: Rows
) -> None:
    await place.tables.execute(
        "DELETE FROM subject_key WHERE id = (SELECT subject_id FROM ledger_subject WHERE ledger_id = $1 "
        "GROUP BY subject_id HAVING count(*) = 2)", str(rows.ids[0]),
    )  # fmt: skip
    async with open_appliance(place.settings) as appliance:
        opened = [await rows.opens(appliance, row, row["sealed"]) for row in of(await rows.all(0), "content")]
    assert opened == [False, False, True, True]
