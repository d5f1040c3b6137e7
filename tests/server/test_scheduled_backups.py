"""Backups in the background: when it is time, by one at a time; old ones go; figures and the doctor know the age."""

from pathlib import Path

import pytest
from governlayer_server.adapters.system import SystemClock
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.times import HOUR_US
from governlayer_server.settings import PREFIX, backups_from
from governlayer_server.settings.backups import BackupSettings, destination_from, owner_from
from governlayer_server.settings.stores import database_from
from governlayer_server.usecases.open_backup import find_backups
from governlayer_server.wiring import open_appliance
from governlayer_server.wiring.backups import store_of
from governlayer_server.wiring.doctor import Patient, examine
from governlayer_server.wiring.scheduled_backups import ScheduledBackups
from msgspec.structs import replace

from tests.fakes.backup_place import PASSPHRASE, make_cheap
from tests.fakes.ledger_place import Place
from tests.fakes.servers import Servers, address

NEEDED = {"BACKUP_HOURS": "6", "BACKUP_TO": "/b", "BACKUP_PASSPHRASE": PASSPHRASE}
S3 = {"S3_ENDPOINT": "https://s3.example.com", "S3_ACCESS_KEY": "id", "S3_SECRET_KEY": "the-secret"}


class TwoHoursAgo(SystemClock):
    def now_us(self) -> int:
        return super().now_us() - 2 * HOUR_US


def environment(**values: str) -> dict[str, str]:
    return {PREFIX + name: value for name, value in values.items()}


async def test_it_is_made_when_it_is_time(
    place: Place, migrated_database: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cheap(monkeypatch)
    await place.found("Acme")
    backups = BackupSettings(
        to=tmp_path / "backups", hours=1, passphrase=PASSPHRASE, keep=1, owner=address(migrated_database.owner)
    )
    settings = replace(place.settings, backups=backups)
    store = store_of(backups.destination)
    async with open_appliance(settings) as appliance:
        earlier = replace(appliance, parts=replace(appliance.parts, clock=TwoHoursAgo()))
        scheduled = ScheduledBackups(earlier, settings)
        assert scheduled.age_s == float("inf")
        await scheduled()
        (first,) = await find_backups(store)
        assert scheduled.age_s < 600
        await scheduled()
        assert [one.id for one in await find_backups(store)] == [first.id]
        later = ScheduledBackups(appliance, settings)
        await later()
        (newest,) = await find_backups(store)
        assert newest.id > first.id
    patient = Patient(settings=lambda: settings, start="", data=None, certificates=())
    (check,) = [one for one in await examine(patient, lambda *_: None) if one.name == "backup"]
    assert (check.ok, check.detail) == (True, "the newest is 0 hours old; last verified: none")


def test_settings_that_belong_together() -> None:
    database = database_from({}, "/run/pg", "app", "password")
    given = environment(**NEEDED, DATABASE_OWNER_USER="owner", DATABASE_OWNER_PASSWORD="x")
    found = backups_from(given, lambda: owner_from(given, database))
    assert (found.to, found.hours, found.owner) == (Path("/b"), 6, replace(database, user="owner", password="x"))
    assert PASSPHRASE not in repr(found)
    for name in ("BACKUP_TO", "BACKUP_PASSPHRASE", "DATABASE_OWNER_USER", "DATABASE_OWNER_PASSWORD"):
        without = {key: value for key, value in given.items() if key != PREFIX + name}
        with pytest.raises(ConfigurationError, match=name):
            backups_from(without, lambda: owner_from(without, database))  # noqa: B023
    for wrong in ({"BACKUP_HOURS": "0"}, {"BACKUP_PASSPHRASE": "short"}, {"BACKUP_KEEP": "none"}, {"BACKUP_TO": "b"}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            backups_from({**given, **environment(**wrong)}, lambda: database)
    assert backups_from({}, lambda: database) == BackupSettings()


def test_destinations() -> None:
    found = destination_from(environment(**S3), "s3://my-bucket/some/where/")
    assert not isinstance(found, Path)
    assert (found.bucket, found.prefix, found.region) == ("my-bucket", "some/where/", "us-east-1")
    assert "the-secret" not in repr(found)
    for name in S3:
        with pytest.raises(ConfigurationError, match="S3_ENDPOINT"):
            destination_from(environment(**{key: value for key, value in S3.items() if key != name}), "s3://my-bucket")
    for wrong in ("s3://", "s3://UPPER/x", "s3:bucket", "s3://bucket/ä", "ftp://bucket/x", "S3://bucket", "file:///b"):
        with pytest.raises(ConfigurationError, match="s3://bucket/prefix"):
            destination_from(environment(**S3), wrong)
    with pytest.raises(ConfigurationError, match="S3_ENDPOINT"):
        destination_from(environment(**{**S3, "S3_ENDPOINT": "http://s3.example.com"}), "s3://my-bucket/x")
