"""Remove old backups from their destination."""

from collections.abc import Sequence

from msgspec.structs import replace

from governlayer_server.domain.backup import MANIFEST, file_name, is_own, made_us
from governlayer_server.usecases.open_backup import Found, Place, find_backups, is_genuine, is_verified


def outdated(found: Sequence[Found], *, keep: int | None = None, since_us: int | None = None) -> Sequence[str]:
    """
    Return the ids of the backups that may go, oldest first; never the newest whole one nor the last verified one.

    Args:
        found: all of a destination, oldest first.
        keep: how many whole ones stay; None: any number.
        since_us: those made later stay; None: none does for its age.
    """
    whole = [one for one in found if one.is_whole]
    if not whole or (keep is None and since_us is None):
        return []
    verified = [one for one in whole if one.is_verified]
    stay = {whole[-1].id, *(one.id for one in verified[-1:])}
    stay |= {one.id for one in whole[-keep:]} if keep else set()
    if since_us is not None:
        stay |= {one.id for one in whole if made_us(one.id) >= since_us}
    # One that was cut off and is older than a whole one will not be gone on with.
    return [one.id for one in found if one.id not in stay and one.id < whole[-1].id]


async def prune_backups(place: Place, *, keep: int | None, since_us: int | None) -> Sequence[str]:
    """
    Remove what ``outdated`` names; return the ids. What does not open is not ours: it neither counts nor goes.

    Raises:
        Unavailable: the store does not answer. What is half removed counts as cut off, and goes the next time.
    """
    if keep is None and since_us is None:
        return []
    store = place.store
    ours = [
        replace(one, is_verified=await is_verified(place, one))
        for one in await find_backups(store)
        if await is_genuine(place, one)
    ]
    gone = outdated(ours, keep=keep, since_us=since_us)
    for backup_id in gone:
        folder = file_name(backup_id, "")
        await store.delete(file_name(backup_id, MANIFEST))
        for one in await store.list(folder):
            if is_own(one.name.removeprefix(folder)):
                await store.delete(one.name)
    return gone
