"""Reading rendered objects: pods, their containers, what they refer to."""

from collections.abc import Iterator
from typing import Any, NamedTuple

Manifest = dict[str, Any]
PodSpec = dict[str, Any]
Container = dict[str, Any]


class Reference(NamedTuple):
    """An object that another one names; ``keys`` are asked of it. What is optional need not be there."""

    kind: str
    name: str
    keys: tuple[str, ...] = ()
    optional: bool = False


def name_of(manifest: Manifest) -> str:
    """``Deployment/name``."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def pod_template(manifest: Manifest) -> Manifest | None:
    """Return the pod, or the template of pods, that an object has: metadata and spec. Others: nothing."""
    spec = manifest.get("spec") or {}
    match manifest["kind"]:
        case "Pod":
            return manifest
        case "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job":
            return dict(spec["template"])
        case "CronJob":
            return dict(spec["jobTemplate"]["spec"]["template"])
    return None


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield each template of pods, with the name of its object."""
    for manifest in manifests:
        template = pod_template(manifest)
        if template is not None:
            yield name_of(manifest), template


def containers(spec: PodSpec) -> list[Container]:
    """Return all containers of a pod, those of its start and for its inspection among them."""
    return [
        container
        for part in ("initContainers", "containers", "ephemeralContainers")
        for container in spec.get(part) or []
    ]


def references(spec: PodSpec) -> Iterator[Reference]:
    """Yield what a pod needs to start: Secrets, ConfigMaps, claims, its ServiceAccount."""
    if "serviceAccountName" in spec:
        yield Reference("ServiceAccount", spec["serviceAccountName"])
    for secret in spec.get("imagePullSecrets") or []:
        yield Reference("Secret", secret["name"], optional=True)
    for volume in spec.get("volumes") or []:
        yield from _of_volume(volume)
    for container in containers(spec):
        yield from _of_environment(container)


def _of_volume(volume: Manifest) -> Iterator[Reference]:
    if "persistentVolumeClaim" in volume:
        yield Reference("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
    for source in [volume, *(volume.get("projected") or {}).get("sources", [])]:
        for field, kind, named in (("secret", "Secret", "secretName"), ("configMap", "ConfigMap", "name")):
            if field in source:
                given = source[field]
                keys = tuple(item["key"] for item in given.get("items") or [])
                yield Reference(kind, given.get(named) or given["name"], keys, bool(given.get("optional")))


def _of_environment(container: Container) -> Iterator[Reference]:
    for variable in container.get("env") or []:
        for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            given = (variable.get("valueFrom") or {}).get(field)
            if given:
                yield Reference(kind, given["name"], (given["key"],), bool(given.get("optional")))
    for source in container.get("envFrom") or []:
        for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
            if field in source:
                yield Reference(kind, source[field]["name"], (), bool(source[field].get("optional")))


def is_selected(selector: Manifest | None, labels: dict[str, str]) -> bool:
    """Whether a selector (of labels alone, or with ``matchLabels``) chooses *labels*; an empty one chooses all."""
    chosen = dict(selector or {})
    expressions = chosen.pop("matchExpressions", [])
    wanted = chosen.get("matchLabels", {} if expressions else chosen) or {}
    return wanted.items() <= labels.items() and all(_meets(expression, labels) for expression in expressions)


def _meets(expression: Manifest, labels: dict[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"operator {expression['operator']}")
