"""
The Pod Security Standard "restricted", and what we ask beyond it.

Source: Kubernetes' documentation, "Pod Security Standards", profiles baseline and restricted; the names of the rules are
those of its tables. Windows is left out: the chart says nothing of it, so each pod is one of Linux.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.deploy.helm.manifests import Container, Manifest, containers

Security = dict[str, Any]
_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
_APPARMOR = {"RuntimeDefault", "Localhost"}
_APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
_SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
_IMAGE = re.compile(r"(?P<repository>[a-z0-9.:/_-]+?)(:(?P<tag>[\w][\w.-]{0,127}))?(@sha256:[0-9a-f]{64})?")


def violations(template: Manifest) -> list[str]:
    """Return each rule that a pod breaks, with the container; empty: it is admitted where "restricted" is enforced."""
    spec = template["spec"]
    found = [*_of_pod(template.get("metadata") or {}, spec)]
    for container in containers(spec):
        for rule in _CONTAINER_RULES:
            found += [f"{container['name']}: {text}" for text in rule(spec.get("securityContext") or {}, container)]
    return found


def beyond(template: Manifest) -> list[str]:
    """Return what a pod lacks of our own rules: a read-only root, limits, no token, an image that can be pinned."""
    spec = template["spec"]
    found = [] if spec.get("automountServiceAccountToken") is False else ["the token of its account is mounted"]
    for container in containers(spec):
        found += [f"{container['name']}: {text}" for text in _beyond_in(container)]
    return found


def _of_pod(metadata: Manifest, spec: Manifest) -> Iterator[str]:
    yield from (f"Host Namespaces: {field}" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field))
    for volume in spec.get("volumes") or []:
        kinds = set(volume) - {"name"}
        if not kinds <= _VOLUMES:
            yield f"Volume Types: {volume['name']} is {', '.join(sorted(kinds - _VOLUMES))}"
    security = spec.get("securityContext") or {}
    for sysctl in security.get("sysctls") or []:
        if sysctl["name"] not in _SYSCTLS:
            yield f"Sysctls: {sysctl['name']}"
    for name, value in (metadata.get("annotations") or {}).items():
        if name.startswith(_APPARMOR_ANNOTATION) and not re.fullmatch(r"runtime/default|localhost/.+", value):
            yield f"AppArmor: {value}"
    yield from _options(security)
    if security.get("runAsUser") == 0:
        yield "Running as Non-root user: runAsUser is 0"


def _options(security: Security) -> Iterator[str]:
    """Yield what a pod's or a container's context may not ask for."""
    options = security.get("seLinuxOptions") or {}
    if options.get("type", "") not in _SELINUX_TYPES or options.get("user") or options.get("role"):
        yield "SELinux: user, role or type"
    if security.get("appArmorProfile") and security["appArmorProfile"].get("type") not in _APPARMOR:
        yield "AppArmor: Unconfined"
    if (security.get("windowsOptions") or {}).get("hostProcess"):
        yield "HostProcess"
    if (security.get("seccompProfile") or {}).get("type") == "Unconfined":
        yield "Seccomp: Unconfined"


def _privileges(_: Security, container: Container) -> Iterator[str]:
    security = container.get("securityContext") or {}
    if security.get("privileged"):
        yield "Privileged Containers"
    if security.get("allowPrivilegeEscalation") is not False:
        yield "Privilege Escalation: not forbidden"
    if security.get("procMount", "Default") != "Default":
        yield "/proc Mount Type"
    yield from _options(security)


def _capabilities(_: Security, container: Container) -> Iterator[str]:
    given = (container.get("securityContext") or {}).get("capabilities") or {}
    if "ALL" not in (given.get("drop") or []):
        yield "Capabilities: ALL is not dropped"
    if not set(given.get("add") or []) <= {"NET_BIND_SERVICE"}:
        yield f"Capabilities: {', '.join(given['add'])} added"


def _host_ports(_: Security, container: Container) -> Iterator[str]:
    if any(port.get("hostPort") for port in container.get("ports") or []):
        yield "Host Ports"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        for action in ("httpGet", "tcpSocket"):
            if ((container.get(probe) or {}).get(action) or {}).get("host"):
                yield f"Host Probes: {probe}"
    for hook in (container.get("lifecycle") or {}).values():
        if any((hook.get(action) or {}).get("host") for action in ("httpGet", "tcpSocket")):
            yield "Host Probes: lifecycle"


def _user(pod: Security, container: Container) -> Iterator[str]:
    own = container.get("securityContext") or {}
    if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield "Running as Non-root: not required"
    if own.get("runAsUser") == 0:
        yield "Running as Non-root user: runAsUser is 0"


def _seccomp(pod: Security, container: Container) -> Iterator[str]:
    own = container.get("securityContext") or {}
    profile = own.get("seccompProfile") or pod.get("seccompProfile") or {}
    if profile.get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "Seccomp: no profile"


_CONTAINER_RULES: tuple[Callable[[Security, Container], Iterator[str]], ...] = (
    _privileges, _capabilities, _host_ports, _user, _seccomp,
)  # fmt: skip


def _beyond_in(container: Container) -> Iterator[str]:
    if (container.get("securityContext") or {}).get("readOnlyRootFilesystem") is not True:
        yield "its root can be written"
    resources = container.get("resources") or {}
    for part, names in (("requests", {"cpu", "memory"}), ("limits", {"memory"})):
        missing = names - set(resources.get(part) or {})
        if missing:
            yield f"no {part} of {', '.join(sorted(missing))}"
    image = _IMAGE.fullmatch(container["image"])
    if not image or image["tag"] == "latest" or not (image["tag"] or "@" in container["image"]):
        yield f"its image is not fixed: {container['image']}"
