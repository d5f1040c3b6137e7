"""What the doctor says of several hosts of PostgreSQL."""

from collections.abc import Sequence

from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.hosts import look_at_hosts
from governlayer_server.wiring.check import Check

_GUIDE = "docs/how-to/high-availability.md"


async def host_checks(database: PostgresAddress, standbys: PostgresAddress | None) -> Sequence[Check]:
    """Return what is seen of each host, where there are several; nothing where there is one."""
    several = await _several(database) if database.others else []
    return [*several, *([] if standbys is None else [await _readers(standbys)])]


async def _several(database: PostgresAddress) -> Sequence[Check]:
    """Tell of all, and whether the primary waits for a standby before it answers."""
    hosts = await look_at_hosts(database)
    all_answer = all(one.is_standby is not None for one in hosts)
    waits = any(one.waits for one in hosts if one.is_standby is False)
    detail = "commits wait for one" if waits else "commits wait for none: a failover would lose decisions"
    mend = f"synchronous_standby_names, with Patroni synchronous_mode; {_GUIDE}"
    return [
        Check(name="hosts", ok=all_answer, detail="; ".join(map(str, hosts)), mend=f"start that host; {_GUIDE}"),
        Check(name="standby", ok=waits, detail=detail, mend=mend),
    ]


async def _readers(standbys: PostgresAddress) -> Check:
    hosts = await look_at_hosts(standbys)
    return Check(
        name="readers",
        ok=any(one.is_standby is not None for one in hosts),
        detail="; ".join(map(str, hosts)),
        mend=f"start one, or take GOVERNLAYER_DATABASE_READ_HOST away: the primary is read meanwhile; {_GUIDE}",
    )
