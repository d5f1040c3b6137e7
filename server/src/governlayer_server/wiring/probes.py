"""What ``/readyz`` and the figures ask: does each part that decisions need work, and does any work with less."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from governlayer_server.adapters.postgres.migrate import pending_migrations
from governlayer_server.adapters.redis.running_requests import redis_answers
from governlayer_server.domain.errors import GovernLayerError
from governlayer_server.domain.quota import Mode
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.usecases.anchors_state import AnchorsState
from governlayer_server.usecases.limit_requests import LimitRequests
from governlayer_server.web.routes.health import Probes, Readiness
from governlayer_server.wiring.parts import Parts

_PROBE_S = 3.0


def probes_of(ledger: LedgerStore, parts: Parts, limit_requests: LimitRequests, anchors: AnchorsState) -> Probes:
    """Return what asks all parts at once; one that does not answer within 3 seconds does not work."""

    async def probes() -> Readiness:
        asked = {
            "ledger": _ledger_answers(ledger),
            "migrations": _migrated(),
            "postgresql": parts.database.answers(),
            "redis": redis_answers(parts.redis),
        }
        works = dict(zip(asked, await asyncio.gather(*map(_in_time, asked.values())), strict=True))
        less = {
            "ledgers": bool(parts.refusals.closed),
            "rate_limits": limit_requests.mode is Mode.LOCAL or not works["redis"],
            "read_replica": parts.database.replica_is_away,
        }
        return Readiness(works, tuple(name for name, is_less in less.items() if is_less), anchors())

    return probes


async def _ledger_answers(ledger: LedgerStore) -> bool:
    try:
        await ledger.head(SYSTEM_LEDGER)
    except GovernLayerError:
        return False
    return True


async def _in_time(probe: Coroutine[Any, Any, bool]) -> bool:
    try:
        async with asyncio.timeout(_PROBE_S):
            return await probe
    except TimeoutError:
        return False


async def _migrated() -> bool:
    try:
        return not await pending_migrations()
    except GovernLayerError:
        return False
