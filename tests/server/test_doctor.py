"""The doctor names what fails and what mends it, tells no secret, and changes nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from governlayer_server.adapters.embedded.restoring import begin_restore
from governlayer_server.adapters.tls.authority import Authority
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings import Settings
from governlayer_server.wiring import open_appliance
from governlayer_server.wiring.doctor import Check, Patient, examine
from msgspec.structs import replace

from tests.fakes.ledger_place import Place

START = "governlayer up --data somewhere"


async def seen(usual: Settings, **patient: Any) -> dict[str, Check]:
    values = {"settings": lambda: usual, "start": START, "data": None, "certificates": (), **patient}
    checks: Sequence[Check] = await examine(Patient(**values), lambda *_: None)
    assert len({check.name for check in checks}) == len(checks)
    return {check.name: check for check in checks}


def failing(checks: dict[str, Check]) -> set[str]:
    return {name for name, check in checks.items() if check.ok is False}


async def test_nothing_fails_where_nothing_is_wrong(place: Place, tmp_path: Path) -> None:
    await place.found("acme")
    before = await sizes(place)
    checks = await seen(place.settings, data=tmp_path)
    assert failing(checks) == set(), checks
    assert {"secrets", "redis", "postgresql", "migrations", "clock", "ledgers", "checkpoints", "disk"} <= checks.keys()
    assert await sizes(place) == before


async def sizes(place: Place) -> list[Any]:
    return [tuple(row) for row in await place.tables.fetch("SELECT id, size FROM ledger ORDER BY id")]


async def test_each_store_that_is_away_is_named_with_what_starts_it(migrated: Settings, tmp_path: Path) -> None:
    async with open_appliance(migrated):
        pass
    nowhere = replace(migrated, redis=replace(migrated.redis, socket=str(tmp_path / "none")))
    assert failing(await seen(nowhere)) == {"redis"}
    nowhere = replace(migrated, database=replace(migrated.database, host=str(tmp_path)))
    checks = await seen(nowhere)
    assert failing(checks) == {"postgresql"}
    assert checks["postgresql"].mend == START
    assert checks["ledgers"].ok is None


async def test_a_deployment_that_was_never_founded_is_named_and_not_founded(place: Place) -> None:
    assert "ledgers" in failing(await seen(place.settings))
    assert await place.tables.fetchval("SELECT count(*) FROM deployment") == 0
    assert await sizes(place) == []


async def test_missing_migrations_are_named(settings: Settings) -> None:
    checks = await seen(settings)
    assert failing(checks) == {"migrations"}
    assert checks["migrations"].mend == "governlayer migrate"
    assert checks["ledgers"].ok is None


async def test_settings_that_are_refused_are_named_and_not_repeated(settings: Settings) -> None:
    def refused() -> Settings:
        raise ConfigurationError("the pepper must be 32 random bytes in base64")

    checks = await seen(settings, settings=refused)
    assert failing(checks) == {"secrets"}
    assert "pepper" in checks["secrets"].detail


async def test_a_restore_that_has_not_ended_is_named_with_what_ends_it(settings: Settings, tmp_path: Path) -> None:
    directory = begin_restore(tmp_path / "new", "20300101T000000Z-00000000")
    checks = await seen(settings, data=directory.path)
    assert failing(checks) == {"restore"}
    assert "secrets" not in checks
    assert "--backup 20300101T000000Z-00000000 --data" in (checks["restore"].mend or "")


@pytest.mark.parametrize(("days", "fails"), [(200, False), (15, False), (10, True), (-1, True)])
async def test_a_certificate_that_ends_soon_is_named(
    migrated: Settings, tmp_path: Path, days: int, fails: bool
) -> None:
    authority = Authority.create(tmp_path / "ca", now=datetime.now(UTC) - timedelta(days=400))
    made = datetime.now(UTC) - timedelta(days=365 - days)
    certificate, _ = authority.issue_server("server", ["localhost"], 365, now=made)
    checks = await seen(migrated, certificates=[certificate])
    assert (checks["tls"].ok is False) is fails
    assert "governlayer tls renew" in (checks["tls"].mend or "")


async def test_a_certificate_that_cannot_be_read_is_named(migrated: Settings, tmp_path: Path) -> None:
    (tmp_path / "no.crt").write_text("nothing")
    for file in (tmp_path / "none.crt", tmp_path / "no.crt"):
        assert "tls" in failing(await seen(migrated, certificates=[file]))


async def test_a_ledger_that_is_damaged_is_named_and_not_closed(place: Place) -> None:
    (acme,) = await place.found("acme")
    await place.tamper(f"UPDATE ledger SET head_time_us = head_time_us + 1 WHERE id = '{acme.id}'")
    checks = await seen(place.settings)
    assert failing(checks) == {"ledgers"}
    assert str(acme.id) in checks["ledgers"].detail
    assert f"governlayer ledger fsck --org {acme.id}" in (checks["ledgers"].mend or "")
    async with open_appliance(place.settings) as appliance:
        assert appliance.parts.refusals.closed == frozenset()


async def test_a_record_that_waits_too_long_for_its_checkpoint_is_named(place: Place) -> None:
    (acme,) = await place.found("acme")
    await place.publish(str(acme.id))
    await place.publish("system")
    await place.grow(acme, 1)
    assert failing(await seen(place.settings)) == set()
    await place.tamper(
        f"UPDATE ledger_record SET time_us = time_us - 700000000 WHERE ledger_id = '{acme.id}' AND type = 'decision.outcome'"
    )
    assert failing(await seen(place.settings)) == {"checkpoints"}
