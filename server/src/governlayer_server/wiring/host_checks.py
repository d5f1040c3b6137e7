"""What the doctor says of the hosts of PostgreSQL, and of standbys."""

from collections.abc import Sequence

from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.hosts import HostState, look_at_hosts
from governlayer_server.wiring.check import Check

_GUIDE = "docs/how-to/high-availability.md"


async def host_checks(database: PostgresAddress, standbys: PostgresAddress | None) -> Sequence[Check]:
    """Return what is seen of each host, where there are several, and of standbys, where one name leads to them too."""
    hosts = await look_at_hosts(database)
    checks = [_several(hosts)] if database.others else []
    if database.others or standbys is not None or any(one.has_standbys for one in hosts):
        checks.append(_waiting(hosts))
    if standbys is not None:
        checks.append(await _readers(standbys))
    return checks


def _several(hosts: Sequence[HostState]) -> Check:
    ok = all(one.is_standby is not None for one in hosts)
    return Check(name="hosts", ok=ok, detail="; ".join(map(str, hosts)), mend=f"start that host; {_GUIDE}")


def _waiting(hosts: Sequence[HostState]) -> Check:
    """Tell whether the primary waits for a standby before it answers."""
    waits = any(one.waits for one in hosts if one.is_standby is False)
    detail = "commits wait for one" if waits else "commits wait for none: a failover would lose decisions"
    mend = f"synchronous_standby_names, with Patroni synchronous_mode; {_GUIDE}"
    return Check(name="standby", ok=waits, detail=detail, mend=mend)


async def _readers(standbys: PostgresAddress) -> Check:
    hosts = await look_at_hosts(standbys)
    return Check(
        name="readers",
        ok=any(one.is_standby is not None for one in hosts),
        detail="; ".join(map(str, hosts)),
        mend=f"start one, or take GOVERNLAYER_DATABASE_READ_HOST away: the primary is read meanwhile; {_GUIDE}",
    )
