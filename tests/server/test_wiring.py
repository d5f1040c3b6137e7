"""An appliance opens on what belongs together, and on nothing else."""

import asyncio
import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest
from governlayer_server.adapters.redis.quota import RedisQuotaStore
from governlayer_server.adapters.system.background import Background
from governlayer_server.domain.access import Scope
from governlayer_server.domain.errors import ConfigurationError, LedgerUnavailable, PolicyError
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.plan import Plan
from governlayer_server.policies import DEFAULT
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.settings import Settings
from governlayer_server.usecases.apply_retention import ApplyRetention
from governlayer_server.web.links import Links
from governlayer_server.wiring import VERSION, Appliance, open_appliance
from msgspec.structs import replace

from tests.fakes.given_key import given_keys

ALL = RecordFilter()
LINKS = Links("http://test")


async def system_records(appliance: Appliance) -> list[tuple[str, dict[str, Any]]]:
    records = await appliance.ledger.records("system", -1, 100, ALL)
    return [(record.type, json.loads(record.canonical)["body"]) for record in records]


async def test_a_database_without_its_tables_is_refused(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="governlayer migrate"):
        async with open_appliance(settings):
            pytest.fail("it opened")


async def test_the_first_opening_founds_the_deployment_and_later_ones_find_it(migrated: Settings) -> None:
    keys = []
    for _ in range(3):
        async with open_appliance(migrated) as appliance:
            keys.append(appliance.read_ledger.keys)
            introduced = [("ledger.key", {"event": "introduced", "vkey": vkey}) for vkey in keys[0]]
            assert await system_records(appliance) == introduced
            assert appliance.read_ledger.key == keys[0][0]
    assert keys == [keys[0]] * 3
    assert len(keys[0]) == 2, "one of Ed25519 and one of ML-DSA-44"


async def test_a_founding_that_was_interrupted_is_completed(
    migrated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise LedgerUnavailable("killed")

    with monkeypatch.context() as patch:
        patch.setattr("governlayer_server.wiring.founding.record_key_event", fail)
        with pytest.raises(LedgerUnavailable):
            async with open_appliance(migrated):
                pytest.fail("it opened")
    async with open_appliance(migrated) as appliance:
        assert [kind for kind, _ in await system_records(appliance)] == ["ledger.key", "ledger.key"]


@pytest.mark.parametrize(
    "change",
    [
        {"keys": given_keys(bytes(range(1, 33)))},
        {"deployment": "other.example.com"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_what_belongs_to_another_installation_is_refused_and_changes_nothing(
    migrated: Settings, change: dict[str, Any]
) -> None:
    async with open_appliance(migrated) as appliance:
        before = await appliance.ledger.head("system")
    with pytest.raises(ConfigurationError) as refused:
        async with open_appliance(replace(migrated, **change)):
            pytest.fail("it opened")
    assert "installation" in str(refused.value) or "never changes its name" in str(refused.value)
    async with open_appliance(migrated) as appliance:
        assert await appliance.ledger.head("system") == before


async def test_a_database_that_is_away_is_unavailable(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable):
        async with open_appliance(replace(settings, database=replace(settings.database, host=str(tmp_path)))):
            pytest.fail("it opened")


async def test_each_new_policy_text_is_recorded_once(migrated: Settings) -> None:
    changed = DEFAULT + "\n// another comment\n"
    published: list[dict[str, Any]] = []
    for text in (DEFAULT, DEFAULT, changed, DEFAULT):
        migrated.policies.write_text(text, encoding="utf-8")
        async with open_appliance(migrated) as appliance:
            await appliance.application(migrated, LINKS)
            published = [body for kind, body in await system_records(appliance) if kind == "policy.published"]
    assert [body["version"] for body in published] == [1, 2]
    assert len({body["hash"] for body in published}) == 2


async def test_each_start_is_recorded_with_the_policies_in_force(migrated: Settings) -> None:
    for text in (DEFAULT, DEFAULT, DEFAULT + "\n// another comment\n"):
        migrated.policies.write_text(text, encoding="utf-8")
        async with open_appliance(migrated) as appliance:
            await appliance.application(migrated, LINKS)
    async with open_appliance(migrated) as appliance:
        records = await system_records(appliance)
    published = [body for kind, body in records if kind == "policy.published"]
    started = [body for kind, body in records if kind == "system.started"]
    first, second = published
    assert started == [{"policy_set": one, "version": VERSION} for one in (first, first, second)]
    assert [kind for kind, _ in records[-2:]] == ["policy.published", "system.started"]


async def test_policies_that_cannot_be_used_are_refused(migrated: Settings) -> None:
    async with open_appliance(migrated) as appliance:
        for content in (b"permit (principal, action, resource);", b"\xff", b"(" * 1_000):
            migrated.policies.write_bytes(content)
            with pytest.raises(PolicyError, match=re.escape(str(migrated.policies))):
                await appliance.application(migrated, LINKS)
        migrated.policies.unlink()
        with pytest.raises(PolicyError, match="cannot be read"):
            await appliance.application(migrated, LINKS)
        assert [kind for kind, _ in await system_records(appliance)] == ["ledger.key", "ledger.key"]


@pytest.mark.parametrize("on", [True, False])
async def test_the_server_destroys_what_has_expired_unless_that_is_switched_off(
    migrated: Settings, monkeypatch: pytest.MonkeyPatch, on: bool
) -> None:
    done = asyncio.Event()

    async def retention(_: ApplyRetention) -> None:
        done.set()

    monkeypatch.setattr(ApplyRetention, "__call__", retention)
    monkeypatch.setattr("governlayer_server.wiring.application._RETENTION_S", 0.0)
    settings = replace(migrated, ledgers=replace(migrated.ledgers, retention_job=on))
    async with open_appliance(settings) as appliance:
        await appliance.application(settings, LINKS)
        with nullcontext() if on else pytest.raises(TimeoutError):
            await asyncio.wait_for(done.wait(), 10 if on else 0.2)


async def test_the_server_looks_for_a_promotion_every_five_seconds(
    migrated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[float, object]] = []
    every = Background.every

    def noted(self: Background, seconds: float, work: Any, **more: Any) -> None:
        asked.append((seconds, work))
        every(self, seconds, work, **more)

    monkeypatch.setattr(Background, "every", noted)
    async with open_appliance(migrated) as appliance:
        await appliance.application(migrated, LINKS)
        assert (5.0, appliance.parts.database.look_for_promotion) in asked


async def test_the_limits_wait_for_redis_as_long_as_the_settings_say(
    migrated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    class Noted(RedisQuotaStore):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            given.append(more["timeout_us"])
            super().__init__(*arguments, **more)

    monkeypatch.setattr("governlayer_server.wiring.application.RedisQuotaStore", Noted)
    for timeout_ms in (250, 3_000):
        settings = replace(migrated, redis=replace(migrated.redis, timeout_ms=timeout_ms))
        async with open_appliance(settings) as appliance:
            await appliance.application(settings, LINKS)
    assert given == [250_000] * 2 + [3_000_000] * 2


async def test_a_decision_goes_through_everything_that_is_wired(migrated: Settings) -> None:
    async with open_appliance(migrated) as appliance:
        acme = await appliance.create_organization("Acme", Plan.FREE, "ann@example.org", None)
        key = (await appliance.manage_keys.create(SYSTEM, acme.id, KeyTerms(name="key", scopes=list(Scope)))).key
        transport = httpx.ASGITransport(app=await appliance.application(migrated, LINKS))
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "one"}
        body = {
            "stage": "model_request",
            "agent": {"id": "a"},
            "action": {"name": "chat"},
            "content": [{"role": "user", "text": "I am ann.miller@example.org"}],
            "options": {"receipt": True},
        }
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            first, again = [await client.post("/v1/govern", json=body) for _ in range(2)]
            ready = await client.get("/readyz")
            dump = await client.get("/v1/ledger/dump", params={"payloads": "content"})
        assert (first.status_code, first.json()["decision"]) == (200, "redact")
        assert (first.json()["redacted"]["content"][0]["text"]) == "I am [EMAIL]"
        assert again.content == first.content
        assert again.headers["idempotency-replayed"] == "true"
        assert (ready.status_code, ready.json()) == (200, {"status": "ok"})
        assert dump.text.count('"type":"decision"') == 1
        assert "ann.miller@example.org" in dump.text


async def test_the_limit_of_the_plan_holds_over_all_that_is_wired_twice(migrated: Settings) -> None:
    async with open_appliance(migrated) as appliance:
        acme = await appliance.create_organization("Acme", Plan.FREE, "ann@example.org", None)
        terms = KeyTerms(name="key", scopes=list(Scope))
        keys = [(await appliance.manage_keys.create(SYSTEM, acme.id, terms)).key for _ in range(10)]
        transports = [httpx.ASGITransport(app=await appliance.application(migrated, LINKS)) for _ in range(2)]
        clients = [httpx.AsyncClient(transport=each, base_url="http://test") for each in transports]
        answers = await asyncio.gather(
            *(clients[n % 2].get("/v1/ledger", headers={"X-API-Key": keys[n % 10]}) for n in range(60))
        )
        assert sorted(one.status_code for one in answers) == [200] * 20 + [429] * 40
        assert all('"org";q=20;w=60' in one.headers["ratelimit-policy"] for one in answers)
        for client in clients:
            await client.aclose()


async def test_readiness_names_what_fails(migrated: Settings, tmp_path: Path) -> None:
    without_redis = replace(migrated, redis=replace(migrated.redis, socket=str(tmp_path / "none")))
    async with open_appliance(without_redis) as appliance:
        transport = httpx.ASGITransport(app=await appliance.application(without_redis, LINKS))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer, without = [await client.get(path) for path in ("/readyz", "/readyz?exclude=redis")]
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "failing": ["redis"], "degraded": ["rate_limits"]}
    assert without.status_code == 200
    assert without.json() == {"status": "ok", "degraded": ["rate_limits"], "excluded": ["redis"]}
