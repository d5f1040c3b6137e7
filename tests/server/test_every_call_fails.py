"""
Every single call to PostgreSQL and Redis fails in turn, while a decision is asked for (claim 2, SQLite's way).

A clean run counts the calls; then the first fails, then the second, until none is left, in each of the ways that a call
can fail. Whatever fails: no answer without a durable record, no hang, no dead process, and asked again with the same
idempotency key the question is answered, with one record in all.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Any

import asyncpg
import httpx
import pytest
import redis.exceptions
from asyncpg.connection import Connection
from governlayer_server.adapters.redis.outage import Outage
from governlayer_server.domain.access import Scope
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.plan import Plan
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.settings import Settings
from governlayer_server.web.deadline import ANSWER_S
from governlayer_server.web.links import Links
from governlayer_server.wiring import Appliance, open_appliance
from redis.asyncio.client import Pipeline, Redis

CALLS = {
    Connection: ("execute", "fetch", "fetchrow", "fetchval"),
    Redis: ("execute_command",),
    Pipeline: ("execute",),
}
MOST = 60
PASSWORD = "quiet otters vote at nine"
QUESTION = {
    "stage": "input", "agent": {"id": "a"}, "action": {"name": "chat"}, "options": {"receipt": True},
    "content": [{"role": "user", "text": "hello"}],
}  # fmt: skip
_asked: "ContextVar[Fault | None]" = ContextVar("asked", default=None)


class Way(StrEnum):
    """How a call fails."""

    ERROR = "error"  # it was refused: nothing was done
    LOST = "lost"  # it was done, and the answer is lost
    TIMEOUT = "timeout"  # nothing came within the client's patience
    CANCELLED = "cancelled"  # whoever called goes away in the middle


class Fault:
    """Makes call number *nth* of those that the question causes fail; the work of the background is left alone."""

    def __init__(self, nth: int, way: Way) -> None:
        self.nth = nth
        self.way = way
        self.calls = 0
        self.asking: asyncio.Task[httpx.Response] | None = None

    async def around(self, call: Any, owner: type, *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        if self.calls != self.nth:
            return await call(*arguments, **named)
        if self.way is Way.CANCELLED:
            assert self.asking is not None
            self.asking.cancel()
            return await call(*arguments, **named)
        if self.way is Way.LOST:
            await call(*arguments, **named)
        if self.way is Way.TIMEOUT:
            raise TimeoutError
        raise asyncpg.ConnectionDoesNotExistError if owner is Connection else redis.exceptions.ConnectionError


@contextmanager
def faults_possible(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Send every call through the fault of the question that it belongs to."""

    def through(owner: type, call: Any) -> Any:
        async def called(*arguments: Any, **named: Any) -> Any:
            fault = _asked.get()
            if fault is None:
                return await call(*arguments, **named)
            return await fault.around(call, owner, *arguments, **named)

        return called

    with monkeypatch.context() as patch:
        for owner, names in CALLS.items():
            for name in names:
                patch.setattr(owner, name, through(owner, getattr(owner, name)))
        yield


class Asking:
    """An appliance, and somebody who asks it one question after the other."""

    def __init__(self, appliance: Appliance, client: httpx.AsyncClient, ledger_id: str, credential: str) -> None:
        self.appliance = appliance
        self._client = client
        self._ledger_id = ledger_id
        self._headers = {"Authorization": f"Bearer {credential}"}

    async def ask(self, once: str, fault: Fault | None = None) -> httpx.Response | None:
        """Return the answer; None where whoever asked went away."""

        async def post() -> httpx.Response:
            _asked.set(fault)
            headers = {**self._headers, "Idempotency-Key": once}
            body = {**QUESTION, "action": {"name": once}}
            return await self._client.post("/v1/govern", json=body, headers=headers)

        self.appliance.parts.principals.forget(None)
        task = asyncio.create_task(post())
        if fault is not None:
            fault.asking = task
        try:
            return await task
        except asyncio.CancelledError:
            return None

    async def decisions(self, name: str) -> list[str]:
        """Return the ids of the decisions about the action *name* that are durable."""
        after, found = -1, []
        while page := await self.appliance.ledger.records(self._ledger_id, after, 200, RecordFilter(type="decision")):
            found += [one.canonical for one in page]
            after = page[-1].seq
        marks = [one for one in found if f'"action":"{name}"'.encode() in one]
        return [one.split(b'"decision_id":"')[1][:36].decode() for one in marks]


@pytest.mark.parametrize("credential", ["key", "user"])
@pytest.mark.parametrize("way", Way)
@pytest.mark.timeout(900)
async def test_whichever_call_fails_nothing_is_answered_without_a_record(
    migrated: Settings, monkeypatch: pytest.MonkeyPatch, way: Way, credential: str, record_property: Any
) -> None:
    async with open_appliance(migrated) as appliance:
        organization = await appliance.create_organization("acme", Plan.ENTERPRISE, "o@example.org", PASSWORD)
        made = await appliance.manage_keys.create(SYSTEM, organization.id, KeyTerms(name="k", scopes=(Scope.GOVERN,)))
        app = await appliance.application(migrated, Links("http://test"))
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            secret = made.key
            if credential == "user":
                answer = await client.post("/v1/auth/login", json={"email": "o@example.org", "password": PASSWORD})
                secret = answer.json()["access_token"]
            asking = Asking(appliance, client, str(organization.id), secret)
            with faults_possible(monkeypatch):
                nth, outcomes = await every_call(asking, way)
    print(f"\n{credential}, {way}: {nth} calls failed in turn: {outcomes}")
    record_property("calls_failed", nth)
    assert nth >= 8


async def every_call(asking: Asking, way: Way) -> tuple[int, dict[int | None, int]]:
    """Let each call fail; return how many there are, and how many answers of each status came."""
    outcomes: dict[int | None, int] = {}
    for nth in range(1, MOST):
        once, fault = f"{way}-{nth}", Fault(nth, way)
        began = time.monotonic()
        answer = await asking.ask(once, fault)
        assert time.monotonic() - began < ANSWER_S + 2, nth
        if fault.calls < nth:  # there was no such call
            return nth - 1, outcomes
        status = None if answer is None else answer.status_code
        outcomes[status] = outcomes.get(status, 0) + 1
        recorded = await asking.decisions(once)
        assert len(recorded) <= 1
        told = await answered_truly(answer, recorded, nth)
        await redis_seen_again(asking.appliance.parts.outage)
        again = await settled(asking, once)
        assert again.json()["decision"] == "allow", again.text
        assert await asking.decisions(once) == [again.json()["decision_id"]], nth
        assert told in (None, again.json()["decision_id"]), nth
    raise AssertionError("more calls than expected")


async def answered_truly(answer: httpx.Response | None, recorded: list[str], nth: int) -> str | None:
    """Return the decision that *answer* tells of, if one; it is durable, and nothing but an answer of 200 has one."""
    if answer is None:
        return None
    if answer.status_code == 200:
        assert recorded == [answer.json()["decision_id"]], nth
        assert answer.json()["receipt"], nth
        return recorded[0]
    assert answer.status_code in {401, 409, 429, 500, 503}, (nth, answer.text)
    assert "decision" not in answer.json(), nth
    assert answer.headers["content-type"] == "application/problem+json"
    return None


async def redis_seen_again(outage: Outage) -> None:
    """Spare the second until somebody looks whether Redis is back."""
    if outage.is_known:
        await outage.look()
    assert not outage.is_known


async def settled(asking: Asking, once: str) -> httpx.Response:
    """Ask the same again until the first question under this key runs no more."""
    for _ in range(200):
        answer = await asking.ask(once)
        assert answer is not None
        if answer.status_code == 200:
            return answer
        assert answer.status_code in {409, 503}, answer.text
        await asyncio.sleep(0.1)
    raise AssertionError(answer.text)
