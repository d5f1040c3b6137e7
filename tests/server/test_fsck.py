"""fsck names whatever is not as the appliance wrote it: records, columns, tiles, checkpoints, payloads."""

import json
from uuid import UUID

from governlayer_server.domain.access import Scope
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM, Draft
from governlayer_server.domain.organization import Organization
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.fsck_ledger import Fsck
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.seal_payloads import seal_payloads
from governlayer_server.usecases.tile_ledger import TileLedger
from governlayer_server.wiring import open_appliance

from tests.fakes.ledger_place import Place, ask, mine

SIZE = 700


async def fill(place: Place, *, decisions: int = 2, others: int = SIZE) -> Organization:
    """An organization with decisions and their payloads, other records, tiles and two checkpoints."""
    (acme,) = await place.found("acme")
    async with open_appliance(place.settings) as appliance:
        terms = KeyTerms(name="key", scopes=[Scope.GOVERN])
        key = (await appliance.manage_keys.create(SYSTEM, acme.id, terms)).key
        for _ in range(decisions):
            assert (await ask(appliance, place.settings, key)).status_code == 200
    await place.publish(str(acme.id))
    if others:
        await place.grow(acme, others)
        async with open_appliance(place.settings) as appliance:
            await TileLedger(ledger=appliance.ledger).one(str(acme.id))
        await place.publish(str(acme.id))
    return acme


async def erase(place: Place, organization: Organization, first: int, last: int, names: list[str]) -> None:
    """The record of an erasure, whether or not anything was erased."""
    body = {"basis": "gdpr.art17", "names": names, "ranges": [[first, last]]}
    async with open_appliance(place.settings) as appliance:
        draft = Draft(type="erasure", actor=SYSTEM, body=body)
        record_id = new_id(appliance.parts.clock, appliance.parts.entropy)
        await appliance.ledger.append(Append(ledger_id=str(organization.id), record_id=record_id, draft=draft))


def at(found: Fsck) -> set[tuple[str, int | None]]:
    return {(one.step, one.seq) for one in found.findings}


ATTACKS = {
    "type": ("UPDATE ledger_record SET type = 'scan' WHERE {mine} AND seq = 3", {("column", 3)}),
    "agent": ("UPDATE ledger_record SET agent = 'mallory' WHERE {mine} AND seq = 3", {("column", 3)}),
    "decision": ("UPDATE ledger_record SET decision = 'deny' WHERE {mine} AND seq = 3", {("column", 3)}),
    "time": ("UPDATE ledger_record SET time_us = 1 WHERE {mine} AND seq = 9", {("column", 9)}),
    "prev_hash": ("UPDATE ledger_record SET prev_hash = sha256('x') WHERE {mine} AND seq = 9", {("column", 9)}),
    "hash": ("UPDATE ledger_record SET hash = sha256('x') WHERE {mine} AND seq = 9", {("hash", 9)}),
    "tile": ("UPDATE ledger_tile SET hashes = overlay(hashes placing '\\x00'::bytea from 40) WHERE {mine} AND level = 0 AND n = 1",
             {("tile", None)}),
    "upper tile": ("UPDATE ledger_tile SET hashes = overlay(hashes placing '\\x00'::bytea from 40) WHERE {mine} AND level = 1",
                   {("tile", None)}),
    "tile gone": ("DELETE FROM ledger_tile WHERE {mine} AND level = 0 AND n = 0", {("tile", None)}),
    "upper tile short": ("UPDATE ledger_tile SET hashes = substr(hashes, 1, 32) WHERE {mine} AND level = 1", {("tile", None)}),
    "tile too much": ("INSERT INTO ledger_tile SELECT ledger_id, level, 9, hashes FROM ledger_tile WHERE {mine} AND level = 0 AND n = 0",
                      {("tile", None)}),
    "checkpoint": ("UPDATE ledger_checkpoint SET root = sha256('x') WHERE {mine} AND extends = 0", {("checkpoint", None)}),
    "note": ("UPDATE ledger_checkpoint SET note = replace(note, 'gl.example.com', 'gl.example.net') WHERE {mine} AND extends = 0",
             {("checkpoint", None)}),
    "signature": ("UPDATE ledger_checkpoint SET note = regexp_replace(note, '(— \\S+ \\S{{20}}).', '\\1Z') WHERE {mine} AND extends = 0",
                  {("signature", None)}),
    "edge": ("UPDATE ledger SET edge = overlay(edge placing '\\x00'::bytea from 3) WHERE id = '{id}'", {("edge", None)}),
    "payload gone": ("DELETE FROM ledger_payload WHERE {mine} AND seq = 3 AND name = 'content'", {("payload", 3)}),
    "payload changed": ("UPDATE ledger_payload SET sealed = overlay(sealed placing '\\x00'::bytea from length(sealed)) WHERE {mine} AND seq = 3 AND name = 'content'",
                        {("payload", 3)}),
    "payload of another record": ("UPDATE ledger_payload a SET sealed = b.sealed FROM ledger_payload b WHERE a.{mine} AND a.seq = 3 AND b.{mine} AND b.seq = 4 AND a.name = b.name AND a.name = 'content'",
                                  {("payload", 3)}),
    "payload of no record": ("INSERT INTO ledger_payload VALUES ('{id}', 5000, 'content', '')", {("orphan", 5000)}),
    "payload that was not committed to": ("INSERT INTO ledger_payload VALUES ('{id}', 3, 'stray', ''), ('{id}', 9, 'content', '')",
                                          {("orphan", 3), ("orphan", 9)}),
}  # fmt: skip


async def test_what_was_written_is_sound_and_each_change_is_named(place: Place) -> None:
    """One ledger, one change at a time, each undone before the next."""
    acme = await fill(place)
    sound = await place.fsck(acme)
    assert (sound.findings, sound.counts) == ((), {})
    assert sound.checked["checkpoints"] >= 2
    assert sound.checked["tiles"] == SIZE // 256 + 1
    assert sound.checked["payloads"] == 4
    await place.tamper()
    for name, (statement, expected) in ATTACKS.items():
        await place.tables.execute("DROP SCHEMA IF EXISTS kept CASCADE; CREATE SCHEMA kept")
        tables = ("ledger", "ledger_record", "ledger_payload", "ledger_tile", "ledger_checkpoint")
        for table in tables:
            await place.tables.execute(f"CREATE TABLE kept.{table} AS TABLE public.{table}")
        done = await place.tables.execute(statement.format(id=acme.id, mine=mine(acme)))
        assert not done.endswith(" 0"), f"{name}: nothing was changed"
        found = await place.fsck(acme)
        assert at(found) == expected, name
        await place.tables.execute(
            "UPDATE public.ledger SET edge = k.edge FROM kept.ledger k WHERE k.id = public.ledger.id"
        )
        for table in tables[1:]:
            await place.tables.execute(f"DELETE FROM public.{table}")
            await place.tables.execute(f"INSERT INTO public.{table} SELECT * FROM kept.{table}")
    assert (await place.fsck(acme)).is_sound, "all of it was undone"


async def test_a_checkpoint_beyond_the_ledger_is_named(place: Place) -> None:
    acme = await fill(place, others=0)
    await place.tables.execute(
        "INSERT INTO ledger_checkpoint (ledger_id, size, extends, root, note, published_us) "
        f"SELECT ledger_id, 9000, size, root, note, published_us FROM ledger_checkpoint WHERE {mine(acme)} "
        "ORDER BY size DESC LIMIT 1"
    )
    assert at(await place.fsck(acme)) == {("checkpoint", None)}


async def test_a_payload_that_was_erased_on_record_is_missed_by_nobody(place: Place) -> None:
    acme = await fill(place, decisions=3, others=0)
    await place.tamper(f"DELETE FROM ledger_payload WHERE {mine(acme)} AND seq IN (3, 4) AND name = 'content'")
    assert at(await place.fsck(acme)) == {("payload", 3), ("payload", 4)}
    await erase(place, acme, 3, 3, ["content"])
    assert at(await place.fsck(acme)) == {("payload", 4)}
    await erase(place, acme, 0, 4, ["*"])
    found = await place.fsck(acme)
    assert at(found) == {("erasure", 3), ("erasure", 4)}, "the other payload is still there, though erased on record"
    await place.tamper(f"DELETE FROM ledger_payload WHERE {mine(acme)} AND seq < 5")
    assert (await place.fsck(acme)).is_sound


async def test_another_text_sealed_with_the_appliances_own_keys_is_not_what_was_committed_to(place: Place) -> None:
    acme = await fill(place, others=0)
    row = await place.tables.fetchrow(f"SELECT record_id FROM ledger_record WHERE {mine(acme)} AND seq = 3")
    assert row is not None
    async with open_appliance(place.settings) as appliance:
        parts = appliance.parts
        record_id = UUID(int=row["record_id"].int)
        other, _ = await seal_payloads(parts.vault, parts.entropy, acme.id, record_id, {"content": "another text"})
    await place.tables.execute(
        f"UPDATE ledger_payload SET sealed = $1 WHERE {mine(acme)} AND seq = 3 AND name = 'content'", other[0].sealed
    )
    assert at(await place.fsck(acme)) == {("payload", 3)}


async def test_no_finding_repeats_what_a_customer_sent(place: Place) -> None:
    acme = await fill(place, others=0)
    await place.tamper(
        f"UPDATE ledger_record SET agent = 'canary-7', canonical = canonical || 'canary-7' WHERE {mine(acme)} AND seq = 3",
        f"UPDATE ledger_payload SET sealed = 'canary-7' WHERE {mine(acme)} AND seq = 3",
    )
    found = await place.fsck(acme)
    assert {"canonical", "hash", "orphan"} <= found.counts.keys()
    assert "canary-7" not in json.dumps([[one.expected, one.found] for one in found.findings])
    await place.closed()
    async with open_appliance(place.settings) as appliance:
        (refusal,) = await appliance.parts.refusals.of_ledger(str(acme.id))
    assert "canary-7" not in refusal.evidence
    assert b"canary-7" not in next(place.evidence.iterdir()).read_bytes() if place.evidence else False


async def test_the_deployments_own_ledger_is_checked_as_any(place: Place) -> None:
    await place.found("acme")
    async with open_appliance(place.settings) as appliance:
        assert (await appliance.checks.fsck("system", None)).is_sound
    await place.tamper("UPDATE ledger_record SET type = 'x' WHERE ledger_id = 'system' AND seq = 0")
    async with open_appliance(place.settings) as appliance:
        assert at(await appliance.checks.fsck("system", None)) == {("column", 0)}
