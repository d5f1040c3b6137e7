"""Our rules over a release: a small good one breaks none, and each mistake is found where it is."""

import base64
import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.deploy.helm import rules
from tests.deploy.helm.manifests import Manifest

_LABELS = {"app": "one"}


def _object(kind: str, name: str, **fields: Any) -> Manifest:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "ns"}, **fields}


def _release() -> dict[str, Manifest]:
    """A Deployment with a Secret, a Service and a policy, by kind."""
    container = {
        "name": "server",
        "ports": [{"name": "https", "containerPort": 8600, "protocol": "TCP"}],
        "env": [{"name": "PLAIN", "value": "value"}],
        "volumeMounts": [{"name": "secrets", "mountPath": "/run/secrets"}],
    }
    volume = {"name": "secrets", "projected": {"sources": [{"secret": {"name": "keys", "items": [{"key": "pepper"}]}}]}}
    pod = {"serviceAccountName": "account", "containers": [container], "volumes": [volume]}
    template = {"metadata": {"labels": dict(_LABELS)}, "spec": pod}
    port = {"name": "https", "port": 8600, "targetPort": "https", "protocol": "TCP"}
    backend = {"service": {"name": "one", "port": {"name": "https"}}}
    paths = [{"http": {"paths": [{"backend": backend}]}}]
    objects = [
        _object("Deployment", "one", spec={"selector": {"matchLabels": dict(_LABELS)}, "template": template}),
        _object("Secret", "keys", data={"pepper": base64.b64encode(b"CANARY-of-a-secret").decode()}),
        _object("ServiceAccount", "account"),
        _object("ConfigMap", "settings", data={"a": "b"}),
        _object("Service", "one", spec={"selector": dict(_LABELS), "ports": [port]}),
        _object("Ingress", "one", spec={"rules": paths}),
        _object("NetworkPolicy", "one", spec={"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
        _object("PodDisruptionBudget", "one", spec={"selector": {"matchLabels": dict(_LABELS)}}),
        _object("HorizontalPodAutoscaler", "one", spec={"scaleTargetRef": {"kind": "Deployment", "name": "one"}}),
    ]
    return {manifest["kind"]: manifest for manifest in objects}


RULES: dict[str, Callable[[list[Manifest]], list[str]]] = {
    "dangling": lambda release: rules.dangling(release, {"given"}),
    "unmatched": rules.unmatched,
    "uncovered": rules.uncovered,
    "illegal": rules.illegal_names,
    "beyond": lambda release: rules.cluster_wide(release, "ns"),
    "leaks": lambda release: rules.leaks(release, "Installed."),
}


def _set(kind: str, path: str, value: object) -> Callable[[dict[str, Manifest]], None]:
    def change(release: dict[str, Manifest]) -> None:
        place: Any = release[kind]
        *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
        for step in steps:
            place = place[step]
        place[last] = value

    return change


def _without(kind: str) -> Callable[[dict[str, Manifest]], None]:
    return lambda release: release.pop(kind) and None


_POD = "spec.template.spec"
_SERVER = f"{_POD}.containers.0"
MISTAKES: list[tuple[str, str, Callable[[dict[str, Manifest]], None]]] = [
    ("dangling", "Secret keys pepper", _without("Secret")),
    ("dangling", "Secret keys pepper", _set("Secret", "data", {"other": ""})),
    ("dangling", "ServiceAccount other", _set("Deployment", f"{_POD}.serviceAccountName", "other")),
    ("dangling", "ConfigMap other", _set("Deployment", f"{_SERVER}.envFrom", [{"configMapRef": {"name": "other"}}])),
    ("dangling", "mount of nothing", _set("Deployment", f"{_SERVER}.volumeMounts.0.name", "nothing")),
    ("dangling", "volume more is not mounted", _set("Deployment", f"{_POD}.volumes.0.name", "more")),
    ("dangling", "PersistentVolumeClaim disk", _set(
        "Deployment", f"{_POD}.volumes.0", {"name": "secrets", "persistentVolumeClaim": {"claimName": "disk"}}
    )),
    ("unmatched", "its own pods", _set("Deployment", "spec.selector.matchLabels", {"app": "two"})),
    ("unmatched", "Service/one: no pod", _set("Service", "spec.selector", {"app": "two"})),
    ("unmatched", "port metrics is not", _set("Service", "spec.ports.0.targetPort", "metrics")),
    ("unmatched", "Ingress/one: Service one", _set("Service", "spec.ports.0.name", "other")),
    ("unmatched", "PodDisruptionBudget/one", _set("PodDisruptionBudget", "spec.selector", {"matchLabels": {"app": "two"}})),
    ("unmatched", "NetworkPolicy/one", _set("NetworkPolicy", "spec.podSelector", {"matchLabels": {"app": "two"}})),
    ("unmatched", "HorizontalPodAutoscaler/one", _set("HorizontalPodAutoscaler", "spec.scaleTargetRef.name", "two")),
    ("uncovered", "Deployment/one: Ingress", _without("NetworkPolicy")),
    ("uncovered", "Deployment/one: Egress", _set("NetworkPolicy", "spec.policyTypes", ["Ingress"])),
    ("illegal", "Service/1one", _set("Service", "metadata.name", "1one")),
    ("illegal", "Secret/Keys", _set("Secret", "metadata.name", "Keys")),
    ("illegal", "Deployment/aaa", _set("Deployment", "metadata.name", "a" * 64)),
    ("illegal", "label version=1+2", _set("ConfigMap", "metadata.labels", {"version": "1+2"})),
    ("illegal", "port 99999", _set("Service", "spec.ports.0.port", 99999)),
    ("illegal", "without a protocol", _set("Deployment", f"{_SERVER}.ports.0", {"containerPort": 8600})),
    ("illegal", "port name a-name-too-long", _set("Deployment", f"{_SERVER}.ports.0.name", "a-name-too-long-x")),
    ("beyond", "ClusterRole/settings", _set("ConfigMap", "kind", "ClusterRole")),
    ("beyond", "ConfigMap/settings", _set("ConfigMap", "metadata.namespace", "kube-system")),
    ("leaks", "ConfigMap/settings", _set("ConfigMap", "data.a", "is CANARY-of-a-secret")),
    ("leaks", "Deployment/one", _set("Deployment", f"{_SERVER}.env.0.value", "CANARY-of-a-secret")),
    ("leaks", "ConfigMap/settings", _set("ConfigMap", "data.a", base64.b64encode(b"CANARY-of-a-secret").decode())),
    ("leaks", "environment of server: PLAIN", _set(
        "Deployment", f"{_SERVER}.env.0", {"name": "PLAIN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "pepper"}}}
    )),
    ("leaks", "environment of server: keys", _set("Deployment", f"{_SERVER}.envFrom", [{"secretRef": {"name": "keys"}}])),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_good_release_breaks_no_rule(rule: str) -> None:
    assert RULES[rule](list(_release().values())) == []


@pytest.mark.parametrize(("rule", "found", "change"), MISTAKES)
def test_a_mistake_is_found(rule: str, found: str, change: Callable[[dict[str, Manifest]], None]) -> None:
    release = copy.deepcopy(_release())
    change(release)
    assert any(found in text for text in RULES[rule](list(release.values())))


def test_a_secret_in_the_notes_is_found() -> None:
    assert rules.leaks(list(_release().values()), "Your pepper is CANARY-of-a-secret") == ["NOTES"]


def test_what_the_operator_names_need_not_be_rendered() -> None:
    release = _release()
    del release["Secret"]
    assert rules.dangling(list(release.values()), {"keys"}) == []


def test_what_is_optional_need_not_be_there() -> None:
    release = _release()
    source = {"secret": {"name": "next", "optional": True, "items": [{"key": "next"}]}}
    release["Deployment"]["spec"]["template"]["spec"]["volumes"][0]["projected"]["sources"].append(source)
    assert rules.dangling(list(release.values()), set()) == []
