"""Backups in the background of a server: one every so many hours, by one replica at a time."""

from contextlib import suppress

from governlayer_server.domain.backup import TOMBSTONES, made_us
from governlayer_server.domain.errors import Conflict
from governlayer_server.domain.times import HOUR_US, MINUTE_US, SECOND_US
from governlayer_server.settings import Settings
from governlayer_server.usecases.open_backup import newest_genuine, newest_verified
from governlayer_server.usecases.prune_backups import prune_backups
from governlayer_server.wiring.appliance import Appliance
from governlayer_server.wiring.backups import back_up, place_of, store_of, tombstone_files

_AGAIN_US = 10 * MINUTE_US


class ScheduledBackups:
    """
    Backs up when the newest whole backup of the destination is old enough, whoever made that.

    Args:
        appliance: that was opened.
        settings: of it; they name a destination.
    """

    def __init__(self, appliance: Appliance, settings: Settings) -> None:
        self._appliance = appliance
        self._settings = settings
        self._store = store_of(settings.backups.destination)
        self._place = place_of(self._store, None, appliance.parts.keys.ring)
        self._newest_us: int | None = None
        self._verified_us: int | None = None
        self._not_before_us = 0
        self._listed = set[str]()

    @property
    def age_s(self) -> float:
        """
        Seconds since the newest whole backup was begun, infinite where there is none that we know of.

        Ids have whole seconds, and each comes after the one before: one that was begun just now may be ahead of it.
        """
        return self._since_s(self._newest_us)

    @property
    def verified_age_s(self) -> float:
        """Seconds since the newest verified backup was begun, infinite where there is none that we know of."""
        return self._since_s(self._verified_us)

    def _since_s(self, begun_us: int | None) -> float:
        now_us = self._appliance.parts.clock.now_us()
        return float("inf") if begun_us is None else max(0.0, (now_us - begun_us) / SECOND_US)

    async def __call__(self) -> None:
        """
        Look at the destination, and back up if it is time.

        Raises:
            Unavailable: database or store went away; it is tried again in ten minutes, and goes on then.
        """
        await self._look()
        settings, now_us = self._settings.backups, self._appliance.parts.clock.now_us()
        if settings.hours is None or settings.owner is None or settings.passphrase is None:
            return
        due_us = 0 if self._newest_us is None else self._newest_us + settings.hours * HOUR_US
        if now_us < max(due_us, self._not_before_us):
            return
        self._not_before_us = now_us + _AGAIN_US
        with suppress(Conflict):  # another replica does it
            await back_up(self._appliance, self._settings, settings.owner, self._store, settings.passphrase)
            await prune_backups(self._place, keep=settings.keep, since_us=None)
        await self._look()

    async def copy_tombstones(self) -> None:
        """
        Complete the list in the destination of what was erased: whenever the machine is lost, it is erased again.

        Raises:
            Unavailable: the destination does not take it; what is left is copied the next time.
        """
        files = [one async for one in tombstone_files(self._settings.ledgers.tombstones, self._listed)]
        there = {one.name for one in await self._store.list(TOMBSTONES)} if files else set[str]()
        for name, content in files:
            if TOMBSTONES + name not in there:
                async with self._store.writer(TOMBSTONES + name) as to:
                    await to.write(content)
            self._listed.add(name)

    async def _look(self) -> None:
        newest = await newest_genuine(self._place, whole=True)
        self._newest_us = None if newest is None else made_us(newest.id)
        verified = await newest_verified(self._place)
        self._verified_us = None if verified is None else made_us(verified.id)
