"""Publish checkpoints: sign where each ledger stands, now and then, if it extends what was published before."""

from collections.abc import Callable, Sequence

from msgspec import Struct, field

from governlayer_server.domain.errors import LedgerDamaged, ProofError
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.proofs import verify_consistency
from governlayer_server.domain.ledger.tree import root
from governlayer_server.domain.times import MINUTE_US, SECOND_US
from governlayer_server.ports import Clock, Signers
from governlayer_server.ports.checkpoints import Checkpoint, CheckpointStore, Fork
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.ports.refusals import NoGuard, WriteGuard
from governlayer_server.usecases.every_ledger import for_each_open
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.sign_checkpoint import sign_checkpoint, sign_for_keeping

INTERVAL_US = SECOND_US
Log = Callable[..., object]


class Publishing:
    """What the rounds of one process left behind, for its figures."""

    def __init__(self) -> None:
        self.waiting_since_us: dict[str, int] = {}
        self.told: set[str] = set()
        self.refusals = 0

    def note_grown(self, ledger_ids: Sequence[str], now_us: int) -> None:
        """Take in which ledgers have grown beyond their newest checkpoint."""
        self.waiting_since_us = {one: self.waiting_since_us.get(one, now_us) for one in ledger_ids}

    def seconds_waited(self, now_us: int) -> float:
        """Return for how long a ledger has been waiting for its checkpoint, the one that waits longest; 0: none."""
        return max((now_us - since_us for since_us in self.waiting_since_us.values()), default=0) / SECOND_US


class PublishCheckpoints(Struct, frozen=True, kw_only=True):
    """
    Publishes the checkpoints of all ledgers. Any number of replicas may: each checkpoint is published once.

    A ledger that does not extend its newest published checkpoint gets no signature: what was found is kept as
    evidence, and the log is told.
    """

    ledger: LedgerStore
    checkpoints: CheckpointStore
    prove: ProveLedger
    signer: Signers
    clock: Clock
    log: Log
    guard: WriteGuard = NoGuard()
    state: Publishing = field(default_factory=Publishing)

    async def __call__(self) -> None:
        """
        Publish a checkpoint of each ledger that has grown, unless its last one is younger than a second.

        Raises:
            Exception: of the first ledger that failed, after all others have had their turn.
        """
        grown = await self.checkpoints.grown()
        self.state.note_grown(grown, self.clock.now_us())
        await for_each_open(grown, lambda ledger_id: self.one(ledger_id, INTERVAL_US))

    async def one(self, ledger_id: str, interval_us: int = 0) -> Checkpoint | None:
        """
        Return the newest published checkpoint of the ledger: of all its records as they are now, or a young one.

        Args:
            ledger_id: whose.
            interval_us: a checkpoint that is younger than this will do.

        Returns:
            None: the ledger is empty.

        Raises:
            LedgerDamaged: the ledger does not extend its newest published checkpoint. Nothing was signed.
            LedgerRefused: the ledger is closed. Nothing was signed.
            LedgerUnavailable: the database is away.
            NotFound: there is no such ledger.
        """
        self.guard.require_open(ledger_id)
        # In this order: what another replica publishes in between is never larger than the head that is read.
        newest = await self.checkpoints.newest(ledger_id)
        head = await self.ledger.head(ledger_id)
        now_us = self.clock.now_us()
        if newest is not None:
            if 0 <= now_us - newest.published_us < interval_us:
                return newest
            await self._require_growth(newest, head, now_us)
            if newest.size == head.size:
                return newest
        if head.size == 0:
            return None
        return await self._publish(ledger_id, newest, head, now_us)

    async def _publish(self, ledger_id: str, newest: Checkpoint | None, head: Head, now_us: int) -> Checkpoint | None:
        checkpoint = Checkpoint(
            ledger_id=ledger_id,
            size=head.size,
            root=root(head.edge),
            note=self._note(newest, head, now_us),
            published_us=now_us,
            extends=0 if newest is None else newest.size,
        )
        added = await self.checkpoints.add(checkpoint)
        self.state.waiting_since_us.pop(ledger_id, None)
        return checkpoint if added else await self.checkpoints.newest(ledger_id)

    def _note(self, newest: Checkpoint | None, head: Head, now_us: int) -> str:
        """Sign; post-quantum signatures, ten times as long as all the rest, stand on the first of each minute (UTC)."""
        if newest is None or newest.published_us // MINUTE_US != now_us // MINUTE_US:
            return sign_for_keeping(self.signer, head, now_us)
        return sign_checkpoint(self.signer, head)

    async def _require_growth(self, newest: Checkpoint, head: Head, now_us: int) -> None:
        try:
            await self._check_growth(newest, head)
        except (ProofError, LedgerDamaged) as error:
            await self._refuse(newest, head, now_us)
            raise LedgerDamaged("a ledger does not extend its published checkpoint: nothing was signed") from error

    async def _check_growth(self, newest: Checkpoint, head: Head) -> None:
        if head.size < newest.size:
            raise ProofError(f"the ledger has {head.size} records, of {newest.size} a checkpoint is published")
        proof = await self.prove.consistency(newest.ledger_id, newest.size, head.size)
        verify_consistency(newest.size, head.size, newest.root, root(head.edge), proof)

    async def _refuse(self, newest: Checkpoint, head: Head, now_us: int) -> None:
        """Count, keep the first evidence against each checkpoint, and tell the log once in the life of the process."""
        self.state.refusals += 1
        if newest.ledger_id not in self.state.told:
            self.log("ledger.fork", organization_id=newest.ledger_id)
            self.state.told.add(newest.ledger_id)
        fork = Fork(
            ledger_id=newest.ledger_id,
            published_size=newest.size,
            size=head.size,
            root=root(head.edge),
            head_hash=head.hash,
            found_us=now_us,
        )
        await self.checkpoints.add_fork(fork)
