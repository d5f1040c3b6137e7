"""The doctor names what fails and what mends it, tells no secret, and changes nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from governlayer_server.adapters.embedded.restoring import begin_restore
from governlayer_server.adapters.system.machine import Machine, look_at_machine
from governlayer_server.adapters.tls.authority import Authority
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings import Settings
from governlayer_server.wiring import open_appliance
from governlayer_server.wiring.check import Check
from governlayer_server.wiring.doctor import Patient, examine
from governlayer_server.wiring.machine_checks import machine_checks
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


def machine(**facts: Any) -> Machine:
    usual = {
        "cores": 2, "memory_bytes": 8 << 30, "memory_limit_bytes": 1 << 30, "processes_limit": 256, "cpu_limit": "1.00",
        "core_bytes": 0, "files_limit": 1024, "uid": 10_001, "gid": 10_001, "root_read_only": True,
        "no_new_privileges": True, "capabilities": "0", "in_image": True,
    }  # fmt: skip
    return Machine(**{**usual, **facts})


def seen_in(settings: Settings, **facts: Any) -> dict[str, Check]:
    return {check.name: check for check in machine_checks(settings, machine(**facts))}


@pytest.mark.parametrize(
    ("facts", "said"),
    [({}, None), ({"uid": 0}, "as root"), ({"root_read_only": False}, "can be written"),
     ({"capabilities": "3fffff"}, "capabilities"), ({"no_new_privileges": False}, "gain privileges"),
     ({"capabilities": None, "no_new_privileges": None}, None)],
)  # fmt: skip
def test_a_container_that_is_more_open_than_the_bundles_make_it_is_named(
    settings: Settings, facts: dict[str, Any], said: str | None
) -> None:
    check = seen_in(settings, **facts)["container"]
    assert check.ok is (said is None)
    assert (said or "user 10001, read-only root") in check.detail
    assert "container" not in seen_in(settings, **facts, in_image=False)


@pytest.mark.parametrize(
    ("hours", "mib", "fails"), [(None, 256, False), (None, 255, True), (6, 512, False), (6, 511, True)]
)
def test_too_little_memory_is_named_and_a_backup_needs_more(
    settings: Settings, hours: int | None, mib: int, fails: bool
) -> None:
    backing_up = replace(settings, backups=replace(settings.backups, hours=hours))
    check = seen_in(backing_up, memory_limit_bytes=mib << 20)["memory"]
    assert (check.ok is False) is fails, check
    unlimited = seen_in(backing_up, memory_limit_bytes=None, memory_bytes=mib << 20)["memory"]
    assert (unlimited.ok is False) is fails


def test_a_directory_that_cannot_be_written_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for directory, fine in ((tmp_path, True), (tmp_path / "not" / "there", True), (tmp_path / "file", False)):
        given = replace(settings, ledgers=replace(settings.ledgers, tombstones=directory))
        check = seen_in(given)["directories"]
        assert check.ok is fine, check
        assert fine or f"tombstones: {directory} cannot be written" in check.detail


def test_limits_are_read_from_both_versions_of_control_groups(tmp_path: Path) -> None:
    second, first, none = (tmp_path / name for name in ("v2", "v1", "none"))
    for directory, texts in (
        (second, {"memory.max": "536870912\n", "pids.max": "max\n", "cpu.max": "150000 100000\n"}),
        (first, {"memory/memory.limit_in_bytes": "536870912", "pids/pids.max": "64",
                 "cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000"}),
        (none, {"memory/memory.limit_in_bytes": "9223372036854771712", "cpu/cpu.cfs_quota_us": "-1"}),
    ):  # fmt: skip
        for name, text in texts.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)
    found = [look_at_machine(one) for one in (second, first, none, tmp_path)]
    assert [one.memory_limit_bytes for one in found] == [536_870_912, 536_870_912, None, None]
    assert [one.processes_limit for one in found] == [None, 64, None, None]
    assert [one.cpu_limit for one in found] == ["1.50", "1.50", None, None]
    assert found[0].cores >= 1


async def test_authorities_that_end_soon_are_named(migrated: Settings, tmp_path: Path) -> None:
    old = datetime.now(UTC) - timedelta(days=3_645)
    authority = Authority.create(tmp_path / "ca", now=old)
    trusting = replace(migrated, redis=replace(migrated.redis, ca=authority.certificate_file))
    assert "tls" in failing(await seen(trusting))


async def test_each_host_of_postgresql_is_told_of_and_that_nothing_waits_for_a_standby(
    migrated: Settings, tmp_path: Path
) -> None:
    async with open_appliance(migrated):
        pass
    away = (str(tmp_path), migrated.database.port)
    several = replace(
        migrated,
        database=replace(migrated.database, others=(away,)),
        standbys=replace(migrated.database, host=away[0]),
    )
    checks = await seen(several)
    assert failing(checks) == {"hosts", "standby", "readers"}
    assert f"{migrated.database.host}:{migrated.database.port} is the primary" in checks["hosts"].detail
    assert f"{tmp_path}" in checks["hosts"].detail
    assert "a failover would lose decisions" in checks["standby"].detail
    assert checks["ledgers"].ok
    alone = await seen(migrated)
    assert not {"hosts", "standby", "readers"} & alone.keys()
    one_name = await seen(replace(migrated, standbys=migrated.database))
    assert failing(one_name) == {"standby"}
