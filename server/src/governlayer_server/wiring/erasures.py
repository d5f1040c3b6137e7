"""Erasures over an opened appliance: the use cases, the list of tombstones, and what finishes them later."""

from msgspec import Struct

from governlayer_server.adapters.postgres.erasures import PostgresErasures
from governlayer_server.adapters.postgres.vacuum import PostgresVacuum
from governlayer_server.adapters.system.tombstone_directory import TombstoneDirectory
from governlayer_server.settings import Settings
from governlayer_server.usecases.answer_once import AnswerOnce
from governlayer_server.usecases.erase import Erase
from governlayer_server.usecases.finish_erasures import FinishErasures
from governlayer_server.usecases.reapply_erasures import ReapplyErasures
from governlayer_server.wiring.parts import Parts


class Erasures(Struct, frozen=True, kw_only=True):
    """What erases, what finishes it, and what does it again after a restore."""

    erase: Erase
    finish: FinishErasures
    reapply: ReapplyErasures
    tombstones: TombstoneDirectory

    async def finish_later(self) -> None:
        """Finish what can be finished; what is left is done next time."""
        await self.finish()


def erasures(settings: Settings, parts: Parts, once: AnswerOnce) -> Erasures:
    """Return the use cases of erasure."""
    store = PostgresErasures(parts.database, parts.clock, parts.refusals)
    tombstones = TombstoneDirectory(settings.ledgers.tombstones, parts.vault.tombstone_mac)
    erase = Erase(store=store, tombstones=tombstones, once=once, signer=parts.signer, **parts.common)
    return Erasures(
        erase=erase,
        finish=FinishErasures(
            store=store, vacuum=PostgresVacuum(settings.maintenance or settings.database), clock=parts.clock
        ),
        reapply=ReapplyErasures(erase=erase),
        tombstones=tombstones,
    )
