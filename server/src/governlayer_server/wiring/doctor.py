"""
What an operator asks first: does everything work that decisions need, and what mends what does not.

Each check looks at one thing, changes nothing, and tells no secret.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from governlayer_server.adapters.embedded.restoring import unfinished_restore
from governlayer_server.adapters.postgres.database import Database, connect
from governlayer_server.adapters.postgres.migrate import pending_migrations
from governlayer_server.adapters.redis.connect import connect_redis
from governlayer_server.adapters.redis.running_requests import redis_answers
from governlayer_server.domain.backup import made_us
from governlayer_server.domain.errors import GovernLayerError, NotFound
from governlayer_server.domain.times import HOUR_US, MINUTE_US, SECOND_US
from governlayer_server.ports.rotations import RotationKind
from governlayer_server.settings import Settings
from governlayer_server.usecases.anchor_health import AnchorKind
from governlayer_server.usecases.check_ledgers import Progress
from governlayer_server.usecases.open_backup import find_backups
from governlayer_server.wiring.appliance import Appliance, open_appliance
from governlayer_server.wiring.backups import store_of
from governlayer_server.wiring.check import Check
from governlayer_server.wiring.figures import certificate_files, ends_s
from governlayer_server.wiring.host_checks import host_checks
from governlayer_server.wiring.machine_checks import disk_check, machine_checks

_DAY_S = 24 * 3600
_RENEW_DAYS = 14
_BACKUP_HOURS = 24
_MAX_CLOCK_DIFFERENCE_US = 2 * SECOND_US
_PUBLISHED_WITHIN_US = 10 * MINUTE_US
_ANCHORED_WITHIN_MINUTES = 120
_RECALLED = {AnchorKind.WITNESS, AnchorKind.TIMESTAMPS}
_CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


class Patient(Struct, frozen=True, kw_only=True):
    """
    What is examined.

    Attributes:
        settings: returns them, or raises what is wrong with them.
        start: what makes its servers answer, to a person.
        data: its data directory, where it has one on this machine.
        certificates: files of the certificates that it serves or shows.
    """

    settings: Callable[[], Settings]
    start: str
    data: Path | None
    certificates: Sequence[Path]


async def examine(patient: Patient, progress: Progress) -> Sequence[Check]:
    """Return what was seen, one entry for each check, whatever fails."""
    served = patient.certificates
    checks = [_certificate(file) for file in served]
    if patient.data is not None:
        checks.append(disk_check(patient.data))
    if restore := _restore(patient.data):
        return [restore, *checks]
    try:
        settings = patient.settings()
        await settings.keys.keys()
    except GovernLayerError as error:
        mend = "put the secret or setting back as it was; docs/reference/settings.md says what each must be"
        return [Check(name="secrets", ok=False, detail=str(error), mend=mend), *checks]
    secrets = Check(name="secrets", ok=True, detail="all there, random and long enough")
    trusted = {file: name for name, file in certificate_files(settings, None).items() if file not in set(served)}
    checks += [_certificate(file, name) for file, name in trusted.items()]
    checks += machine_checks(settings)
    backup = await _seen("backup", lambda: _backup(settings, int(time.time()) * SECOND_US))
    return [secrets, *checks, backup, await _redis(settings, patient), *await _stored(settings, patient, progress)]


def _restore(data: Path | None) -> Check | None:
    """Tell of a restore that has begun in a data directory and not ended: nothing else can be looked at before."""
    backup_id = None if data is None else unfinished_restore(data)
    if backup_id is None:
        return None
    detail = f"that of {backup_id} into {data} did not come to its end"
    mend = f"governlayer restore --from DESTINATION --backup {backup_id} --data {data}"
    return Check(name="restore", ok=False, detail=detail, mend=mend)


async def _backup(settings: Settings, now_us: int) -> Check:
    """Tell how old the newest backup is, by its name alone."""
    mend = "governlayer backup --to DESTINATION, or GOVERNLAYER_BACKUP_HOURS"
    if settings.backups.to is None:
        return Check(name="backup", ok=None, detail="GOVERNLAYER_BACKUP_TO names no place to look for one")
    found = await find_backups(store_of(settings.backups.to))
    whole = [one for one in found if one.is_whole and made_us(one.id) <= now_us + HOUR_US]
    if not whole:
        return Check(name="backup", ok=False, detail="there is none", mend=mend)
    hours = (now_us - made_us(whole[-1].id)) // HOUR_US
    verified = next((one.id for one in reversed(whole) if one.is_verified), "none")
    detail = f"the newest is {hours} hours old; last verified: {verified}"
    return Check(name="backup", ok=hours <= 2 * (settings.backups.hours or _BACKUP_HOURS), detail=detail, mend=mend)


def _certificate(file: Path, name: str = "https") -> Check:
    renew = "governlayer tls renew --directory DIRECTORY_OF_THE_AUTHORITY"
    try:
        days = (ends_s(name, file) - int(time.time())) // _DAY_S
    except GovernLayerError as error:
        return Check(name="tls", ok=False, detail=str(error), mend=renew)
    return Check(name="tls", ok=days >= _RENEW_DAYS, detail=f"{file} is valid for {days} more days", mend=renew)


async def _redis(settings: Settings, patient: Patient) -> Check:
    redis = connect_redis(settings.redis)
    try:
        answers = await redis_answers(redis)
    finally:
        await redis.aclose()
    return Check(name="redis", ok=answers, detail="answers" if answers else "does not answer", mend=patient.start)


async def _stored(settings: Settings, patient: Patient, progress: Progress) -> Sequence[Check]:
    """Return what is seen of the database, and of the ledgers in it."""
    try:
        database = await connect(settings.database)
    except GovernLayerError as error:
        away = Check(name="postgresql", ok=False, detail=str(error), mend=patient.start)
        return [away, *(_unseen(name) for name in ("migrations", "clock", "ledgers", "checkpoints"))]
    try:
        checks = [
            Check(name="postgresql", ok=True, detail="answers, and is durable"),
            await _seen("migrations", _migrations),
            await _seen("clock", lambda: _clock(database)),
        ]
    finally:
        await database.close()
    hosts = await host_checks(settings.database, settings.standbys)
    if not all(one.ok for one in checks):
        return [*checks, *hosts, _unseen("ledgers"), _unseen("checkpoints")]
    return [*checks, *hosts, *await _ledgers(settings, progress)]


async def _migrations() -> Check:
    pending = await pending_migrations()
    detail = f"{len(pending)} missing" if pending else "all applied"
    return Check(name="migrations", ok=not pending, detail=detail, mend="governlayer migrate")


async def _clock(database: Database) -> Check:
    before_us = time.time_ns() // 1000
    async with database.connection() as connection:
        there_us = int(await connection.fetchval(_CLOCK))
    after_us = time.time_ns() // 1000
    difference_us = max(before_us - there_us, there_us - after_us, 0)
    return Check(
        name="clock",
        ok=difference_us <= _MAX_CLOCK_DIFFERENCE_US,
        detail=f"{difference_us / SECOND_US:.1f} s between this machine and PostgreSQL's",
        mend="timedatectl set-ntp true",
    )


async def _ledgers(settings: Settings, progress: Progress) -> Sequence[Check]:
    try:
        async with open_appliance(settings, found=False) as appliance:
            return [
                await _seen("ledgers", lambda: _ends(appliance, progress)),
                await _seen("checkpoints", lambda: _published(appliance)),
                await _seen("rotations", lambda: _rotations(appliance)),
                *await _anchors(appliance),
            ]
    except GovernLayerError as error:
        return [Check(name="ledgers", ok=False, detail=str(error)), _unseen("checkpoints")]


async def _ends(appliance: Appliance, progress: Progress) -> Check:
    """Look at the end of each ledger as a start does; nothing is closed by it."""
    ledger_ids, bad = await appliance.ledger_ids(), []
    for done, ledger_id in enumerate(ledger_ids, 1):
        checked = await appliance.checks.check.findings(ledger_id)
        if checked.findings or ledger_id in appliance.parts.refusals.closed:
            bad.append(ledger_id)
        progress(done, len(ledger_ids))
    if not bad:
        return Check(name="ledgers", ok=True, detail=f"the ends of all {len(ledger_ids)} are sound")
    first = bad[0]
    return Check(
        name="ledgers",
        ok=False,
        detail=f"damaged, set back or closed to writing: {', '.join(bad[:5])}{' …' if bad[5:] else ''}",
        mend=f"governlayer ledger fsck --org {first}; after a restore: governlayer ledger accept-restore --org {first}",
    )


async def _published(appliance: Appliance) -> Check:
    """Tell whether checkpoints are published: a record is under one within seconds."""
    now_us, waiting_us = appliance.parts.clock.now_us(), 0
    for ledger_id in await appliance.checks.checkpoints.grown():
        newest = await appliance.checks.checkpoints.newest(ledger_id)
        with suppress(NotFound):  # the ledger is shorter: the check of its end says so
            oldest = await appliance.ledger.record(ledger_id, newest.size if newest else 0)
            waiting_us = max(waiting_us, now_us - oldest.time_us)
    if waiting_us <= _PUBLISHED_WITHIN_US:
        return Check(name="checkpoints", ok=True, detail="no record waits for one")
    detail = f"a record has waited for its checkpoint for {waiting_us // MINUTE_US} minutes"
    return Check(name="checkpoints", ok=False, detail=detail, mend="governlayer up, or serve: a running one publishes")


async def _rotations(appliance: Appliance) -> Check:
    """Tell which keys are being exchanged. Pepper and JWT secret take their time; the others may have been stopped."""
    begun = [one.kind for one in await appliance.rotations.begun.all()]
    if not begun:
        return Check(name="rotations", ok=True, detail="none has begun and not ended")
    kinds = sorted(set(begun))
    stopped = [kind for kind in kinds if kind in {RotationKind.MASTER, RotationKind.DATA}]
    mend = "; ".join(f"governlayer keys rotate-{kind}" for kind in stopped or kinds)
    detail = f"not ended: {', '.join(kinds)}; completed by {mend}"
    return Check(name="rotations", ok=not stopped, detail=detail, mend=mend)


async def _anchors(appliance: Appliance) -> Sequence[Check]:
    """Tell when each witness and time stamp authority last took a checkpoint; a running appliance gives one an hour."""
    checks = []
    for fact in await appliance.anchors.recalled():
        name, now_us = f"{fact.kind.value}:{fact.name}", appliance.parts.clock.now_us()
        if fact.kind not in _RECALLED:
            checks.append(Check(name=name, ok=None, detail="only the running appliance knows: /readyz?verbose=true"))
            continue
        minutes = None if fact.last_us is None else (now_us - fact.last_us) // MINUTE_US
        detail = "never took a checkpoint" if minutes is None else f"took a checkpoint {minutes} minutes ago"
        mend = "see that it runs and can be reached; /readyz?verbose=true of the running appliance says what is wrong"
        ok = minutes is not None and minutes <= _ANCHORED_WITHIN_MINUTES
        checks.append(Check(name=name, ok=ok, detail=detail, mend=mend))
    return checks


async def _seen(name: str, look: Callable[[], Awaitable[Check]]) -> Check:
    try:
        return await look()
    except GovernLayerError as error:
        return Check(name=name, ok=False, detail=str(error))


def _unseen(name: str) -> Check:
    return Check(name=name, ok=None, detail="not looked at: something that it needs fails")
