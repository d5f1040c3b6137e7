"""
What each layer adds to a request: microseconds of CPU, by ablation in one process.

Rungs are the same route behind one layer more; a round asks each rung 2,000 times, in an order that changes, one
request at a time. What a layer costs is the median over the rounds of what its rung took more than the one before, in
CPU of this process: Redis' and PostgreSQL's own is not in it. The security headers are the server's: there the rungs
are the server's protocol over a transport in memory.

Arguments: rounds (7), requests of each rung in a round (2,000).
"""

import asyncio
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import uvloop
from governlayer_server.adapters.crypto.access_tokens import AccessTokens
from governlayer_server.adapters.logs.access import access_logger, configure_logs
from governlayer_server.adapters.metrics.prometheus import PrometheusMetrics
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.adapters.redis.connect import connect_redis
from governlayer_server.adapters.redis.quota import RedisQuotaStore
from governlayer_server.adapters.system import SystemClock, SystemEntropy
from governlayer_server.domain.access import Scope, dual
from governlayer_server.domain.account import Session
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.usecases.authenticate import Authenticate
from governlayer_server.usecases.count_usage import CountUsage
from governlayer_server.usecases.limit_requests import LimitRequests
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.principal_cache import PrincipalCache
from governlayer_server.usecases.seal_rows import sealed
from governlayer_server.web.authenticate import Authentication, Authorization
from governlayer_server.web.deadline import Deadline
from governlayer_server.web.headers import SECURITY_HEADERS
from governlayer_server.web.observe import Observed
from governlayer_server.web.server import Server
from governlayer_server.web.throttle import Spending, Throttle
from governlayer_server.wiring import Appliance
from litestar import Litestar, get
from msgspec.structs import replace
from support.appliance import opened

ROUNDS, REQUESTS, WARM = 7, 2_000, 200
# No request of a run is refused; what is counted of one caller grows as it does for a busy one.
LIMIT = 1_000_000
MACHINE = f"{platform.machine()}, {os.cpu_count()} cores"
CLOCK, ENTROPY = SystemClock(), SystemEntropy()
Ask = Callable[[], Awaitable[None]]
RAW = b"GET /asked HTTP/1.1\r\nHost: l\r\n\r\n"


@get("/asked", opt={"access": dual(Scope.GOVERN)})
async def asked_route() -> dict[str, str]:
    return {"decision": "deny"}


def application(*middleware: Any) -> Any:
    return Litestar([asked_route], openapi_config=None, logging_config=None, middleware=middleware)


def caller(app: Any, credential: str | None = None) -> Ask:
    """Return what asks *app* once, as an ASGI server does."""
    headers = [(b"host", b"l"), (b"accept", b"*/*")]
    if credential is not None:
        headers.append((b"authorization", b"Bearer " + credential.encode()))

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise SystemExit(f"unexpected answer: {message}")

    async def ask() -> None:
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/asked", "raw_path": b"/asked", "query_string": b"", "root_path": "", "headers": headers,
            "client": ("192.0.2.1", 1), "server": ("l", 80), "state": {},
        }  # fmt: skip
        await app(scope, receive, send)

    return ask


class Wire(asyncio.Transport):
    """A transport in memory; knows how many answers have left."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = 0

    def write(self, data: bytes) -> None:
        self.answers += data.count(b'{"decision"')

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002
        return None


def served(app: Observed, headers: Any) -> Ask:
    """Return what asks *app* once through the server's own protocol."""
    server = Server(app, lambda: None, headers=headers)
    server.config.load()
    made = server.config.http_protocol_class
    protocol, wire = made(config=server.config, server_state=server.server_state, app_state={}), Wire()
    protocol.connection_made(wire)

    async def ask() -> None:
        expected = wire.answers + 1
        protocol.data_received(RAW)
        while wire.answers < expected:  # noqa: ASYNC110  # both rungs do
            await asyncio.sleep(0)

    return ask


async def cpu_us(ask: Ask, requests: int) -> float:
    for _ in range(WARM):
        await ask()
    started = time.process_time()
    for _ in range(requests):
        await ask()
    return (time.process_time() - started) / requests * 1e6


async def in_rounds(asks: Mapping[str, Ask], rounds: int, requests: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(rounds):
        for name in random.sample(sorted(asks), len(asks)):
            taken[name].append(await cpu_us(asks[name], requests))
    return taken


def emit(metric: str, value: float, baseline: str | None = None, ratio: float | None = None) -> None:
    line = {"bench": "request_cost", "metric": metric, "value": round(value, 1), "unit": "us", "machine": MACHINE}
    if baseline is not None:
        line |= {"baseline": baseline, "ratio": round(ratio or 0.0, 3)}
    print(json.dumps(line), flush=True)


def limits(store: RedisQuotaStore) -> LimitRequests:
    return LimitRequests(organizations=store, addresses=store, address_limit=LIMIT, enterprise_limit=LIMIT)


async def rungs(appliance: Appliance, nowhere: Path) -> tuple[dict[str, Ask], list[tuple[str, str, str]]]:
    """Return what to ask, and of each layer its rung and the one before."""
    organization = await appliance.create_organization("bench", Plan.ENTERPRISE, "a@bench.example", None)
    made = await appliance.manage_keys.create(SYSTEM, organization.id, KeyTerms(name="k", scopes=[Scope.GOVERN]))
    tokens = AccessTokens(
        keys=[os.urandom(64)], issuer="bench", audience="bench/api", lifetime_s=3600, clock=CLOCK, entropy=ENTROPY
    )
    token = await access_token(appliance, tokens, organization.id)
    accounts, usage = appliance.accounts, CountUsage(appliance.accounts, CLOCK)
    # What is kept lives as long as the run: it is the cached case that is measured.
    cache = PrincipalCache(CLOCK, life_us=3_600_000_000)
    authenticate = Authenticate(
        accounts=accounts, vault=appliance.parts.vault, clock=CLOCK, tokens=tokens, cache=cache, usage=usage,
        limits=SessionLimits(),
    )  # fmt: skip
    shared, alone = (
        limits(RedisQuotaStore(redis, CLOCK))
        for redis in (appliance.parts.redis, connect_redis(RedisAddress(socket=str(nowhere))))
    )
    who, may = Authentication(authenticate), Authorization(CLOCK, usage.note)

    def limited(by: LimitRequests, *more: Any) -> tuple[Any, ...]:
        return (Throttle(by, CLOCK, ENTROPY), *more, who, Spending(by, CLOCK, usage.note))

    measure = PrometheusMetrics("0", components).measure
    # The real log, written to nowhere.
    with redirect_stderr(Path(os.devnull).open("w", encoding="utf-8")):  # noqa: ASYNC230  # until the process ends
        configure_logs()
    log = access_logger()

    def observed(app: Any) -> Observed:
        return Observed(app, CLOCK, ENTROPY, log, measure)

    asks = {
        "bare": caller(application()),
        "key": caller(application(who), made.key),
        "token": caller(application(who), token),
        "key_local": caller(application(*limited(alone)), made.key),
        "key_redis": caller(application(*limited(shared)), made.key),
        "key_authorized": caller(application(who, may), made.key),
        "deadline": caller(application(Deadline())),
        "observed": caller(observed(application())),
        "all": caller(observed(application(*limited(shared, Deadline()), may)), made.key),
        "served_without_headers": served(observed(application()), ()),
        "served": served(observed(application()), SECURITY_HEADERS),
    }
    layers = [
        ("authentication_api_key", "key", "bare"),
        ("authentication_access_token", "token", "bare"),
        ("limit_redis", "key_redis", "key"),
        ("limit_local", "key_local", "key"),
        ("authorization", "key_authorized", "key"),
        ("deadline", "deadline", "bare"),
        ("observation", "observed", "bare"),
        ("security_headers", "served", "served_without_headers"),
        ("all_with_redis", "all", "bare"),
    ]
    return asks, layers


async def components() -> Mapping[str, bool]:
    return {}


async def access_token(appliance: Appliance, tokens: AccessTokens, organization_id: Any) -> str:
    """Return a token of the owner, who gets a password hash (of nothing) and a session."""
    now_us = CLOCK.now_us()
    async with appliance.accounts.tenant(organization_id) as tenant:
        (owner,) = await tenant.users.all()
        session = Session(
            id=new_id(CLOCK, ENTROPY), organization_id=organization_id, user_id=owner.id, created_us=now_us,
            seen_us=now_us, authenticated_us=now_us,
        )  # fmt: skip
        await tenant.sessions.add(session)
        await tenant.users.save(sealed_with_password(appliance, owner))
    return tokens.issue(
        subject=owner.id, organization_id=organization_id, role=owner.role, session_id=session.id, now_us=now_us
    )


def sealed_with_password(appliance: Appliance, owner: Any) -> Any:
    return sealed(appliance.parts.vault, replace(owner, password_hash="." * 60))


def tell(layers: list[tuple[str, str, str]], taken: Mapping[str, list[float]]) -> list[tuple[str, float, float]]:
    rows = []
    for name, rung, before in layers:
        added = statistics.median(one - other for one, other in zip(taken[rung], taken[before], strict=True))
        base = statistics.median(taken[before])
        rows.append((name, added, base))
        emit(name, added, before, added / base)
    return rows


async def run(rounds: int, requests: int) -> None:
    async with opened() as (appliance, settings):
        asks, layers = await rungs(appliance, settings.policies.parent / "none")
        taken = await in_rounds(asks, rounds, requests)
    for name in ("bare", "served_without_headers"):
        emit(name, statistics.median(taken[name]))
    rows = tell(layers, taken)
    print(f"\n{'layer':<30}{'adds, us':>10}{'to, us':>10}")
    for name, added, base in rows:
        print(f"{name:<30}{added:>10.1f}{base:>10.1f}")


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    uvloop.run(run(*given, *(ROUNDS, REQUESTS)[len(given) :]))
