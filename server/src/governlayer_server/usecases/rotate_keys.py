"""
Rotate the ledgers' signing keys: a new one is introduced in every ledger, later the old one is retired (ledger-v1 §5).

In between both sign, so that who trusts the old key follows to the new one by the records alone. Each step can be
interrupted at any point and done again: what stands already is found, and nothing is recorded twice.
"""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from governlayer_server.domain.errors import Conflict, GovernLayerError, LedgerUnavailable
from governlayer_server.domain.times import MINUTE_US, SECOND_US
from governlayer_server.ports import Clock, Signers
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.ports.ledger_keys import Algorithm, KeyMaker, KeyState, LedgerKey, LedgerKeyStore
from governlayer_server.usecases.check_ledgers import Progress
from governlayer_server.usecases.every_ledger import all_ledger_ids
from governlayer_server.usecases.publish_checkpoints import PublishCheckpoints
from governlayer_server.usecases.record_key_event import KeyEvent, key_record, record_key_event

# Longer than any process signs without having read which keys are in service.
MIN_OVERLAP_US = 2 * MINUTE_US
_ATTEMPTS = 5


class RotateKeys(Struct, frozen=True, kw_only=True):
    """Rotates keys; the operator's act."""

    keys: LedgerKeyStore
    maker: KeyMaker
    signer: Signers
    ledger: LedgerStore
    accounts: AccountStore
    publish: PublishCheckpoints
    clock: Clock

    async def rotate(self, algorithm: Algorithm, progress: Progress) -> LedgerKey:
        """
        Return a new key that is in service beside the old one, and that every ledger knows.

        A rotation that was interrupted is completed.

        Args:
            algorithm: of the key.
            progress: is told how many ledgers of how many know the key, again and again.

        Raises:
            Conflict: the rotation before has not been finished by retiring its old key.
            LedgerUnavailable: the database is away, or a ledger takes no records; to be done again.
        """
        key = await self._entering(algorithm)
        await self._refresh()

        async def introduce(ledger_id: str) -> None:
            await record_key_event(self.ledger, self.clock, ledger_id, key.vkey, KeyEvent.INTRODUCED)

        await self._everywhere(introduce, progress)
        await self.keys.move(key.key_id, KeyState.INTRODUCING, KeyState.ACTIVE, self.clock.now_us())
        return await self._now(key)

    async def retire(self, algorithm: Algorithm, progress: Progress, *, at_once: bool = False) -> LedgerKey:
        """
        Return the oldest key, which signs no more.

        Before a ledger is told, a checkpoint of it is published that both keys signed and that covers the
        introduction of the new one. A retirement that was interrupted is completed.

        Args:
            algorithm: of the key.
            progress: is told how many ledgers of how many know of it, again and again.
            at_once: whether the new key may be younger than two minutes: some process may not know it yet.

        Raises:
            Conflict: there is no newer key that every ledger has known for two minutes. Nothing was changed.
            LedgerUnavailable: the database is away, or a ledger takes no records; to be done again.
        """
        key, *followers = await self._leaving(algorithm, at_once=at_once)
        await self.keys.move(key.key_id, KeyState.ACTIVE, KeyState.RETIRING, self.clock.now_us())
        await self._refresh()

        async def retire(ledger_id: str) -> None:
            if await key_record(self.ledger, ledger_id, key.vkey, KeyEvent.RETIRED) is None:
                await self._hand_over(ledger_id, followers)
                await record_key_event(self.ledger, self.clock, ledger_id, key.vkey, KeyEvent.RETIRED)

        await self._everywhere(retire, progress)
        await self.keys.move(key.key_id, KeyState.RETIRING, KeyState.RETIRED, self.clock.now_us())
        await self._refresh()
        return await self._now(key)

    async def _entering(self, algorithm: Algorithm) -> LedgerKey:
        serving = await self._in_service(algorithm)
        begun = [key for key in serving if key.state is KeyState.INTRODUCING]
        if not begun and len(serving) > 1:
            raise Conflict("two keys are in service: retire the old one first, with `governlayer ledger retire-key`")
        if not begun:
            made = self.maker.new(algorithm, KeyState.INTRODUCING, self.clock.now_us())
            if not await self.keys.add(made):  # by somebody else, just now
                return (await self._in_service(algorithm))[-1]
            begun = [made]
        return begun[-1]

    async def _leaving(self, algorithm: Algorithm, *, at_once: bool) -> Sequence[LedgerKey]:
        """Return the key that leaves, and those that stay, oldest first."""
        serving = await self._in_service(algorithm)
        if serving[-1].state is KeyState.INTRODUCING:
            raise Conflict("not every ledger knows the new key yet: finish with `governlayer ledger rotate-key`")
        if len(serving) == 1:
            raise Conflict("there is one key: make another first, with `governlayer ledger rotate-key`")
        left_us = serving[-1].introduced_us + MIN_OVERLAP_US - self.clock.now_us()
        if left_us > 0 and not at_once:
            raise Conflict(f"not every process may know the new key yet: try again in {-(-left_us // SECOND_US)} s")
        return serving

    async def _hand_over(self, ledger_id: str, followers: Sequence[LedgerKey]) -> None:
        """
        Introduce *followers*, and publish a checkpoint over that which all keys in service signed.

        A ledger may have been begun while both keys were in service; and a process that did not know the new key yet
        may have published first: then the ledger says it once more, to be larger.
        """
        for again in range(_ATTEMPTS):
            records = [
                await record_key_event(self.ledger, self.clock, ledger_id, key.vkey, KeyEvent.INTRODUCED, again)
                for key in followers
            ]
            newest = await self.publish.one(ledger_id)
            if newest is not None and newest.size > max(record.seq for record in records):
                signed, _, _ = newest.note.partition("\n\n")
                if all(line in newest.note for line in self.signer.sign(signed + "\n")):
                    return
        raise LedgerUnavailable("a ledger got no checkpoint that both keys signed: try again")

    async def _everywhere(self, work: Callable[[str], Awaitable[None]], progress: Progress) -> None:
        """Do *work* for the system ledger and those of all organizations, also of those that are founded meanwhile."""
        done: set[str] = set()
        failures: list[GovernLayerError] = []
        while missing := [one for one in await all_ledger_ids(self.accounts) if one not in done]:
            total = len(done) + len(missing)
            for ledger_id in missing:
                try:
                    await work(ledger_id)
                except GovernLayerError as error:
                    failures.append(error)
                done.add(ledger_id)
                progress(len(done), total)
        if failures:
            raise failures[0]

    async def _in_service(self, algorithm: Algorithm) -> Sequence[LedgerKey]:
        return [key for key in await self.keys.all() if key.algorithm is algorithm and key.in_service]

    async def _now(self, key: LedgerKey) -> LedgerKey:
        return next(one for one in await self.keys.all() if one.key_id == key.key_id)

    async def _refresh(self) -> None:
        self.maker.renew(await self.keys.all())
