"""The figures of a server for Prometheus: each is read from what the appliance knows anyway."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from governlayer_server.adapters.metrics.prometheus import PrometheusMetrics
from governlayer_server.adapters.postgres.append_tally import AppendTally
from governlayer_server.adapters.postgres.facts import DatabaseFacts
from governlayer_server.adapters.system.free_space import FreeSpace
from governlayer_server.adapters.tls.expiry import authorities_expire_s, expires_s
from governlayer_server.domain.quota import Mode
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock
from governlayer_server.settings import Settings
from governlayer_server.usecases.limit_requests import LimitRequests
from governlayer_server.usecases.publish_checkpoints import Publishing
from governlayer_server.wiring.parts import Parts
from governlayer_server.wiring.rotations import Rotations
from governlayer_server.wiring.scheduled_backups import ScheduledBackups

_FACTS_S = 15.0


def show_publishing(figures: PrometheusMetrics, publishing: Publishing, clock: Clock) -> None:
    """Show how checkpoints are published."""
    figures.gauge(
        "checkpoint_waiting_seconds",
        "For how long a ledger that has grown has been waiting for its published checkpoint; 0 while none waits.",
        lambda: publishing.seconds_waited(clock.now_us()),
    )
    figures.gauge(
        "checkpoints_refused",
        "How often this process refused to publish, because a ledger does not extend its published checkpoint.",
        lambda: float(publishing.refusals),
    )


def show_states(figures: PrometheusMetrics, parts: Parts, limits: LimitRequests, rotations: Rotations) -> None:
    """Show what is out of the ordinary."""
    figures.gauge(
        "rate_limits_local",
        "1 while this replica limits requests by itself, because Redis is away; 0 while all replicas share the counts.",
        lambda: float(limits.mode is Mode.LOCAL),
    )
    figures.gauge(
        "read_replica_away",
        "1 while audit queries go to the primary, because no standby of DATABASE_READ_HOST answers; else 0.",
        lambda: float(parts.database.replica_is_away),
    )
    figures.gauge(
        "ledgers_closed",
        "Ledgers that are closed to writing, because they were found damaged or set back.",
        lambda: float(len(parts.refusals.closed)),
    )
    figures.gauge(
        "rotations_unfinished",
        "Rotations of keys and secrets that have begun and not ended.",
        lambda: float(rotations.unfinished.count),
    )


def show_backups(figures: PrometheusMetrics, scheduled: ScheduledBackups) -> None:
    """Show how old the backups in the destination are, whoever made them."""
    figures.gauge(
        "backup_age_seconds",
        "Since the newest whole backup was begun; +Inf where there is none.",
        lambda: scheduled.age_s,
    )
    figures.gauge(
        "backup_verified_age_seconds",
        "Since the newest verified backup was begun; +Inf where there is none.",
        lambda: scheduled.verified_age_s,
    )


def show_appends(figures: PrometheusMetrics, tally: AppendTally) -> None:
    """Show what became of what was to be recorded."""
    figures.counts(
        "decisions", "Decisions that this process recorded, by outcome.", "outcome", lambda: dict(tally.decisions)
    )
    figures.count(
        "evaluations_failed",
        "Recorded decisions that are a deny because the action could not be evaluated.",
        lambda: tally.evaluations_failed,
    )
    figures.counts(
        "ledger_appends_failed",
        "Records that were not made, by error code: overloaded, unavailable and so on.",
        "code",
        lambda: dict(tally.failed),
    )
    figures.summary(
        "ledger_append_seconds",
        "Time from a record's request until it was durable, and how many records were made.",
        lambda: (tally.done, tally.took_us / SECOND_US),
    )
    figures.gauge("ledger_appends_waiting", "Records that wait to be made durable, now.", lambda: float(tally.waiting))


def show_database(figures: PrometheusMetrics, parts: Parts) -> None:
    """Show what the database says of itself every quarter of a minute."""
    facts = DatabaseFacts(parts.database, parts.clock)
    shown: dict[str, tuple[str, Callable[[], float]]] = {
        "database_writable": ("1 where PostgreSQL takes writes, 0 where it does not.", lambda: facts.takes_writes),
        "database_bytes": ("Size of the database.", lambda: facts.bytes),
        "database_connections": ("Open connections to PostgreSQL, of everybody.", lambda: facts.connections),
        "database_connections_limit": ("How many connections it takes.", lambda: facts.max_connections),
        "clock_offset_seconds": (
            "This machine's clock minus PostgreSQL's; 0 where the answer's time explains it.",
            lambda: facts.clock_offset_s,
        ),
    }
    for name, (text, read) in shown.items():
        figures.gauge(name, text, read)
    parts.background.every(_FACTS_S, facts.look, at_end=False)


def show_directories(figures: PrometheusMetrics, parts: Parts, settings: Settings) -> None:
    """Show the room in the directories that settings name."""
    space = FreeSpace(written_directories(settings))
    for name, text, read in (
        ("directory_free_bytes", "Free space for a directory that is written to.", space.free_bytes),
        ("directory_bytes", "Size of the file system of a directory that is written to.", space.all_bytes),
    ):
        figures.gauges(name, text, "directory", {one: partial(read, one) for one in space.directories})
    parts.background.every(_FACTS_S, space.look, at_end=False)


def show_certificates(figures: PrometheusMetrics, settings: Settings, https: Path | None) -> None:
    """Show how long certificates are valid, as their files say now."""
    figures.gauges(
        "certificate_valid_seconds",
        "For how long a certificate in the files is still valid; negative: it has expired.",
        "certificate",
        {name: partial(_valid_s, name, file) for name, file in certificate_files(settings, https).items()},
    )


def _valid_s(name: str, file: Path) -> float:
    return ends_s(name, file) - time.time()


def ends_s(name: str, file: Path) -> int:
    """
    Return when the certificate that is for *name* ends, seconds since the Unix epoch; of authorities the last one.

    Raises:
        ConfigurationError: the file cannot be read, or holds no certificate.
    """
    return authorities_expire_s(file) if name.endswith("ca") else expires_s(file)


def written_directories(settings: Settings) -> Mapping[str, Path]:
    """Return the directories that are written to, by what they are for."""
    found = {
        "backups": settings.backups.to,
        "checkpoints": settings.anchors.directory,
        "evidence": settings.ledgers.evidence,
        "tombstones": settings.ledgers.tombstones,
    }
    return {name: one for name, one in found.items() if isinstance(one, Path)}


def certificate_files(settings: Settings, https: Path | None) -> Mapping[str, Path]:
    """Return the files of certificates that are served (*https*) or that connections need, by what they are for."""
    tls = settings.database.tls
    found = {
        "database_ca": None if tls is None else tls.ca,
        "database_client": None if tls is None else tls.certificate,
        "https": https,
        "redis_ca": settings.redis.ca,
    }
    return {name: file for name, file in found.items() if file is not None}
