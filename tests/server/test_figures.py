"""Figures that are looked up in the background: of the database, of disks, of certificates."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from governlayer_server.adapters.metrics.prometheus import PrometheusMetrics
from governlayer_server.adapters.postgres.database import Database, connect
from governlayer_server.adapters.postgres.facts import DatabaseFacts
from governlayer_server.adapters.system import SystemClock
from governlayer_server.adapters.system.free_space import FreeSpace
from governlayer_server.adapters.tls.authority import Authority
from governlayer_server.adapters.tls.expiry import authorities_expire_s, expires_s
from governlayer_server.domain.times import SECOND_US

from tests.fakes.clock import FakeClock
from tests.fakes.servers import Servers, address


async def test_the_database_tells_its_size_its_connections_and_that_it_takes_writes(database: Database) -> None:
    facts = DatabaseFacts(database, SystemClock())
    assert math.isnan(facts.bytes)
    assert math.isnan(facts.takes_writes)
    await facts.look()
    assert facts.takes_writes == 1
    assert facts.bytes > 1_000_000
    assert 1 <= facts.connections < facts.max_connections
    assert abs(facts.clock_offset_s) < 1


@pytest.mark.parametrize("ahead_s", [-3_600, 7])
async def test_a_clock_that_differs_is_told_with_its_sign(database: Database, ahead_s: int) -> None:
    facts = DatabaseFacts(database, FakeClock(SystemClock().now_us() + ahead_s * SECOND_US))
    await facts.look()
    assert facts.clock_offset_s == pytest.approx(ahead_s, abs=2)


async def test_a_database_that_takes_no_writes_or_is_away_is_told(servers: Servers) -> None:
    database = await connect(address(servers.app))
    facts = DatabaseFacts(database, SystemClock())
    async with database.connection() as connection:
        await connection.execute("SET default_transaction_read_only = on")
        read_only = await connection.fetchval("SELECT current_setting('transaction_read_only')")
    assert read_only == "on"
    await facts.look()
    assert facts.takes_writes == 0
    await database.close()
    await facts.look()
    assert facts.takes_writes == 0
    assert math.isnan(facts.bytes)


async def test_free_space_is_told_and_a_directory_that_is_not_there_has_none(tmp_path: Path) -> None:
    space = FreeSpace({"evidence": tmp_path, "backups": tmp_path / "none"})
    assert math.isnan(space.free_bytes("evidence"))
    await space.look()
    assert 0 <= space.free_bytes("evidence") <= space.all_bytes("evidence")
    assert math.isnan(space.free_bytes("backups"))
    assert math.isnan(space.all_bytes("backups"))


def test_of_authorities_the_last_counts_and_of_a_chain_the_first(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    old = Authority.create(tmp_path / "old", now=now - timedelta(days=3_000)).certificate_file.read_bytes()
    new = Authority.create(tmp_path / "new", now=now).certificate_file.read_bytes()
    both = tmp_path / "both"
    both.write_bytes(old + new)
    first, last = expires_s(both), authorities_expire_s(both)
    assert last - first == pytest.approx(3_000 * 86_400, abs=5)


async def test_counts_and_sums_are_told_as_prometheus_has_them() -> None:
    async def nothing() -> dict[str, bool]:
        return {}

    metrics = PrometheusMetrics("0", nothing)
    metrics.counts("eaten", "Fruit.", "kind", lambda: {"apple": 2, "pear": 1})
    metrics.count("days", "Days.", lambda: 3)
    metrics.summary("meal_seconds", "Meals.", lambda: (4, 2.5))
    lines = (await metrics.exposition()).decode().splitlines()
    assert {
        'governlayer_eaten_total{kind="apple"} 2.0', 'governlayer_eaten_total{kind="pear"} 1.0',
        "governlayer_days_total 3.0", "governlayer_meal_seconds_count 4.0", "governlayer_meal_seconds_sum 2.5",
    } <= set(lines)  # fmt: skip
