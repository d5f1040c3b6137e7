"""Count sign-ins that failed; the ledger gets one record for a user and a quarter of an hour at the most."""

from collections import Counter
from contextlib import suppress
from uuid import UUID

from governlayer_server.domain.errors import GovernLayerError
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.tenants import tenant_name
from governlayer_server.domain.times import MINUTE_US
from governlayer_server.ports import Clock, Entropy
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.usecases.record_event import event

QUARTER_HOUR_US = 15 * MINUTE_US
_Account = tuple[UUID | None, UUID | None]


class CountSignInFailures:
    """
    Counts in memory, each replica its own; nothing of who tried, or of addresses that are no account's.

    What was not flushed when the process is killed is lost: these are counts. A stop in order flushes them.
    """

    def __init__(self, accounts: AccountStore, clock: Clock, entropy: Entropy) -> None:
        self._accounts = accounts
        self._clock = clock
        self._entropy = entropy
        self._counts: Counter[_Account] = Counter()
        self._since_us = clock.now_us()

    def note(self, organization_id: UUID | None, user_id: UUID | None) -> None:
        """Count a failure of the user's account, or of one that does not exist (None, None)."""
        self._counts[organization_id, user_id] += 1

    async def flush_due(self) -> None:
        """Write the records of the quarter of an hour, if it is over."""
        now_us = self._clock.now_us()
        if now_us // QUARTER_HOUR_US != self._since_us // QUARTER_HOUR_US:
            await self.flush()

    async def flush(self) -> None:
        """Write all that was counted; what cannot be written now is kept for the next time."""
        taken, self._counts, self._since_us = self._counts, Counter(), self._clock.now_us()
        kept: Counter[_Account] = Counter()
        try:
            while taken:
                account, count = taken.popitem()
                kept[account] = count
                with suppress(GovernLayerError):
                    await self._record(account, count)
                    del kept[account]
        finally:
            # Also when this was cancelled in the middle: what stands on no record counts on.
            self._counts += kept + taken

    async def _record(self, account: _Account, count: int) -> None:
        organization_id, user_id = account
        ledger_id = tenant_name(organization_id)
        body = {"count": count, "event": "sign_in_failed", "user_id": None if user_id is None else str(user_id)}
        async with self._accounts.tenant(organization_id) as tenant:
            await tenant.record(event(self._clock, self._entropy, ledger_id, SYSTEM, "user.changed", body))
