"""
Apply retention: destroy the payloads that have been kept for as long as their organization wants, and say so.

One process has its turn at a time; should two do it at once all the same, what is destroyed is looked up again while
the ledger is held. What a legal hold covers is left out. After a restore it is done again by itself, for the same time
has passed.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.erasure import ranges_of
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.retention import RetentionRule, retention_bodies, rules_of
from governlayer_server.domain.times import time_text
from governlayer_server.ports import Clock, Entropy
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.ports.erasures import ErasureStore
from governlayer_server.ports.holds import HoldStore
from governlayer_server.ports.turns import Turn
from governlayer_server.usecases.every_ledger import for_each_open
from governlayer_server.usecases.record_event import event

BATCH = 250
WINDOW = 50_000


class ApplyRetention(Struct, frozen=True, kw_only=True):
    """
    Done once an hour.

    Attributes:
        turn: whose it is now.
        batch: how many records lose payloads in one transaction, while others wait for the ledger.
        window: how many records one query looks at.
    """

    accounts: AccountStore
    store: HoldStore
    ledgers: ErasureStore
    turn: Turn
    clock: Clock
    entropy: Entropy
    batch: int = BATCH
    window: int = WINDOW

    async def __call__(self) -> Mapping[UUID, int] | None:
        """
        Destroy all that has expired; a ledger that is closed to writing is passed over.

        Returns:
            How many times a record lost payloads, by organization; None: another process is doing it.

        Raises:
            Unavailable: the clocks differ too much. Nothing was destroyed.
            Exception: of the first ledger that failed, after all others have had their turn.
        """
        async with self.turn() as mine:
            return await self._all() if mine else None

    async def _all(self) -> Mapping[UUID, int]:
        found = {str(one.id): one for one in await self.accounts.organizations() if one.erased_us is None}
        destroyed = dict[UUID, int]()

        async def work(ledger_id: str) -> None:
            destroyed[found[ledger_id].id] = await self.one(found[ledger_id])

        await for_each_open(found, work)
        return destroyed

    async def one(self, organization: Organization) -> int:
        """
        Return how many times a record of the organization lost payloads.

        Raises:
            LedgerRefused: its ledger is closed. Nothing was destroyed.
            LedgerUnavailable: the database is away; what was destroyed before is recorded.
        """
        destroyed = 0
        for rule in rules_of(organization.settings):
            destroyed += await self._apply(str(organization.id), rule)
        return destroyed

    async def _apply(self, ledger_id: str, rule: RetentionRule) -> int:
        before_us, after, destroyed = rule.ends_us(self.clock.now_us()), -1, 0
        last = await self.store.last_before(ledger_id, before_us)
        while after < last:
            end = min(after + self.window, last)
            seqs = await self.store.expired(ledger_id, rule.names, after, end, self.batch)
            if seqs:
                destroyed += await self._destroy(ledger_id, rule, before_us, seqs)
            after = seqs[-1] if len(seqs) == self.batch else end
        return destroyed

    async def _destroy(self, ledger_id: str, rule: RetentionRule, before_us: int, seqs: Sequence[int]) -> int:
        async with self.ledgers.hold(ledger_id) as held:
            destroyed = await held.holds.destroy_expired(seqs, rule.names)
            bodies = retention_bodies(rule, ranges_of(destroyed), time_text(before_us))
            if bodies:
                await held.append(
                    [event(self.clock, self.entropy, ledger_id, SYSTEM, "retention", body) for body in bodies]
                )
        return len(destroyed)
