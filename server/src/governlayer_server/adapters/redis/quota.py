"""
Rate limits, counted by one Lua script in Redis for all replicas, and by this replica alone when Redis is away.

Requests that come while Redis is being asked wait for each other and are asked together: one pipeline at a time. Once
that has failed no request waits; each second one look, beside the requests, sees whether Redis is back.
"""

import asyncio
from collections.abc import Iterable, Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoScriptError

from governlayer_server.adapters.redis.address import TIMEOUT_MS
from governlayer_server.adapters.redis.outage import PROBE_US, RETRY_US, Outage
from governlayer_server.domain.quota import WINDOW_US, Bucket, Mode, Standing, Verdict
from governlayer_server.domain.quota_mirror import Admission, Mirror, Trace
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock

TIMEOUT_US = TIMEOUT_MS * 1_000
_SETTLING_US = 2_000_000
_BATCH = 64
_ATTEMPTS = 2
_SCRIPT = files(__package__).joinpath("quota.lua").read_text("utf-8")
# The name that Redis gives to the script, not a protection of anything.
_SHA = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_ADMITTED, _FULL, _OWN_COUNT, _LATE = 1, 0, 2, -1


class _Call:
    """One request that waits for its verdict."""

    __slots__ = ("answer", "buckets", "created_us", "has_room", "is_settled", "keys", "reports", "reserved", "traces")

    def __init__(
        self, keys: Sequence[str], buckets: Sequence[Bucket], created_us: int, traces: Sequence[Trace]
    ) -> None:
        self.keys = keys
        self.buckets = buckets
        self.created_us = created_us
        self.traces = traces
        self.answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self.has_room = (False, False)
        self.is_settled = False
        self.reserved = False
        self.reports: tuple[list[Admission], ...] = ()


class RedisQuotaStore:
    """
    ``ports.QuotaStore`` on Redis: standalone, behind Sentinel, or a cluster (each owner is one hash tag).

    Args:
        redis: a client that does not repeat commands by itself: a repeated one would spend twice.
        clock: its monotonic clock is used.
        replicas: how many replicas share the limits; the share of each is what it admits alone.
        window_us: length of the window; other than 60 seconds for tests only.
        timeout_us: how long Redis has for an answer before this replica counts alone.
        most: how many buckets this replica remembers for itself.
        outage: what is known of an outage by all that use *redis*; None: this store finds out by itself.
    """

    def __init__(
        self,
        redis: Redis | RedisCluster,
        clock: Clock,
        *,
        replicas: int = 1,
        window_us: int = WINDOW_US,
        timeout_us: int = TIMEOUT_US,
        most: int = 20_000,
        outage: Outage | None = None,
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._mirror = Mirror(replicas, window_us, most)
        self._waiting: list[_Call] = []
        self._work: asyncio.Task[None] | None = None
        self._timeout_us = timeout_us
        self._outage = outage or Outage(redis, clock)
        # Redis's clock less ours, at most.
        self._ahead_us: int | None = None

    @property
    def mode(self) -> Mode:
        """Local while Redis does not answer, and where there are other replicas for one window after that."""
        if self._outage.seen_us is None:
            return Mode.SHARED
        age_us = self._clock.monotonic_us() - self._outage.seen_us
        # Without requests nobody looks whether Redis is back.
        is_down = self._outage.is_known and age_us < RETRY_US + PROBE_US + _SETTLING_US
        others_settle = self._mirror.replicas > 1 and age_us < self._mirror.window_us + _SETTLING_US
        return Mode.LOCAL if is_down or others_settle else Mode.SHARED

    async def spend(self, owner: str, buckets: Sequence[Bucket], created_us: int | None = None) -> Verdict:
        """
        Return whether a request of *owner* is admitted by all *buckets*, and take it from all of them if so.

        Never fails, and never waits for Redis longer than twice its timeout (for those before it, and for itself): this
        replica decides then.
        """
        now_us = self._clock.monotonic_us()
        tag = f"{{{owner}}}:quota:"
        keys = [f"{tag}{one.name}:{one.id}" if one.id else tag + one.name for one in buckets]
        call = _Call(
            [self._epoch(tag), *keys],
            buckets,
            -1 if created_us is None else created_us,
            self._mirror.traces(keys, now_us),
        )
        if self._outage.lasts():
            return self._mirror.spend(buckets, call.traces, now_us)
        self._waiting.append(call)
        if self._work is None:
            self._work = asyncio.create_task(self._ask_all())
        return await call.answer

    def _epoch(self, tag: str) -> str:
        """One marker for the whole Redis, but one per owner in a cluster: its nodes are lost one by one."""
        return f"{tag}epoch" if isinstance(self._redis, RedisCluster) else "quota:epoch"

    async def _ask_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                batch = [call for call in batch if not call.answer.done()]
                self._prepare(batch)
                try:
                    async with asyncio.timeout(self._timeout_us / SECOND_US):
                        await self._ask(batch)
                except Exception:  # noqa: BLE001  # whatever a client raises, there is a verdict
                    self._decide_alone([*batch, *self._waiting])
                    self._waiting = []
        finally:
            self._work = None

    def _prepare(self, batch: Iterable[_Call]) -> None:
        """Promise room in our own count, in order, and take along what Redis was not told of."""
        now_us = self._clock.monotonic_us()
        for call in batch:
            call.has_room = self._mirror.has_room(call.buckets, call.traces, now_us)
            call.reserved = call.has_room[1]
            call.reports = tuple(trace.untold for trace in call.traces)
            for trace in call.traces:
                trace.untold = []
                trace.pending += call.reserved

    async def _ask(self, batch: Sequence[_Call]) -> None:
        left = list(batch)
        for _ in range(_ATTEMPTS):
            sent_us, needs_script, failure = self._clock.monotonic_us(), False, None
            replies = await self._run([self._arguments(call, sent_us) for call in left])
            for call, reply in zip(left, replies, strict=True):
                if isinstance(reply, NoScriptError):
                    needs_script = True
                elif isinstance(reply, Exception):
                    failure = reply
                elif reply[0] == _LATE:  # on a new estimate of its clock
                    self._ahead_us = None
                else:
                    self._settle(call, reply, sent_us)
            left = [call for call in left if not call.is_settled]
            if failure is not None:
                raise failure
            if not left:
                return
            if needs_script:
                await self._redis.script_load(_SCRIPT)
        raise TimeoutError

    async def _run(self, calls: Sequence[tuple[str | int, ...]]) -> Sequence[Any]:
        if len(calls) == 1:  # cheaper than a pipeline of one
            try:
                return [await self._redis.execute_command("EVALSHA", _SHA, *calls[0])]
            except NoScriptError as error:
                return [error]
        async with self._redis.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.execute_command("EVALSHA", _SHA, *call)
            return await pipeline.execute(raise_on_error=False)

    def _arguments(self, call: _Call, now_us: int) -> tuple[str | int, ...]:
        failed_us = self._outage.seen_us
        heeds_share = failed_us is not None and now_us - failed_us < self._mirror.window_us + _SETTLING_US
        deadline_us = 0 if self._ahead_us is None else now_us + self._ahead_us + self._timeout_us
        by_share, known = call.has_room
        arguments: list[str | int] = [len(call.keys), *call.keys, self._mirror.window_us, call.created_us, deadline_us]
        arguments += [int(by_share), int(known), int(heeds_share)]
        for bucket, report in zip(call.buckets, call.reports, strict=True):
            ages = [age for one in report if (age := now_us - one.seen_us) < self._mirror.window_us]
            arguments += [bucket.limit, len(ages), *ages]
        return tuple(arguments)

    def _settle(self, call: _Call, reply: Sequence[int], sent_us: int) -> None:
        verdict, shared_now_us, heeded, *counts = reply
        now_us = self._clock.monotonic_us()
        self._ahead_us = shared_now_us - sent_us
        call.is_settled = True
        self._release(call)
        standings = []
        for index, (bucket, trace) in enumerate(zip(call.buckets, call.traces, strict=True)):
            count, reset_us = counts[2 * index : 2 * index + 2]
            for told in call.reports[index]:
                told.shared_us = shared_now_us - (sent_us - told.seen_us)
            trace.learn(
                count,
                admitted=verdict == _ADMITTED,
                shared_now_us=shared_now_us,
                now_us=now_us,
                window_us=self._mirror.window_us,
            )
            standings.append(Standing(bucket.name, bucket.limit, max(0, bucket.limit - count), reset_us))
        if verdict == _OWN_COUNT:
            standings = list(self._mirror.standings(call.buckets, call.traces, now_us))
        mode = Mode.LOCAL if heeded and self._mirror.replicas > 1 else Mode.SHARED
        if not call.answer.done():  # else whoever asked has gone
            call.answer.set_result(Verdict(admitted=verdict == _ADMITTED, standings=tuple(standings), mode=mode))

    def _decide_alone(self, calls: Iterable[_Call]) -> None:
        """Redis failed: decide by our own count, and do not ask it again for a second."""
        self._outage.note()
        now_us = self._clock.monotonic_us()
        unsettled = [call for call in calls if not call.is_settled]
        for call in unsettled:
            self._release(call)
            for trace, report in zip(call.traces, call.reports, strict=False):
                trace.untold = [*report, *trace.untold]
        for call in unsettled:
            if not call.answer.done():  # else whoever asked has gone
                call.answer.set_result(self._mirror.spend(call.buckets, call.traces, now_us))

    def _release(self, call: _Call) -> None:
        if call.reserved:
            call.reserved = False
            for trace in call.traces:
                trace.pending -= 1
