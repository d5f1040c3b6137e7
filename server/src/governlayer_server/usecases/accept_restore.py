"""Accept that a ledger was restored from an older copy: its operator owns up to what is lost, and it goes on."""

from collections.abc import Sequence

from msgspec import Struct

from governlayer_server.domain.errors import Conflict
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.ports import Clock, Entropy
from governlayer_server.ports.ledger import Entry
from governlayer_server.ports.refusals import Refusals
from governlayer_server.usecases.accepted_restores import RESTORE
from governlayer_server.usecases.check_ledgers import OUTSIDE, CheckLedgers, Kept
from governlayer_server.usecases.record_event import event


class AcceptRestore(Struct, frozen=True, kw_only=True):
    """Opens closed ledgers again."""

    check: CheckLedgers
    refusals: Refusals
    clock: Clock
    entropy: Entropy

    async def __call__(self, ledger_id: str) -> Entry:
        """
        Append the ``restore`` record that names the lost checkpoint (ledger-v1 §2.2), and open the ledger.

        The lost checkpoint is the largest that contradicts the ledger from outside of the database, if one does.
        Nothing is undone: whoever holds a checkpoint of what is lost still finds that the ledger does not extend it,
        and finds in the record that its operator says so.

        Args:
            ledger_id: which ledger.

        Raises:
            Conflict: there is nothing to accept, or what is stored contradicts itself: that is no older copy but
                damage, and appending to it would bury it. Nothing was changed.
            Unavailable: the ledger could not be read or written.
        """
        checked = await self.check.findings(ledger_id)
        if checked.findings and not checked.was_set_back:
            first = checked.findings[0]
            raise Conflict(
                f"the ledger is damaged, not restored ({first.step}: expected {first.expected}, found {first.found}): "
                "put a backup of the whole database back first"
            )
        named = _largest(checked.kept if checked.findings else ())
        if named is None and ledger_id not in self.refusals.closed:
            raise Conflict("the ledger is open, and no checkpoint is known to be lost: there is nothing to accept")
        body = {"lost": None if named is None else named.note}
        append = event(self.clock, self.entropy, ledger_id, SYSTEM, RESTORE, body)
        return await self.refusals.reopen(append, 0 if named is None else named.size)


def _largest(kept: Sequence[Kept]) -> Kept | None:
    outside = [one for one in kept if one.place == OUTSIDE]
    return max(outside, key=lambda one: one.size, default=None)
