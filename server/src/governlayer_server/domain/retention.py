"""
Retention: how long payloads are kept, by data class, and never too short without a reason on record.

The data class of a payload is its name. What a record itself says is kept for ever: no personal data is in it.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from governlayer_server.domain.erasure import Range, in_parts
from governlayer_server.domain.errors import Fault
from governlayer_server.domain.ledger.erasure import ALL_NAMES
from governlayer_server.domain.organization import MIN_RETENTION_DAYS, DataClassDays, OrganizationSettings
from governlayer_server.domain.times import DAY_US

DATA_CLASSES = DataClassDays.__struct_fields__


class RetentionRule(Struct, frozen=True, kw_only=True):
    """
    The payloads *names* (sorted; ``*``: all) are destroyed once their record is *days* old.

    Attributes:
        days: from 1.
        names: of payloads.
        reason: why it may be less than the floor.
    """

    days: int
    names: tuple[str, ...]
    reason: str | None = None

    def ends_us(self, now_us: int) -> int:
        """Return the moment before which records have expired at *now_us*."""
        return now_us - self.days * DAY_US

    @property
    def basis(self) -> str:
        """What the ledger says of why it was destroyed."""
        return f"retention of {self.days} days" + (f": {self.reason}" if self.reason else "")


def rules_of(settings: OrganizationSettings) -> Sequence[RetentionRule]:
    """
    Return what *settings* ask for, the shortest first.

    >>> days = DataClassDays(findings=400)
    >>> [(one.days, one.names) for one in rules_of(OrganizationSettings(retention_days=200, retention=days))]
    [(200, ('arguments', 'content', 'context')), (400, ('findings',))]
    """
    names: dict[int, list[str]] = {}
    for name in DATA_CLASSES:
        days = getattr(settings.retention, name) or settings.retention_days
        if days is not None:
            names.setdefault(days, []).append(name)
    return [
        RetentionRule(
            days=days,
            names=(ALL_NAMES,) if len(names[days]) == len(DATA_CLASSES) else tuple(names[days]),
            reason=settings.retention_reason,
        )
        for days in sorted(names)
    ]


def kept_for(general: int | None, retention: DataClassDays) -> str:
    """
    Return for how long payloads are kept, in words.

    >>> kept_for(200, DataClassDays(findings=400))
    'for 200 days, unless erased before; findings: 400 days'
    """
    own = [f"; {name}: {days} days" for name in DATA_CLASSES if (days := getattr(retention, name)) is not None]
    return ("until erased" if general is None else f"for {general} days, unless erased before") + "".join(own)


def floor_faults(settings: OrganizationSettings, at: str) -> Sequence[Fault]:
    """
    Return where *settings* keep something for less than the floor of 183 days without a reason on record.

    Args:
        settings: as they would be.
        at: JSON pointer to them.
    """
    if settings.retention_reason is not None:
        return []
    detail = f"less than the floor of {MIN_RETENTION_DAYS} days needs a `retention_reason` on record"
    given = {"retention_days": settings.retention_days}
    given |= {f"retention/{name}": getattr(settings.retention, name) for name in DATA_CLASSES}
    return [
        Fault(f"{at}/{name}", detail)
        for name, days in given.items()
        if (days or MIN_RETENTION_DAYS) < MIN_RETENTION_DAYS
    ]


def retention_bodies(rule: RetentionRule, ranges: Iterable[Range], before: str) -> Sequence[Mapping[str, object]]:
    """
    Return the bodies of the ``retention`` records, as many as their size limit makes of them.

    Args:
        rule: why.
        ranges: of the records that lost payloads, ascending.
        before: the moment before which they were made.
    """
    return [
        {
            "basis": rule.basis,
            "before": before,
            "days": rule.days,
            "names": list(rule.names),
            "ranges": part,
            "records": sum(last - first + 1 for first, last in part),
        }
        for part in in_parts(ranges)
    ]
