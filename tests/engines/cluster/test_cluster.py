"""The trial on a real Kubernetes, by both Helms: it lives, is upgraded, broken, removed and put back, and loses nothing."""

import time
from pathlib import Path

import pytest

from tests.deploy.helm.engines import HelmFailed, Values
from tests.engines.cluster.helms import both
from tests.engines.cluster.node import Node
from tests.engines.cluster.release import LIMIT_S, VALUES, Release, tell, timed, wait_until

NEVER_MADE: Values = {**VALUES, "image": {**VALUES["image"], "tag": "0.1.0-never-made"}}
_TOO_LONG_S = 30
_AWAY_S = 60.0
_COST_OF_A_KILL = ("GovernanceUnavailable: ", "Conflict: 409 idempotency_in_progress: ")
pytestmark = pytest.mark.timeout(LIMIT_S)


@pytest.mark.parametrize("name", ["helm3", "helm4"])
@pytest.mark.usefixtures("namespace")
def test_life_of_a_release(name: str, node: Node, chart: Path, tmp_path: Path) -> None:
    helm, release = both(node, tmp_path)[name], Release(node, tmp_path)
    print(f"\n{name}", flush=True)
    with timed("install --wait"):
        helm.install(chart, VALUES)
    with timed("test"):
        helm.test()
    release.begin()

    with timed("rolling upgrade"), release.writer() as during:
        helm.upgrade(chart, {**VALUES, "podAnnotations": {"example.com/rolled": "once"}})
    tell(during)
    assert during["answered"] > 0
    assert during["failed"] == []

    with (
        timed("upgrade to an image that is not there, and back"),
        release.writer() as during,
        pytest.raises(HelmFailed),
    ):
        helm.upgrade(chart, NEVER_MADE, wait_s=_TOO_LONG_S)
    tell(during)
    assert during["failed"] == []
    assert helm.revisions()[-2:] == ["failed", "deployed"]
    assert release.ready() == 2

    with timed("kill -9 of one server"), release.writer() as during:
        _kill_one_server(node, release)
    tell(during)
    # Until the Service has seen it, some connections go to the dead one; all tries of a question may meet it. And one that
    # it was busy with counts as running for ten seconds more.
    assert all(failed.startswith(_COST_OF_A_KILL) for failed in during["failed"])
    assert len(during["failed"]) < during["answered"] / 10

    with timed("Redis away for a minute, and back"), release.writer() as during:
        _lose_redis(release)
    tell(during)
    assert during["answered"] > 0
    assert during["failed"] == []

    with timed("uninstall"):
        helm.uninstall()
        wait_until(lambda: not release.pods(), "no pod is left")
    with timed("install again, over the old data"):
        helm.install(chart, VALUES)
    with release.writer() as during:
        pass
    tell(during)
    print(f"  acknowledged decisions, all on the ledger: {len(release.acknowledged)}; gl-verify: {release.verify()}")


def _kill_one_server(node: Node, release: Release) -> None:
    restarts = release.restarts()
    node.run("sh", "-c", "kill -9 $(pgrep -f 'governlayer serve' | head -n 1)")
    wait_until(lambda: release.restarts() > restarts and release.ready() == 2, "the container was started again")


def _lose_redis(release: Release) -> None:
    """Have no Redis for a minute: the servers say so to whom asks for it, and stay ready for agents."""
    restarts = release.restarts()
    release.scale_redis(0)
    until = time.monotonic() + _AWAY_S
    while time.monotonic() < until:
        assert release.ready() == 2
        time.sleep(2)
    assert "/readyz: 503 redis" in release.health()
    release.scale_redis(1)
    wait_until(lambda: release.health() == "/readyz: 200\n", "the servers have found it")
    assert release.restarts() == restarts
