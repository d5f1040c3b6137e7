"""Redis' master dies, again and again: decisions go on, none is lost, and no limit is exceeded."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import pytest
from governlayer_server.adapters.postgres.address import PostgresAddress

from tests.engines.failover.house import House, make_database, told
from tests.engines.failover.patroni import PASSWORD
from tests.engines.failover.redis_servers import HOSTS, Clustered, Watched
from tests.engines.failover.tree import Tree, wait_for
from tests.system.client import Client, question
from tests.system.recorded import assert_same_answers_again, compared

KILLS = int(os.environ.get("KILLS", "20"))
# A window is a minute; an answer may be on its way for two seconds longer than another one.
MAX_GAP_S, LIMIT, WINDOW_S = 10.0, 120, 58.0
_APART_S = 3.0
Open = Callable[[Mapping[str, str]], Tree]


class Pusher(threading.Thread):
    """Asks more often than its key may, of both replicas in turn, and notes when it was admitted."""

    def __init__(self, house: House, key: str) -> None:
        super().__init__(daemon=True)
        self._clients = [Client(one.port, key, 10.0) for one in house.replicas]
        self._end = threading.Event()
        self.times_s: list[float] = []
        self.refused = 0

    def run(self) -> None:
        while not self._end.wait(0.1):
            self._clients.reverse()
            answer = self._clients[0].govern(question())
            if answer.status == 200:
                self.times_s.append(time.monotonic())
            self.refused += answer.status == 429

    def stop(self) -> None:
        self._end.set()
        self.join(30)

    def most_in_a_window(self) -> int:
        return max(sum(start <= one < start + WINDOW_S for one in self.times_s) for start in self.times_s)


def postgres(tree: Tree) -> PostgresAddress:
    """Start one PostgreSQL on a private socket; return its superuser's address."""
    home, password = tree.place / "pg", tree.place / "password"
    home.mkdir()
    password.write_text(PASSWORD)
    inside = tree.give(home)
    tree.run(
        "initdb", "-D", f"{inside}/data", "-U", "postgres", "--pwfile", str(tree.give(password)), "--auth=scram-sha-256",
        "--locale=C", "--encoding=UTF8", "--no-sync",
    )  # fmt: skip
    tree.start(
        "pg", "postgres", "-D", f"{inside}/data", "-c", "listen_addresses=", "-c", f"unix_socket_directories={inside}"
    )
    wait_for(lambda: tree.run("pg_isready", "-h", str(inside)), "PostgreSQL does not start")
    return PostgresAddress(host=str(home), port=5432, database="postgres", user="postgres", password=PASSWORD)


@pytest.fixture(params=[Watched, Clustered])
def servers(tree: Open, request: pytest.FixtureRequest) -> Watched | Clustered:
    """Redis with Sentinels, and as a cluster."""
    opened: Watched | Clustered = request.param(tree(HOSTS))
    opened.start()
    return opened


@pytest.fixture
def house(servers: Watched | Clustered) -> Iterator[House]:
    """Two replicas and four writers on *servers*."""
    address = postgres(servers.tree)
    make_database(address)
    opened = House(
        servers.tree.place, {"DATABASE_HOST": address.host, "DATABASE_PASSWORD": PASSWORD, **servers.settings}
    )
    opened.open()
    yield opened
    opened.close()


def reach_redis(house: House) -> bool:
    """Whether all replicas have a Redis that answers."""
    return all(Client(one.port).get("/readyz").status == 200 for one in house.replicas)


def share_limits(house: House) -> bool:
    """Whether all replicas count in Redis again: one that may have lost counts is not believed for a minute."""
    return all("degraded" not in Client(one.port).get("/readyz").json() for one in house.replicas)


def kill_one(servers: Watched | Clustered, house: House) -> tuple[float, float]:
    """Kill a master under writers; return for how long nobody got a decision, and how long Redis was away."""
    time.sleep(_APART_S)
    victim = servers.master() if isinstance(servers, Watched) else random.choice(servers.masters())
    killed_s = time.monotonic()
    servers.kill(victim)
    if isinstance(servers, Watched):
        wait_for(lambda: servers.master() != victim, "nobody was promoted")
    else:
        wait_for(lambda: len(servers.masters()) == 3 and victim not in servers.masters(), "nobody was promoted")
    wait_for(lambda: reach_redis(house), "Redis does not answer")
    away_s = time.monotonic() - killed_s
    gap_s = house.longest_gap_s(killed_s)
    if isinstance(servers, Watched):
        servers.serve_following(victim, servers.master())
    else:
        servers.serve_one(victim)
    wait_for(servers.is_whole, "it did not come back")
    print(f"{victim} killed: {gap_s:.2f} s without decisions, Redis away for {away_s:.1f} s", flush=True)
    return gap_s, away_s


@pytest.mark.timeout(60 * KILLS + 300)
def test_limits_and_decisions_survive_the_master(servers: Watched | Clustered, house: House) -> None:
    pusher = Pusher(house, house.new_key(house.new_organization("Pusher"), "--rate-limit", str(LIMIT)))
    pusher.start()
    gaps_s, away_s = zip(*(kill_one(servers, house) for _ in range(KILLS)), strict=True)
    wait_for(lambda: share_limits(house), "the limits are not shared again")
    pusher.stop()
    house.rest()
    counts = compared(house.dump(), [*house.writers])
    kind = type(servers).__name__
    told(f"{kind}, without decisions:", gaps_s)
    told(f"{kind}, without Redis:", away_s)
    most = pusher.most_in_a_window()
    print(dict(counts), f"admitted in a minute: {most} of {LIMIT}, refused {pusher.refused}", flush=True)
    assert [one for writer in house.writers for one in writer.unexpected] == []
    assert (counts["lost"], counts["recorded twice"]) == (0, 0)
    assert max(gaps_s) < MAX_GAP_S
    assert most <= LIMIT
    assert pusher.refused
    assert_same_answers_again(house.writers)
