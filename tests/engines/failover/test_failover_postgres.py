"""The host of PostgreSQL's primary dies, again and again: no decision that was answered is lost."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping

import pytest
from governlayer_server.adapters.postgres.connecting import connect_primary

from tests.engines.failover.house import House, make_database, told
from tests.engines.failover.patroni import HOSTS, PASSWORD, PatroniCluster
from tests.engines.failover.tree import Tree, wait_for
from tests.system.recorded import assert_same_answers_again, compared
from tests.system.writers import acknowledged

KILLS = int(os.environ.get("KILLS", "20"))
MAX_GAP_S = 60.0
_APART_S, _LAG_S = 4.0, 1.0
Open = Callable[[Mapping[str, str]], Tree]


@pytest.fixture
def cluster(tree: Open, request: pytest.FixtureRequest) -> PatroniCluster:
    """Three servers that run."""
    opened = PatroniCluster(tree(HOSTS), synchronous=getattr(request, "param", True))
    opened.start()
    return opened


@pytest.fixture
def house(cluster: PatroniCluster) -> Iterator[House]:
    """Two replicas and four writers on *cluster*."""
    opened = house_on(cluster)
    opened.open()
    yield opened
    opened.close()


def house_on(cluster: PatroniCluster) -> House:
    tree = cluster.tree
    tree.start("redis", "redis-server", "--bind", "127.0.0.1", "--save", "", user="redis")
    make_database(cluster.address("postgres", "postgres"))
    return House(
        tree.place,
        {
            "DATABASE_HOST": ", ".join(HOSTS),
            "DATABASE_PASSWORD": PASSWORD,
            "DATABASE_CA": str(cluster.ca),
            "REDIS_TLS": "off",
        },
    )


def lost(cluster: PatroniCluster, house: House) -> int:
    """Return how many decisions that were answered do not stand in the primary's ledger."""

    async def recorded() -> set[tuple[int, str]]:
        connection = await connect_primary(cluster.address("postgres", "governlayer"))
        rows = await connection.fetch("SELECT seq, encode(hash, 'hex') FROM ledger_record WHERE ledger_id <> 'system'")
        await connection.close()
        return {(row[0], row[1]) for row in rows}

    answered = {(ack.seq, ack.hash) for writer in house.writers for ack in writer.acks}
    return len(answered - asyncio.run(recorded()))


def kill_primary(cluster: PatroniCluster, house: House) -> float:
    """Kill the primary under writers; return for how long nobody got a decision. All is whole again afterwards."""
    time.sleep(_APART_S)
    wait_for(lambda: house.decide_since(time.monotonic() - _APART_S), "the writers get no decisions")
    victim = wait_for(cluster.primary, "no primary")
    killed_s = time.monotonic()
    cluster.kill(victim)
    wait_for(lambda: cluster.primary() not in {None, victim}, "nobody was promoted")
    wait_for(lambda: house.decide_since(time.monotonic() - _APART_S), "the writers get no decisions")
    gap_s = house.longest_gap_s(killed_s)
    cluster.start_one(victim)
    cluster.wait_whole()
    print(f"{victim} killed, {cluster.primary()} promoted, {gap_s:.1f} s without decisions", flush=True)
    return gap_s


@pytest.mark.timeout(90 * KILLS + 300)
def test_no_decision_is_lost_when_the_primary_dies(cluster: PatroniCluster, house: House) -> None:
    gaps_s = [kill_primary(cluster, house) for _ in range(KILLS)]
    house.rest()
    counts = compared(house.dump(), house.writers)
    told("PostgreSQL's primary killed:", gaps_s)
    print(dict(counts), flush=True)
    assert [one for writer in house.writers for one in writer.unexpected] == []
    assert counts["acknowledged"] > 100 * KILLS
    assert (counts["lost"], counts["recorded twice"], counts["recorded though never asked"]) == (0, 0, 0)
    assert max(gaps_s) < MAX_GAP_S
    assert_same_answers_again(house.writers)


@pytest.mark.parametrize(("cluster", "loses"), [(False, True), (True, False)], indirect=["cluster"])
def test_only_synchronous_commits_survive_standbys_that_lag(cluster: PatroniCluster, house: House, loses: bool) -> None:
    """What the test above looks for is there to be found: without synchronous commits, answered decisions are lost."""
    time.sleep(_APART_S)
    victim = wait_for(cluster.primary, "no primary")
    cluster.hold_back()
    time.sleep(_LAG_S)
    cluster.kill(victim)
    wait_for(lambda: cluster.primary() not in {None, victim}, "nobody was promoted")
    house.rest()
    found = lost(cluster, house)
    print(f"synchronous: {not loses}; {found} of {acknowledged(house.writers)} answered decisions lost", flush=True)
    assert bool(found) == loses
