"""What the chart renders for each set of values: the same by both Helms, legal, restricted, whole."""

import functools
import json

import pytest
import yaml

from tests.deploy.helm import pod_security, rules, schemas
from tests.deploy.helm.engines import CHART, NAMESPACE, ROOT, helm3, render4, template3, template4
from tests.deploy.helm.manifests import Manifest, containers, name_of, pods
from tests.deploy.helm.snapshots import FOLDER, monitoring, normal, path_of, snapshot
from tests.deploy.helm.value_sets import VALUE_SETS, merged

# Kinds that are not Kubernetes' own, and what reads them.
CUSTOM_KINDS = {
    "Certificate": "cert-manager",
    "Cluster": "CloudNativePG",
    "HTTPRoute": "Gateway API",
    "TLSRoute": "Gateway API",
    "BackendTLSPolicy": "Gateway API",
    "ServiceMonitor": "Prometheus Operator",
    "PrometheusRule": "Prometheus Operator",
    "Route": "OpenShift",
}
each_set = pytest.mark.parametrize("name", VALUE_SETS)


@functools.cache
def rendered(name: str) -> list[Manifest]:
    return template4(CHART, VALUE_SETS[name].values)


@each_set
def test_both_helms_render_the_same(name: str) -> None:
    helm3()
    old, new = normal(template3(CHART, VALUE_SETS[name].values)), normal(rendered(name))
    assert [name_of(manifest) for manifest in old] == [name_of(manifest) for manifest in new]
    for ours, theirs in zip(old, new, strict=True):
        assert ours == theirs


@each_set
def test_it_is_what_was_reviewed(name: str) -> None:
    chosen = VALUE_SETS[name]
    now = snapshot(chosen, rendered(name), rendered(chosen.base) if chosen.base else [])
    assert now == path_of(name).read_text(), "if it is meant: python -m tests.deploy.helm.snapshots"


def test_no_snapshot_is_left_over() -> None:
    assert set(FOLDER.iterdir()) == {path_of(name) for name in VALUE_SETS}


def test_the_oldest_and_the_newest_kubernetes_take_every_object() -> None:
    # Most objects are the same in many sets.
    unique = {yaml.safe_dump(manifest): manifest for name in VALUE_SETS for manifest in rendered(name)}
    own = [manifest for manifest in unique.values() if manifest["kind"] not in CUSTOM_KINDS]
    assert len(own) > len(VALUE_SETS)
    errors = [
        f"{version} {name_of(manifest)}: {error}"
        for manifest in own
        for version in (schemas.OLDEST, schemas.NEWEST)
        if (error := schemas.schema_error(manifest, version))
    ]
    assert errors == []


@each_set
def test_every_pod_is_restricted_and_more(name: str) -> None:
    found = {owner: [*pod_security.violations(pod), *pod_security.beyond(pod)] for owner, pod in pods(rendered(name))}
    assert found
    assert {owner: broken for owner, broken in found.items() if broken} == {}


@each_set
def test_what_is_named_is_there(name: str) -> None:
    assert rules.dangling(rendered(name), VALUE_SETS[name].texts) == []


@each_set
def test_what_chooses_finds(name: str) -> None:
    assert rules.unmatched(rendered(name)) == []


@each_set
def test_a_network_policy_stands_over_every_pod(name: str) -> None:
    assert rules.uncovered(rendered(name)) == []


@each_set
def test_names_and_ports_are_legal(name: str) -> None:
    assert rules.illegal_names(rendered(name)) == []


def test_the_longest_name_is_legal_in_every_object() -> None:
    everything = merged(
        VALUE_SETS["ha"].values, {"fullnameOverride": "a" * 38, "restore": {"enabled": True, "backup": "x"}}
    )
    assert rules.illegal_names(template4(CHART, everything)) == []


@each_set
def test_nothing_reaches_beyond_the_namespace(name: str) -> None:
    assert rules.cluster_wide(rendered(name), NAMESPACE) == []


@each_set
def test_no_secret_stands_in_the_open(name: str) -> None:
    files = render4(CHART, VALUE_SETS[name].values)
    texts = [text for file, text in files.items() if file.endswith(".yaml")]
    manifests = [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]
    notes = next(text for file, text in files.items() if file.endswith("NOTES.txt"))
    assert notes.strip()
    assert rules.leaks(manifests, notes) == []


def test_alerts_and_dashboard_are_those_of_deploy_monitoring() -> None:
    rule, dashboard = sorted(monitoring(rendered("production")), key=name_of, reverse=True)
    assert rule["spec"] == yaml.safe_load((ROOT / "deploy" / "monitoring" / "alerts.yaml").read_text())
    (text,) = dashboard["data"].values()
    assert json.loads(text) == json.loads((ROOT / "deploy" / "monitoring" / "dashboard.json").read_text())


def test_a_trial_has_secrets_that_could_leak() -> None:
    assert len(rules.secret_values(rendered("defaults"))) > 10


def test_the_registry_of_every_image_can_be_replaced_and_every_image_pinned() -> None:
    images = {
        container["image"] for _, pod in pods(rendered("mirror-and-digests")) for container in containers(pod["spec"])
    }
    assert len(images) >= 3
    assert all(image.startswith("mirror.example.com:5000/") and "@sha256:" in image for image in images), images
