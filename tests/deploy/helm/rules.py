"""Rules over all objects of a release that no schema knows: what is named is there, what is chosen exists, names are legal."""

import base64
import re
from collections.abc import Iterator
from typing import Any

from tests.deploy.helm.manifests import Manifest, Reference, containers, is_selected, name_of, pods, references

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")  # RFC 1123
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")  # RFC 1123
_SERVICE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")  # RFC 1035
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")  # RFC 6335
# How long a name may be so that the names made from it stay legal (a CronJob's Jobs get eleven characters more).
_LENGTHS = {"CronJob": 52, "Service": 63, "Deployment": 63, "StatefulSet": 52, "Job": 63}
_CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace", "PriorityClass"}
_PUBLIC = (".crt", "username")
# Shorter texts are words, a user's name among them.
_SECRET_LENGTH = 12


def dangling(manifests: list[Manifest], given: set[str]) -> list[str]:
    """Return references of pods to what is neither rendered nor in *given*, the names that the operator gave."""
    there = _present(manifests)
    found = []
    for owner, template in pods(manifests):
        spec = template["spec"]
        found += [
            f"{owner}: {needed.kind} {needed.name} {','.join(needed.keys)}"
            for needed in references(spec)
            if not needed.optional and not _resolves(needed, there, given)
        ]
        found += [f"{owner}: {text}" for text in _loose_mounts(owner, spec, manifests)]
    return found


def _present(manifests: list[Manifest]) -> dict[tuple[str, str], set[str] | None]:
    """Return what will exist, with its keys where they are known."""
    there: dict[tuple[str, str], set[str] | None] = {}
    for manifest in manifests:
        name, spec = manifest["metadata"]["name"], manifest.get("spec") or {}
        keys = {**(manifest.get("data") or {}), **(manifest.get("stringData") or {})}
        there[manifest["kind"], name] = set(keys)
        if manifest["kind"] == "Certificate":  # cert-manager writes these three
            there["Secret", spec["secretName"]] = {"ca.crt", "tls.crt", "tls.key"}
        if manifest["kind"] == "Cluster":  # CloudNativePG writes its own authority
            there["Secret", f"{name}-ca"] = {"ca.crt"}
    return there


def _resolves(reference: Reference, there: dict[tuple[str, str], set[str] | None], given: set[str]) -> bool:
    key = reference.kind, reference.name
    if key not in there:
        return reference.name in given
    keys = there[key]
    return keys is None or set(reference.keys) <= keys


def _loose_mounts(owner: str, spec: Manifest, manifests: list[Manifest]) -> Iterator[str]:
    volumes = {volume["name"] for volume in spec.get("volumes") or []}
    whole = next(manifest for manifest in manifests if name_of(manifest) == owner)
    volumes |= {claim["metadata"]["name"] for claim in whole["spec"].get("volumeClaimTemplates") or []}
    mounted = {mount["name"] for container in containers(spec) for mount in container.get("volumeMounts") or []}
    yield from (f"mount of {name}, which is no volume" for name in sorted(mounted - volumes))
    yield from (f"volume {name} is not mounted" for name in sorted(volumes - mounted))


def unmatched(manifests: list[Manifest]) -> list[str]:
    """Return selectors that choose nothing, or not the pods of their own object, and ports that nobody has."""
    templates = [*(template for _, template in pods(manifests)), *_pods_of_clusters(manifests)]
    found = [f"{name_of(manifest)}: {text}" for manifest in manifests for text in _unmatched(manifest, templates)]
    names = {name_of(manifest) for manifest in manifests}
    for manifest in (manifest for manifest in manifests if manifest["kind"] == "HorizontalPodAutoscaler"):
        target = manifest["spec"]["scaleTargetRef"]
        if f"{target['kind']}/{target['name']}" not in names:
            found.append(f"{name_of(manifest)}: {target['name']}")
    return found + _backends(manifests)


def _pods_of_clusters(manifests: list[Manifest]) -> Iterator[Manifest]:
    """Return what is known here of the pods that CloudNativePG makes."""
    for manifest in manifests:
        if manifest["kind"] == "Cluster":
            yield {"metadata": {"labels": {"cnpg.io/cluster": manifest["metadata"]["name"]}}}


def _unmatched(manifest: Manifest, templates: list[Manifest]) -> Iterator[str]:
    spec = manifest.get("spec") or {}
    match manifest["kind"]:
        case "Deployment" | "StatefulSet":
            if not is_selected(spec["selector"], _labels(spec["template"])):
                yield "its own pods"
        case "Service":
            yield from _service(spec, templates)
        case "PodDisruptionBudget":
            yield from _nobody(spec["selector"], templates)
        case "NetworkPolicy":
            yield from _nobody(spec["podSelector"], templates)


def _nobody(selector: Manifest, templates: list[Manifest]) -> Iterator[str]:
    if not any(is_selected(selector, _labels(template)) for template in templates):
        yield "no pod"


def _labels(template: Manifest) -> dict[str, str]:
    return (template.get("metadata") or {}).get("labels") or {}


def _service(spec: Manifest, templates: list[Manifest]) -> Iterator[str]:
    chosen = [template for template in templates if is_selected(spec["selector"], _labels(template))]
    if not chosen:
        yield "no pod"
    for template in chosen:
        ports = [port for container in containers(template["spec"]) for port in container.get("ports") or []]
        known = {port["containerPort"] for port in ports} | {port["name"] for port in ports if "name" in port}
        for port in spec["ports"]:
            if port.get("targetPort", port["port"]) not in known:
                yield f"port {port.get('targetPort')} is not one of its pods'"


def _backends(manifests: list[Manifest]) -> list[str]:
    """Return what routes name and no Service has."""
    served = {
        (service["metadata"]["name"], port)
        for service in manifests
        if service["kind"] == "Service"
        for each in service["spec"]["ports"]
        for port in (each["port"], each.get("name"))
    }
    named = [(name_of(manifest), *backend) for manifest in manifests for backend in _named_backends(manifest)]
    return [f"{owner}: Service {name}, port {port}" for owner, name, port in named if (name, port) not in served]


def _named_backends(manifest: Manifest) -> Iterator[tuple[str, Any]]:
    rules = (manifest.get("spec") or {}).get("rules") or []
    if manifest["kind"] == "Ingress":
        for path in (path for rule in rules for path in rule["http"]["paths"]):
            service = path["backend"]["service"]
            yield service["name"], service["port"].get("name") or service["port"].get("number")
    if manifest["kind"] in {"HTTPRoute", "TLSRoute"}:
        yield from ((backend["name"], backend["port"]) for rule in rules for backend in rule["backendRefs"])


def uncovered(manifests: list[Manifest]) -> list[str]:
    """Return pods that no NetworkPolicy chooses for one of the directions: they may talk to everybody there."""
    policies = [manifest["spec"] for manifest in manifests if manifest["kind"] == "NetworkPolicy"]
    found = []
    for owner, template in pods(manifests):
        chosen = [policy for policy in policies if is_selected(policy["podSelector"], _labels(template))]
        covered = {direction for policy in chosen for direction in policy["policyTypes"]}
        found += [f"{owner}: {direction}" for direction in ("Egress", "Ingress") if direction not in covered]
    return found


def illegal_names(manifests: list[Manifest]) -> list[str]:
    """Return names, labels and ports that the API server would refuse though the schema does not."""
    found = []
    for manifest in manifests:
        name, labels = manifest["metadata"]["name"], manifest["metadata"].get("labels") or {}
        form = _SERVICE if manifest["kind"] == "Service" else _SUBDOMAIN
        if not form.fullmatch(name) or len(name) > _LENGTHS.get(manifest["kind"], 253):
            found.append(name_of(manifest))
        found += [
            f"{name_of(manifest)}: label {label}={value}"
            for label, value in labels.items()
            if not _LABEL_VALUE.fullmatch(value) or len(value) > 63
        ]
        if manifest["kind"] == "Service":
            found += [f"{name_of(manifest)}: {text}" for text in _bad_ports(manifest["spec"]["ports"], "port")]
    for owner, template in pods(manifests):
        found += [f"{owner}: {text}" for text in _bad_in_pod(template["spec"])]
    return found


def _bad_in_pod(spec: Manifest) -> Iterator[str]:
    for part in (*containers(spec), *(spec.get("volumes") or [])):
        if not _LABEL.fullmatch(part["name"]) or len(part["name"]) > 63:
            yield f"name {part['name']}"
    for container in containers(spec):
        yield from _bad_ports(container.get("ports") or [], "containerPort")


def _bad_ports(ports: list[Manifest], field: str) -> Iterator[str]:
    for port in ports:
        if not 1 <= port[field] <= 65535:
            yield f"port {port[field]}"
        if "name" in port and not _PORT_NAME.fullmatch(port["name"]):
            yield f"port name {port['name']}"
        if "protocol" not in port:  # part of the key by which the server tells ports apart when Helm 4 applies
            yield f"port {port[field]} without a protocol"


def cluster_wide(manifests: list[Manifest], namespace: str) -> list[str]:
    """Return objects outside of the release's namespace, which is meant where none is named."""
    return [
        name_of(manifest)
        for manifest in manifests
        if manifest["kind"] in _CLUSTER_WIDE or manifest["metadata"].get("namespace", namespace) != namespace
    ]


def secret_values(manifests: list[Manifest]) -> set[str]:
    """Return all values of rendered Secrets, as they are and in base64, but for certificates."""
    found = set()
    for manifest in (manifest for manifest in manifests if manifest["kind"] == "Secret"):
        encoded = {key: value for key, value in (manifest.get("data") or {}).items() if not key.endswith(_PUBLIC)}
        plain = [base64.b64decode(value).decode(errors="replace") for value in encoded.values()]
        found |= {*encoded.values(), *plain, *(manifest.get("stringData") or {}).values()}
    return {value for value in found if len(value) >= _SECRET_LENGTH}


def leaks(manifests: list[Manifest], notes: str) -> list[str]:
    """Return where a value of a Secret stands outside of Secrets, and environments that take one."""
    secrets = secret_values(manifests)
    open_texts = {name_of(manifest): str(manifest) for manifest in manifests if manifest["kind"] != "Secret"}
    found = [name for name, text in {**open_texts, "NOTES": notes}.items() if any(value in text for value in secrets)]
    for owner, template in pods(manifests):
        for container in containers(template["spec"]):
            variables = [v["name"] for v in container.get("env") or [] if "secretKeyRef" in (v.get("valueFrom") or {})]
            sources = [str(s["secretRef"]["name"]) for s in container.get("envFrom") or [] if "secretRef" in s]
            found += [f"{owner}: environment of {container['name']}: {name}" for name in (*variables, *sources)]
    return found
