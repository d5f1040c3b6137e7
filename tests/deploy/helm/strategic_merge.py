"""Strategic merge patches: what `helm upgrade` of Helm 3 sends for the built-in kinds."""

from typing import Any

# The fields by which elements of a list are told apart (patchMergeKey in Kubernetes' types). Other lists are replaced.
_MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port"),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
}
_ORDER = "$setElementOrder/"
_DELETE_VALUES = "$deleteFromPrimitiveList/"


def merge(current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return *current* after *patch*; neither is changed. A directive that is not known here is a ``ValueError``."""
    merged = dict(current)
    for name, value in patch.items():
        if name.startswith((_ORDER, "$retainKeys")):
            continue
        if name.startswith(_DELETE_VALUES):
            field = name.removeprefix(_DELETE_VALUES)
            merged[field] = [kept for kept in merged.get(field, []) if kept not in value]
        elif name.startswith("$"):
            raise ValueError(f"directive {name} of a strategic merge patch")
        elif value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged_value(name, merged.get(name), value, patch.get(_ORDER + name))
    retained = patch.get("$retainKeys")
    return merged if retained is None else {name: value for name, value in merged.items() if name in retained}


def _merged_value(name: str, current: object, value: object, order: list[Any] | None) -> object:
    if isinstance(value, dict):
        return merge(current if isinstance(current, dict) else {}, value)
    if isinstance(value, list) and name in _MERGE_KEYS:
        return _merged_list(name, current if isinstance(current, list) else [], value, order or [])
    return value


def _merged_list(name: str, current: list[Any], patch: list[Any], order: list[Any]) -> list[Any]:
    elements = {_identity(name, element): element for element in current}
    for element in patch:
        identity = _identity(name, element)
        if element.get("$patch") == "delete":
            elements.pop(identity, None)
        else:
            elements[identity] = merge(elements.get(identity, {}), element)
    places = {_identity(name, element): place for place, element in enumerate(order)}
    return sorted(elements.values(), key=lambda element: places.get(_identity(name, element), len(places)))


def _identity(name: str, element: dict[str, Any]) -> object:
    key = next(key for key in _MERGE_KEYS[name] if key in element)
    return element[key]
