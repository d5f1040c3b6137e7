"""A support bundle tells what helps and nothing that was given in confidence; what is broken costs no other part."""

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.scrub import Scrub
from governlayer_server.settings import PREFIX, Settings
from governlayer_server.settings.shown import HARMLESS, HOSTS, NAMES, hidden_values, shown_settings
from governlayer_server.usecases.manage_holds import HoldTerms
from governlayer_server.wiring import open_appliance
from governlayer_server.wiring.doctor import Patient
from governlayer_server.wiring.support_bundle import Entry, Facts, collect, packed
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.fakes.canaries import Canaries, Search

NOW_US = 1_800_000_000_000_000
# One of each kind.
SECRETS = ("DATABASE_PASSWORD", "REDIS_PASSWORD", "PEPPER", "JWT_SECRET", "SMTP_PASSWORD", "S3_SECRET_KEY", "UNKNOWN")
FILES = ("KEY_ENCRYPTION_KEY_FILE", "BACKUP_PASSPHRASE_FILE", "METRICS_TOKEN_FILE")
PARTS = {
    "manifest.json", "doctor.json", "versions.json", "settings.json", "machine.json", "postgresql.json", "ledgers.json",
    "redis.json", "ready.json", "metrics.txt",
}  # fmt: skip


def environment(canaries: Canaries, place: Path) -> dict[str, str]:
    """Return an environment with a canary in all that is given in confidence, and one in a wrong place by mistake."""
    given = {name: canaries.new(name) for name in SECRETS}
    for name in FILES:
        (place / name).write_text(f"{canaries.new(name)} {canaries.new(name)}\n{canaries.new(name)}\n")
        given[name] = str(place / name)
    given |= {
        "DATABASE_HOST": f"{canaries.new('host')}.example", "PUBLIC_URL": f"https://{canaries.new('url')}.example:8600",
        "REDIS_SENTINELS": f"a.{canaries.new('one')}.example:26379,b.{canaries.new('two')}.example:26379",
        "SMTP_URL": f"smtps://ann@{canaries.new('mail')}.example:465", "MAIL_FROM": f"{canaries.new('from')}@example.org",
        "DATABASE_PORT": canaries.new("password in the place of a port"), "REPLICAS": "3", "KEY_PROVIDER": "file",
    }  # fmt: skip
    return {PREFIX + name: text for name, text in given.items()}


def facts(settings: Settings, shown: Any, told: str = "") -> Facts:
    patient = Patient(settings=lambda: settings, start="start it", data=None, certificates=())
    return Facts(patient=patient, settings_shown=shown, ask=lambda path: f"{path} {told}")


def searched(canaries: Canaries, entries: Any) -> Search:
    search = Search(canaries)
    with tarfile.open(fileobj=io.BytesIO(packed(entries, NOW_US))) as tar:
        for member in tar.getmembers():
            content = tar.extractfile(member)
            assert content is not None
            search.look(member.name.rpartition("/")[2], member.name.encode() + content.read())
    return search


async def fill(settings: Settings, canaries: Canaries) -> None:
    async with open_appliance(settings) as appliance:
        owner = f"{canaries.new('email')}@example.org"
        acme = await appliance.create_organization(canaries.new("organization"), Plan.PRO, owner, None)
        terms = HoldTerms(reason=canaries.new("reason"), data_subject=None)
        await appliance.holds.manage.create(SYSTEM, acme.id, terms)
        await appliance.publish_checkpoints.one(str(acme.id))


async def test_nothing_given_in_confidence_is_in_it(migrated: Settings, tmp_path: Path) -> None:
    canaries = Canaries()
    await fill(migrated, canaries)
    given = environment(canaries, tmp_path)
    told = " ".join(
        [*given.values(), (tmp_path / FILES[0]).read_text(), "ann@example.org", f"x{given[PREFIX + 'PEPPER']}x"]
    )
    made = facts(migrated, shown_settings(given, hosts=False), told)
    entries = await collect(made, Scrub(hidden_values(given, hosts=False)), NOW_US)
    search = searched(canaries, entries)
    print(f"\n{search}")
    assert search.hits == []
    assert set(search.sinks) == PARTS
    assert len(canaries.places) >= 20
    texts = {one.name: one.text for one in entries}
    assert "[DATABASE_HOST]" in texts["metrics.txt"]
    assert "x[PEPPER]x" in texts["metrics.txt"]
    assert "[e-mail address]" in texts["metrics.txt"]


async def test_a_planted_leak_is_found(migrated: Settings, tmp_path: Path) -> None:
    canaries = Canaries()
    given = environment(canaries, tmp_path)
    shown = {"PEPPER": {"value": given[PREFIX + "PEPPER"]}}
    entries = await collect(facts(migrated, shown), Scrub({}), NOW_US)
    assert searched(canaries, entries).hits == [("settings.json", "PEPPER")]


async def test_it_tells_what_helps(migrated: Settings) -> None:
    await fill(migrated, Canaries())
    entries = await collect(facts(migrated, {}), Scrub({}), NOW_US)
    found = {
        one.name: json.loads(one.text) for one in entries if one.name.endswith("json") and one.name != "ready.json"
    }
    assert found["manifest.json"]["files"][0].keys() == {"about", "bytes", "name", "sha256"}
    assert {one["name"] for one in found["manifest.json"]["files"]} == PARTS - {"manifest.json"}
    assert {"postgresql", "redis", "clock", "ledgers"} <= {check["name"] for check in found["doctor.json"]}
    assert {"governlayer", "python", "openssl"} <= found["versions.json"].keys()
    assert {row["name"] for row in found["postgresql.json"]["settings"]} >= {"fsync", "max_connections", "wal_level"}
    assert len(found["postgresql.json"]["migrations"]) >= 12
    assert "NoPermission" in found["redis.json"]["error"]  # the embedded one's user may not ask
    assert found["ledgers.json"]["organizations_by_plan"] == {"pro": 1}
    newest = [one["checkpoint"] for one in found["ledgers.json"]["ledgers"] if one["checkpoint"]]
    assert newest
    assert all(len(note) < 1_000 and note.startswith("gl.example.com/ledgers/") for note in newest)
    assert found["machine.json"]["cores"] >= 1


async def test_what_is_away_costs_no_other_part(migrated: Settings, tmp_path: Path) -> None:
    away = replace(migrated, database=replace(migrated.database, host=str(tmp_path)))
    away = replace(away, redis=replace(away.redis, socket=str(tmp_path / "none")))

    def refuse(_path: str) -> str:
        raise ConnectionRefusedError(111, "Connection refused")

    entries = await collect(replace(facts(away, {"REPLICAS": {"value": "3"}}), ask=refuse), Scrub({}), NOW_US)
    texts = {one.name: one.text for one in entries}
    for name in ("postgresql.json", "ledgers.json", "redis.json", "ready.json", "metrics.txt"):
        assert json.loads(texts[name]).keys() == {"error"}, texts[name]
    assert "Connection refused" in texts["metrics.txt"]
    assert json.loads(texts["settings.json"]) == {"REPLICAS": {"value": "3"}}
    assert any(check["ok"] is False for check in json.loads(texts["doctor.json"]))


def test_values_are_shown_only_where_they_are_harmless(tmp_path: Path) -> None:
    given = environment(Canaries(), tmp_path)
    shown = shown_settings(given, hosts=False)
    assert {PREFIX + name for name in shown} == given.keys()
    assert {name for name, what in shown.items() if "value" in what} == {"REPLICAS", "KEY_PROVIDER"}
    assert shown["METRICS_TOKEN_FILE"]["mode"] == f"{(tmp_path / 'METRICS_TOKEN_FILE').stat().st_mode & 0o777:04o}"
    assert shown["DATABASE_PORT"] == {"set": True}
    missing = shown_settings({PREFIX + "PEPPER_FILE": str(tmp_path / "none")}, hosts=False)
    assert missing == {"PEPPER_FILE": {"error": os.strerror(2)}}


def test_hosts_are_shown_where_that_is_asked_for(tmp_path: Path) -> None:
    given = environment(Canaries(), tmp_path)
    assert shown_settings(given, hosts=True)["DATABASE_HOST"] == {"value": given[PREFIX + "DATABASE_HOST"]}
    hidden = set(hidden_values(given, hosts=False)) - set(hidden_values(given, hosts=True))
    assert len(hidden) == 4
    assert all(host.endswith(".example") for host in hidden)


def test_names_of_the_bundles_are_left_in_messages() -> None:
    given = {
        "DATABASE_HOST": "postgres",
        "REDIS_HOST": "127.0.0.1",
        "DATABASE_USER": "governlayer_app",
        "REDIS_PORT": "6379",
    }
    assert hidden_values({PREFIX + name: text for name, text in given.items()}, hosts=False) == {}
    assert not HARMLESS & HOSTS
    assert not NAMES & HOSTS


def test_a_host_is_hidden_however_it_is_written() -> None:
    hosts = {"DATABASE_HOST": "DB1.Corp.Example:5432,[2001:db8::5]:5432", "S3_ENDPOINT": "https://[2001:db8::6]:9000"}
    hosts["REDIS_HOST"] = "cache.corp.example"
    given = {PREFIX + name: text for name, text in hosts.items()}
    scrub = Scrub(hidden_values(given, hosts=False), addresses=True)
    told = json.dumps("\ndb1.corp.example refused, [2001:db8::5]:5432 and 2001:DB8::6 too\ncache.corp.example")
    hidden = '"\\n[DATABASE_HOST] refused, [[DATABASE_HOST]]:5432 and [S3_ENDPOINT] too\\n[REDIS_HOST]"'
    assert scrub(told) == hidden


@pytest.mark.parametrize("address", ["192.0.2.77", "2001:db8::77", "2001:DB8:0:0:0:0:0:77", "::ffff:192.0.2.77"])
def test_an_address_that_a_name_stands_for_is_hidden(address: str) -> None:
    told = json.dumps(f"[Errno 111] Connect call failed ('{address}', 9)\n{address}: away, at {address}.")
    assert address not in Scrub({})(told)
    assert json.loads(Scrub({})(told)).count("[address]") == 3
    assert Scrub({}, addresses=True)(told) == told


def test_versions_and_this_machine_are_no_addresses_to_hide() -> None:
    assert Scrub({})("127.0.0.1 ::1 [::]:80 0.0.0.0 12:34:56 300.1.2.3") == (
        "127.0.0.1 ::1 [::]:80 0.0.0.0 12:34:56 300.1.2.3"
    )
    assert Scrub({})('{"a": "1.2.3.4"}', versions=True) == '{"a": "1.2.3.4"}'


@pytest.mark.parametrize("secret", ['pa"ss\\word-ä', "first\nsecond", "tab\there"])
def test_a_secret_is_found_as_json_writes_it(secret: str) -> None:
    text = json.dumps({"error": f"x{secret}x"}, ensure_ascii=False)
    assert Scrub({secret: "PEPPER"})(text) == '{"error": "x[PEPPER]x"}'


@given(st.dictionaries(st.text("abcXYZ0189+/=.*[-]", min_size=4), st.just("NAME"), min_size=1), st.data())
def test_what_is_hidden_is_in_no_text(hidden: dict[str, str], data: st.DataObject) -> None:
    words = st.one_of(st.sampled_from(sorted(hidden)), st.text(" ab+[", max_size=3))
    text = " ".join(data.draw(st.lists(words, max_size=8)))
    scrubbed = Scrub(hidden)(text)
    assert not any(f" {word} " in f" {scrubbed} " for word in hidden)


def test_an_archive_is_for_its_owner_alone() -> None:
    entries = [Entry(name="a.json", about="", text="{}\n")]
    with tarfile.open(fileobj=io.BytesIO(packed(entries, NOW_US))) as tar:
        assert [(one.name, one.mode, one.size) for one in tar.getmembers()] == [
            ("governlayer-support/a.json", 0o600, 3)
        ]
