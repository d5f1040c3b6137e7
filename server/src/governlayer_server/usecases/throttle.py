"""Throttle: spend from counters before costly or guessable work is done."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.errors import TooManyAttempts
from governlayer_server.domain.sign_in_throttle import Bucket, Counts
from governlayer_server.ports import Clock, Entropy
from governlayer_server.ports.sign_in import SignInAttempts
from governlayer_server.usecases.new_id import new_id


class Spent(Struct, frozen=True):
    """One attempt, and where it counts."""

    attempt: UUID
    buckets: tuple[Bucket, ...]


class Throttle(Struct, frozen=True, kw_only=True):
    """Admits attempts, or tells when to come again."""

    attempts: SignInAttempts
    clock: Clock
    entropy: Entropy

    async def spend(self, buckets: Sequence[Bucket]) -> Spent:
        """
        Return what one attempt has spent from *buckets*.

        Raises:
            TooManyAttempts: one of them is empty. Nothing was spent.
        """
        spent = Spent(new_id(self.clock, self.entropy), tuple(buckets))
        if wait_s := await self.attempts.spend(spent.attempt, spent.buckets):
            raise TooManyAttempts(wait_s)
        return spent

    async def give_back(self, spent: Spent) -> None:
        """Let the attempt no longer count as a failure: it was none. It goes on to count as an attempt."""
        failures = [bucket for bucket in spent.buckets if bucket.counts is Counts.FAILURES]
        await self.attempts.give_back(spent.attempt, failures)
