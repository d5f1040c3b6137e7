"""
What support asks for, in one file: facts about the installation, never what it governs.

Each part is collected by itself, so that what is broken costs no other part. All texts are scrubbed at the end,
whatever they came from: of the values of settings, of the contents of secret files, of addresses.
"""

import io
import json
import platform
import ssl
import sys
import tarfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import distributions
from typing import Any

from msgspec import Struct, to_builtins

from governlayer_server.adapters.postgres.checkpoints import PostgresCheckpointStore
from governlayer_server.adapters.postgres.server_facts import server_facts
from governlayer_server.adapters.redis.connect import connect_redis
from governlayer_server.adapters.system.machine import look_at_machine
from governlayer_server.domain.errors import GovernLayerError
from governlayer_server.domain.scrub import Scrub
from governlayer_server.domain.times import time_text
from governlayer_server.settings import Settings
from governlayer_server.wiring.appliance import VERSION, Appliance, open_appliance
from governlayer_server.wiring.doctor import Patient, examine

FORMAT = "governlayer-support-1"
MAX_LEDGERS = 1_000
_MAX_LINE = 500
NOT_IN_HERE = (
    "logs, payloads, records, policies, keys, passwords and other secrets, e-mail addresses, names of organizations; "
    "hosts only where they were asked for"
)
_REDIS = (
    "connected_clients", "evicted_keys", "maxmemory", "maxmemory_policy", "redis_mode", "redis_version",
    "rejected_connections", "role", "uptime_in_seconds", "used_memory",
)  # fmt: skip
Part = Callable[[], Awaitable[object]]


class Facts(Struct, frozen=True, kw_only=True):
    """
    What a bundle is made from.

    Attributes:
        patient: the installation.
        settings_shown: by their names.
        ask: returns what the running server on this host says at a path; raises OSError where it does not answer.
    """

    patient: Patient
    settings_shown: Mapping[str, Mapping[str, object]]
    ask: Callable[[str], str]


class Entry(Struct, frozen=True, kw_only=True):
    """One file of a bundle."""

    name: str
    about: str
    text: str


async def collect(facts: Facts, scrub: Scrub, now_us: int) -> Sequence[Entry]:
    """Return the files of a bundle, its manifest first; a part that failed says so in its file."""
    parts: dict[str, tuple[str, Part]] = {
        "doctor.json": ("what the doctor says", lambda: _doctor(facts.patient)),
        "versions.json": ("versions of what runs, and of its libraries", _versions),
        "settings.json": ("names of settings; values where they are harmless", lambda: _same(facts.settings_shown)),
        "machine.json": ("limits and rights of this process", _machine),
        "postgresql.json": ("settings, sizes, migrations", lambda: _opened(facts.patient.settings, _postgresql)),
        "ledgers.json": ("sizes, and newest signed checkpoints", lambda: _opened(facts.patient.settings, _ledgers)),
        "redis.json": ("version, memory, role", lambda: _redis(facts.patient.settings())),
        "ready.json": ("what /readyz says", lambda: _asked(facts, "/readyz?verbose=true")),
        "metrics.txt": ("figures, refusals by route, status and code among them", lambda: _asked(facts, "/metrics")),
    }
    entries = [
        Entry(name=name, about=about, text=scrub(await _text(part), versions=name == "versions.json"))
        for name, (about, part) in parts.items()
    ]
    manifest = {
        "created": time_text(now_us),
        "files": [
            {"about": one.about, "bytes": len(one.text.encode()), "name": one.name, "sha256": _digest(one.text)}
            for one in entries
        ],
        "format": FORMAT,
        "not_in_here": NOT_IN_HERE,
        "version": VERSION,
    }
    return [Entry(name="manifest.json", about="what is in here, and what is not", text=_json(manifest)), *entries]


def packed(entries: Sequence[Entry], now_us: int) -> bytes:
    """Return *entries* as a compressed archive (.tar.gz), for their owner alone."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for one in entries:
            content = one.text.encode()
            member = tarfile.TarInfo(f"governlayer-support/{one.name}")
            member.size, member.mode, member.mtime = len(content), 0o600, now_us // 1_000_000
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


async def _text(part: Part) -> str:
    try:
        found = await part()
    except Exception as error:  # noqa: BLE001  # what is broken is what a bundle is made for
        told = f": {error}" if isinstance(error, (GovernLayerError, OSError)) else ""
        cause = f" ({type(error.__cause__).__name__})" if error.__cause__ else ""
        found = {"error": f"{type(error).__name__}{told}{cause}"}
    return found if isinstance(found, str) else _json(found)


def _json(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


async def _same(value: object) -> object:
    return value


async def _asked(facts: Facts, path: str) -> object:
    return facts.ask(path)


async def _doctor(patient: Patient) -> object:
    return [to_builtins(check) for check in await examine(patient, lambda *_: None)]


async def _versions() -> object:
    return {
        "governlayer": VERSION,
        "libraries": {one.name: one.version for one in distributions()},
        "machine": platform.machine(),
        "openssl": ssl.OPENSSL_VERSION,
        "python": sys.version,
        "system": f"{platform.system()} {platform.release()}",
    }


async def _machine() -> object:
    return to_builtins(look_at_machine())


async def _opened(settings: Callable[[], Settings], part: Callable[[Appliance], Awaitable[object]]) -> object:
    async with open_appliance(settings(), found=False) as appliance:
        return await part(appliance)


async def _postgresql(appliance: Appliance) -> object:
    return await server_facts(appliance.parts.database)


async def _ledgers(appliance: Appliance) -> object:
    organizations = await appliance.accounts.organizations()
    checkpoints = PostgresCheckpointStore(appliance.parts.database)
    ledger_ids = await appliance.ledger_ids()
    listed: list[Mapping[str, Any]] = []
    for ledger_id in ledger_ids[:MAX_LEDGERS]:
        head, newest = await appliance.ledger.head(ledger_id), await checkpoints.newest(ledger_id)
        listed.append(
            {
                "checkpoint": None if newest is None else _short(newest.note),
                "closed": ledger_id in appliance.parts.refusals.closed,
                "id": ledger_id,
                "published": None if newest is None else time_text(newest.published_us),
                "size": head.size,
            }
        )
    return {
        "count": len(ledger_ids),
        "key": appliance.read_ledger.key,
        "ledgers": listed,
        "organizations_by_plan": Counter(one.plan.value for one in organizations),
        "organizations_closed": sum(one.closed_us is not None for one in organizations),
    }


def _short(note: str) -> str:
    """Return *note* without the post-quantum signature, which takes kilobytes; the other one holds all the same."""
    return "".join(line for line in note.splitlines(keepends=True) if len(line) < _MAX_LINE)


async def _redis(settings: Settings) -> object:
    redis = connect_redis(settings.redis)
    try:
        info: Mapping[str, object] = await redis.info()
    finally:
        await redis.aclose()
    return {name: info[name] for name in _REDIS if name in info}
