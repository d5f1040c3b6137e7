"""
Logs hold path, latency and status, never bodies, keys, tokens or queries (security.md §1 row 12).

Canaries go through every route of the OpenAPI document, every error path and a crash; then all that the appliance
wrote anywhere is searched. The same search over an appliance with one planted leak finds it.
"""

import asyncio
import base64
import http.client
import json
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from governlayer_server.domain.inventory import shipped_inventory
from redis.asyncio import Redis

from tests.fakes.canaries import Canaries, Search, forms
from tests.fakes.inventory import unlisted
from tests.system.appliance import Appliance, signal_all
from tests.system.canary_traffic import Traffic
from tests.system.conftest import Start

# `governlayer` with one mistake: the log line has the path itself where its template belongs.
LEAKY = """
from governlayer_server.web.observe import Observed
tell = Observed._tell
Observed._tell = lambda self, scope, *rest: tell(self, {**scope, "path_template": scope.get("path", "")}, *rest)
from governlayer_server.cli import main
main()
"""


def _traffic(appliance: Appliance, canaries: Canaries, key: str) -> Traffic:
    token = (appliance.data / "secrets" / "metrics-token").read_text().strip()
    return Traffic(canaries, appliance.port, key, token)


async def _keyspace(appliance: Appliance) -> list[bytes]:
    """Return all keys and values that Redis holds."""
    async with Redis(**EmbeddedRedis(DataDirectory.open(appliance.data)).login.options()) as client:
        return [key + b" " + repr(await _value(client, key)).encode() async for key in client.scan_iter()]


async def _key_names(appliance: Appliance) -> list[str]:
    async with Redis(**EmbeddedRedis(DataDirectory.open(appliance.data)).login.options()) as client:
        return [key.decode() async for key in client.scan_iter()]


def _require_all_is_in_the_inventory(appliance: Appliance) -> None:
    """All that these requests left behind is in the data inventory, which lists it by patterns."""
    inventory = shipped_inventory()
    names = asyncio.run(_key_names(appliance))
    assert names
    assert unlisted(inventory.redis, names, "redis") == []
    files = [path.relative_to(appliance.data) for path in appliance.data.rglob("*") if not path.is_dir()]
    assert unlisted(inventory.file, map(str, files), "file") == []
    types = {row["type"] for row in appliance.query("SELECT DISTINCT type FROM ledger_record")}
    assert types >= {"decision", "key.created", "system.started"}
    assert types <= set(inventory.records)


async def _value(client: Redis, key: bytes) -> object:
    match await client.type(key):
        case b"string":
            return await client.get(key)
        case b"hash":
            return await client.hgetall(key)  # type: ignore[misc]  # redis-py's types are those of both clients
        case b"list":
            return await client.lrange(key, 0, -1)  # type: ignore[misc]
        case b"set":
            return await client.smembers(key)  # type: ignore[misc]
        case kind:
            return await client.zrange(key, 0, -1, withscores=True) if kind == b"zset" else await client.dump(key)


def _crash_amid(traffic: Traffic, appliance: Appliance) -> None:
    """kill -9 of everything while requests are under way."""

    def send() -> None:
        with suppress(OSError, http.client.HTTPException):
            traffic.send_everything()

    sending = threading.Thread(target=send)
    sending.start()
    appliance.wait_for(lambda: traffic.answered > 100)
    signal_all([*appliance.postgres(), *appliance.redis()], signal.SIGKILL)
    appliance.kill()
    sending.join(60)


def _look_into_redis(search: Search, appliance: Appliance) -> None:
    for entry in asyncio.run(_keyspace(appliance)):
        search.look("Redis keys", entry)


def _search_files(search: Search, appliance: Appliance) -> None:
    search.look("standard error", appliance.err.read_bytes())
    search.look("standard output", appliance.out.read_bytes())
    search.look_below("logs", appliance.data / "logs")
    search.look_below("data directory", appliance.data)


def test_no_canary_is_in_any_sink_after_all_routes_all_errors_and_a_crash(new_appliance: Start) -> None:
    canaries = Canaries()
    search = Search(canaries)
    appliance = new_appliance()
    temporary = appliance.data.with_name("temporary")
    temporary.mkdir(mode=0o777)
    temporary.chmod(0o1777)
    appliance.environment["TMPDIR"] = str(temporary)
    tenant = appliance.start().tenant("Acme")
    key = tenant.key
    traffic = _traffic(appliance, canaries, key)
    traffic.send_everything()
    _look_into_redis(search, appliance)
    _require_all_is_in_the_inventory(appliance)
    _crash_amid(_traffic(appliance, canaries, key), appliance)
    appliance.start()
    traffic = _traffic(appliance, canaries, key)
    traffic.send_everything()
    _look_into_redis(search, appliance)
    erased = appliance.cli(
        "erase", "--org", tenant.id, "--data-subject", traffic.subjects[0], "--basis", "GDPR Art. 17(1)(a)", "--yes"
    )
    assert erased.returncode == 0, erased.stderr
    search.look("certificates", erased.stdout.encode() + erased.stderr.encode())
    search.look("dumps", appliance.dump(tenant).read_bytes())
    appliance.query("CHECKPOINT")
    assert appliance.stop() == 0
    _search_files(search, appliance)
    search.look_below("temporary files", temporary)
    search.look("temporary files", b"".join(map(bytes, temporary.rglob("*"))))
    print(f"\n{search}\nanswers by status: {dict(sorted(traffic.statuses.items()))}")
    assert search.hits == []
    assert len(canaries.places) >= 500
    assert set(traffic.statuses) >= {200, 400, 401, 404, 405, 413, 415, 422, 431}
    assert set(search.sinks) >= {
        "standard error", "standard output", "logs", "data directory", "dumps", "certificates", "temporary files"
    }  # fmt: skip
    assert [path for path in (appliance.data / "postgres" / "pg_wal").iterdir() if path.is_file()]
    assert list((appliance.data / "tombstones").iterdir())
    # The log did speak of all these requests.
    assert appliance.errors().count('"event": "request"') >= sum(traffic.statuses.values())
    names = {path.name for path in (appliance.data / "logs").iterdir()}
    assert {"postgres.log", "redis.log"} <= names
    for secret in (key, key[7:19], key[-12:], (appliance.data / "secrets" / "metrics-token").read_text().strip()):
        assert not [form for form in forms(secret) if form in appliance.err.read_bytes()]


def test_a_planted_leak_is_found(new_appliance: Start) -> None:
    canaries = Canaries()
    appliance = new_appliance()
    appliance.command = (sys.executable, "-c", LEAKY)
    appliance.start()
    traffic = _traffic(appliance, canaries, appliance.tenant("Acme").key)
    traffic.send_everything()
    assert appliance.stop() == 0
    search = Search(canaries)
    _search_files(search, appliance)
    print(f"\n{search}")
    assert {sink for sink, _ in search.hits} == {"standard error"}
    assert {place for _, place in search.hits} >= {
        "get /v1/ledger/records/{seq} by admitted path",
        "get /v1/ledger by nobody below",
    }
    assert not [place for _, place in search.hits if " query" in place or " header" in place or " body" in place]


def test_a_planted_plaintext_column_is_found(shared: Appliance) -> None:
    canaries = Canaries()
    shared.query("CREATE TABLE planted (id int, words text)")
    try:
        shared.query(f"INSERT INTO planted SELECT n, '{canaries.new('column')}' FROM generate_series(1, 3) n")
        shared.query("CHECKPOINT")
        search = Search(canaries)
        search.look_below("tables", shared.data / "postgres" / "base")
        search.look_below("write-ahead log", shared.data / "postgres" / "pg_wal")
    finally:
        shared.query("DROP TABLE planted")
    assert {sink for sink, _ in search.hits} == {"tables", "write-ahead log"}
    assert {place for _, place in search.hits} == {"column"}


def test_what_is_in_redis_is_found(shared: Appliance) -> None:
    canaries = Canaries()

    async def plant() -> list[bytes]:
        async with Redis(**EmbeddedRedis(DataDirectory.open(shared.data)).login.options()) as client:
            names = [canaries.new(kind) for kind in ("string", "hash", "list", "set", "zset")]
            await client.set("planted-1", names[0])
            await client.hset("planted-2", "a", names[1])  # type: ignore[misc]
            await client.rpush("planted-3", names[2])  # type: ignore[misc]
            await client.sadd("planted-4", names[3])  # type: ignore[misc]
            await client.zadd("planted-5", {names[4]: 1})
            found = await _keyspace(shared)
            await client.delete(*(f"planted-{number}" for number in range(1, 6)))
            return found

    contents = b"\n".join(asyncio.run(plant()))
    assert sorted(canaries.found_in(contents)) == ["hash", "list", "set", "string", "zset"]


@pytest.mark.parametrize("around", ["", "a", "ab", "abc", "é"])
def test_every_form_is_found_whatever_stands_around_it(tmp_path: Path, around: str) -> None:
    canaries = Canaries()
    text = f"{around}{canaries.new('planted')}{around}"
    plain = text.encode()
    written = (
        plain, base64.b64encode(plain), base64.urlsafe_b64encode(plain), plain.hex().encode(), plain.hex().upper().encode(),
        json.dumps(text).encode(), quote(text).encode(), text.upper().encode(), text.encode("utf-16-le"),
        "".join(f"\\u{ord(letter):04x}" for letter in text).encode(), "".join(f"%{byte:02X}" for byte in plain).encode(),
    )  # fmt: skip
    for number, contents in enumerate(written):
        search = Search(canaries)
        (tmp_path / "file").write_bytes(b"before " + contents + b" after")
        search.look_below("folder", tmp_path)
        assert search.hits, (number, contents)
    assert not Canaries().found_in(b" ".join(written))
