"""Our evaluator of Pod Security: a good pod passes, and each rule that is broken is found, by its name."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.deploy.helm.pod_security import beyond, violations

_GOOD: dict[str, Any] = {
    "metadata": {},
    "spec": {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "data", "emptyDir": {}}],
        "initContainers": [],
        "containers": [
            {
                "name": "one",
                "image": "registry.test:5000/team/one:1.2@sha256:" + "0" * 64,
                "ports": [{"containerPort": 8600}],
                "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": "1Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
                },
            }
        ],
    },
}
Change = Callable[[dict[str, Any], dict[str, Any]], object]


def _security(**fields: object) -> Change:
    return lambda _, container: container["securityContext"].update(fields)


def _pod(**fields: object) -> Change:
    return lambda spec, _: spec.update(fields)


def _container(**fields: object) -> Change:
    return lambda _, container: container.update(fields)


def _pod_security(**fields: object) -> Change:
    return lambda spec, _: spec["securityContext"].update(fields)


def _changed(change: Change) -> dict[str, Any]:
    template = copy.deepcopy(_GOOD)
    change(template["spec"], template["spec"]["containers"][0])
    return template


def test_a_good_pod_breaks_no_rule() -> None:
    assert violations(_GOOD) == []
    assert beyond(_GOOD) == []


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("HostProcess", _security(windowsOptions={"hostProcess": True})),
        ("Host Namespaces: hostNetwork", _pod(hostNetwork=True)),
        ("Host Namespaces: hostPID", _pod(hostPID=True)),
        ("Host Namespaces: hostIPC", _pod(hostIPC=True)),
        ("Privileged Containers", _security(privileged=True)),
        ("Capabilities: ALL is not dropped", _security(capabilities={"drop": ["NET_RAW"]})),
        ("Capabilities: CHOWN added", _security(capabilities={"drop": ["ALL"], "add": ["CHOWN"]})),
        ("Volume Types: data is hostPath", _pod(volumes=[{"name": "data", "hostPath": {"path": "/"}}])),
        ("Host Ports", _container(ports=[{"containerPort": 80, "hostPort": 80}])),
        ("Host Probes: livenessProbe", _container(livenessProbe={"httpGet": {"host": "10.0.0.1", "port": 80}})),
        ("Host Probes: lifecycle", _container(lifecycle={"preStop": {"tcpSocket": {"host": "10.0.0.1", "port": 1}}})),
        ("AppArmor: Unconfined", _security(appArmorProfile={"type": "Unconfined"})),
        ("SELinux", _security(seLinuxOptions={"type": "spc_t"})),
        ("SELinux", _pod_security(seLinuxOptions={"role": "sysadm_r"})),
        ("/proc Mount Type", _security(procMount="Unmasked")),
        ("Seccomp: no profile", _pod_security(seccompProfile=None)),
        ("Seccomp: Unconfined", _security(seccompProfile={"type": "Unconfined"})),
        ("Sysctls: kernel.msgmax", _pod_security(sysctls=[{"name": "kernel.msgmax", "value": "1"}])),
        ("Privilege Escalation", _security(allowPrivilegeEscalation=True)),
        ("Privilege Escalation", _container(securityContext={"capabilities": {"drop": ["ALL"]}})),
        ("Running as Non-root: not required", _pod_security(runAsNonRoot=None)),
        ("Running as Non-root: not required", _security(runAsNonRoot=False)),
        ("Running as Non-root user", _security(runAsUser=0)),
        ("Running as Non-root user", _pod_security(runAsUser=0)),
    ],
)
def test_a_broken_rule_is_named(rule: str, change: Change) -> None:
    assert any(rule in found for found in violations(_changed(change)))


def test_apparmor_by_its_old_annotation() -> None:
    template = copy.deepcopy(_GOOD)
    template["metadata"]["annotations"] = {"container.apparmor.security.beta.kubernetes.io/one": "unconfined"}
    assert violations(template) == ["AppArmor: unconfined"]


def test_containers_of_the_start_are_held_to_the_same() -> None:
    template = copy.deepcopy(_GOOD)
    template["spec"]["initContainers"] = [{"name": "first", "image": "one:1"}]
    assert any(found.startswith("first: ") for found in violations(template))
    assert any(found.startswith("first: ") for found in beyond(template))


@pytest.mark.parametrize(
    ("lack", "change"),
    [
        ("root can be written", _security(readOnlyRootFilesystem=False)),
        ("limits of memory", _container(resources={"requests": {"cpu": "1m", "memory": "1Mi"}})),
        ("requests of cpu", _container(resources={"requests": {"memory": "1Mi"}, "limits": {"memory": "1Mi"}})),
        ("token", _pod(automountServiceAccountToken=None)),
        ("not fixed", _container(image="one:latest")),
        ("not fixed", _container(image="registry.test:5000/one")),
        ("not fixed", _container(image="one@sha256:abc")),
    ],
)
def test_what_we_ask_beyond_is_named(lack: str, change: Change) -> None:
    assert any(lack in found for found in beyond(_changed(change)))
