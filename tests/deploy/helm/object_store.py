"""What the stand-in API server keeps: objects by kind, namespace and name, each checked against its schema."""

import copy
import itertools
from dataclasses import dataclass, field
from typing import Any

from tests.deploy.helm import strategic_merge
from tests.deploy.helm.schemas import schema_error

Manifest = dict[str, Any]
# Kubernetes that the stand-in says it is.
VERSION = "1.33"
# The kinds that are served: group and version, plural, kind.
RESOURCES: dict[str, dict[str, str]] = {
    "v1": {
        "namespaces": "Namespace",
        "secrets": "Secret",
        "services": "Service",
        "configmaps": "ConfigMap",
        "serviceaccounts": "ServiceAccount",
        "pods": "Pod",
        "persistentvolumeclaims": "PersistentVolumeClaim",
    },
    "apps/v1": {"deployments": "Deployment", "statefulsets": "StatefulSet", "replicasets": "ReplicaSet"},
    "batch/v1": {"jobs": "Job", "cronjobs": "CronJob"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "autoscaling/v2": {"horizontalpodautoscalers": "HorizontalPodAutoscaler"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy", "ingresses": "Ingress"},
}
_RELEASE = "helm.sh/release.v1"


class Refused(Exception):
    """An answer other than success, as the API's ``Status`` has it."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, order=True)
class Key:
    """Which object: ``v1 secrets`` of a namespace (none: of the cluster), by name."""

    group_version: str
    plural: str
    namespace: str
    name: str


@dataclass
class ObjectStore:
    """Objects as the API server has them. ``invalid`` lists what was refused by its schema."""

    objects: dict[Key, Manifest] = field(default_factory=dict)
    invalid: list[str] = field(default_factory=list)
    _versions: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def get(self, key: Key) -> Manifest:
        """Return the object. Not there: ``Refused`` 404."""
        if key not in self.objects:
            raise Refused(404, "NotFound", f'{key.plural} "{key.name}" not found')
        return self.objects[key]

    def list(self, group_version: str, plural: str, namespace: str, selector: str) -> list[Manifest]:
        """Return the objects of a kind, of one namespace or of all (""), whose labels *selector* chooses."""
        found = {
            key: item
            for key, item in self.objects.items()
            if (key.group_version, key.plural) == (group_version, plural)
        }
        return [
            item
            for key, item in sorted(found.items())
            if namespace in {"", key.namespace} and _is_selected(item["metadata"].get("labels") or {}, selector)
        ]

    def create(self, key: Key, manifest: Manifest) -> Manifest:
        """Keep a new object and return it. There already: ``Refused`` 409; against its schema: 422."""
        if key in self.objects:
            raise Refused(409, "AlreadyExists", f'{key.plural} "{key.name}" already exists')
        return self.put(key, manifest)

    def put(self, key: Key, manifest: Manifest) -> Manifest:
        """Keep the object in place of the old one, if any, and return it. Against its schema: ``Refused`` 422."""
        manifest = copy.deepcopy(manifest)
        manifest["apiVersion"], manifest["kind"] = key.group_version, RESOURCES[key.group_version][key.plural]
        error = None if manifest.get("type") == _RELEASE else schema_error(manifest, VERSION)
        if error:
            self.invalid.append(f"{manifest['kind']}/{key.name}: {error}")
            raise Refused(422, "Invalid", self.invalid[-1])
        if is_changed_for_good(self.objects.get(key, {}), manifest):
            raise Refused(
                422, "Invalid", f'{key.plural} "{key.name}" is invalid: field is immutable when `immutable` is set'
            )
        manifest["metadata"] |= {"resourceVersion": str(next(self._versions)), "uid": f"uid-{key.name}"}
        if key.namespace:
            manifest["metadata"]["namespace"] = key.namespace
        self.objects[key] = manifest
        return manifest

    def patch(self, key: Key, patch: Manifest, kind: str) -> Manifest:
        """
        Change an object by a patch of a kind (the media type) and return it; ``apply`` makes it if it is not there.

        Only one manager applies, and it owns every field: to apply is to replace.
        """
        if "apply-patch" in kind:
            return self.put(key, patch)
        if "strategic-merge-patch" in kind:
            return self.put(key, strategic_merge.merge(self.get(key), patch))
        if "merge-patch" in kind:
            return self.put(key, _json_merge(self.get(key), patch))
        raise Refused(415, "UnsupportedMediaType", kind)

    def delete(self, key: Key) -> Manifest:
        """Remove the object and return it. Not there: ``Refused`` 404."""
        self.get(key)
        return self.objects.pop(key)


def is_changed_for_good(old: Manifest, new: Manifest) -> bool:
    """Tell whether a Secret or ConfigMap would change that says of itself that it never does."""
    return bool(old.get("immutable")) and any(old.get(name) != new.get(name) for name in ("immutable", "data"))


def _json_merge(current: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(current) if isinstance(current, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _json_merge(merged.get(name), value)
    return merged


def _is_selected(labels: dict[str, str], selector: str) -> bool:
    for term in filter(None, selector.split(",")):
        name, sign, value = term.partition("!=" if "!=" in term else "=")
        if (labels.get(name) == value) is (sign == "!="):
            return False
    return True
