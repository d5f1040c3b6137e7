"""The README's ways for production, on the node: secrets made offline, migrations as a hook, jobs, a restore."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.helm.engines import NAME, NAMESPACE, Values
from tests.deploy.helm.value_sets import merged
from tests.engines.cluster.helms import both
from tests.engines.cluster.node import Node
from tests.engines.cluster.release import LIMIT_S, VALUES, Release, tell, timed

SECRET = "governlayer-secrets"
_OFFLINE: Values = {"secrets": {"create": False, "existingSecret": SECRET}}
# PostgreSQL and Valkey alone, in the part of somebody's own.
SERVERS: Values = merged(VALUES, _OFFLINE, {"replicas": 0, "ledgerVerify": {"enabled": False}})
_CA = {"configMap": f"{NAME}-ca"}
_ANYWHERE: list[Values] = [{"podSelector": {}}]
OWN: Values = merged(VALUES, _OFFLINE, {
    "trial": {"postgresql": {"enabled": False}, "redis": {"enabled": False}},
    "database": {"host": f"{NAME}-postgresql.{NAMESPACE}.svc", "ca": _CA},
    "redis": {"host": f"{NAME}-redis.{NAMESPACE}.svc", "user": "governlayer", "ca": _CA},
    "networkPolicy": {"databaseTo": _ANYWHERE, "redisTo": _ANYWHERE},
    "migrations": {"mode": "hook"},
})  # fmt: skip
WITH_JOBS: Values = merged(VALUES, {
    "replicas": 1, "backup": {"enabled": True, "claim": {"existingClaim": "backups"}},
    "sharedDirectory": {"enabled": True}, "retention": {"cronJob": {"enabled": True}},
})  # fmt: skip
_CLAIM = {
    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "backups", "namespace": NAMESPACE},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}  # fmt: skip
pytestmark = [pytest.mark.timeout(LIMIT_S), pytest.mark.usefixtures("namespace")]


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_own_servers_and_secrets_and_migrations_as_a_hook(name: str, node: Node, chart: Path, tmp_path: Path) -> None:
    print(f"\n{name}: own servers, migrations as a hook", flush=True)
    node.kubectl("apply", "-f", "-", given=_secrets_made_offline())
    both(node, tmp_path)[name].install(chart, SERVERS)
    helm, release = both(node, tmp_path, "own")[name], Release(node, tmp_path, "own")
    with timed("install --wait"):
        helm.install(chart, OWN)
    with timed("test"):
        helm.test()
    release.begin()
    with timed("rolling upgrade"), release.writer() as during:
        helm.upgrade(chart, {**OWN, "podAnnotations": {"example.com/rolled": "once"}})
    tell(during)
    assert during["answered"] > 0
    assert during["failed"] == []
    print(f"  acknowledged decisions, all on the ledger: {len(release.acknowledged)}; gl-verify: {release.verify()}")


def test_jobs_run_and_a_backup_is_restored_as_the_readme_says(node: Node, chart: Path, tmp_path: Path) -> None:
    print("\njobs, backup, restore", flush=True)
    helm, release = both(node, tmp_path)["helm3"], Release(node, tmp_path)
    node.kubectl("apply", "-f", "-", given=json.dumps(_CLAIM))
    helm.install(chart, WITH_JOBS)
    release.begin()
    with release.writer() as during:
        pass
    tell(during)
    for schedule in ("ledger-verify", "retention", "backup"):
        with timed(f"job {schedule}"):
            release.run_job(schedule)

    stopped: Values = {**WITH_JOBS, "replicas": 0}
    with timed("stop the servers, empty the database"):
        helm.upgrade(chart, stopped)
        node.kubectl("scale", "-n", NAMESPACE, f"statefulset/{NAME}-postgresql", "--replicas=0")
        node.kubectl("delete", "-n", NAMESPACE, "pvc", f"data-{NAME}-postgresql-0", "--timeout", "120s")
        node.kubectl("scale", "-n", NAMESPACE, f"statefulset/{NAME}-postgresql", "--replicas=1")
    with timed("restore"):
        helm.upgrade(chart, {**stopped, "restore": {"enabled": True}})
        release.wait_for_job("job", "-l", "app.kubernetes.io/component=restore")
    with timed("start"):
        helm.upgrade(chart, WITH_JOBS)
    with release.writer() as during:
        pass
    tell(during)
    assert during["failed"] == []
    print(f"  acknowledged decisions, all on the ledger: {len(release.acknowledged)}; gl-verify: {release.verify()}")


def _secrets_made_offline() -> str:
    governlayer = Path(sys.executable).with_name("governlayer")
    return subprocess.run(
        [governlayer, "secrets", "init", "--format", "kubernetes", "--namespace", NAMESPACE, "--name", SECRET],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
