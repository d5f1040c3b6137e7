"""
What the chart renders, kept for review in ``snapshots/``: whole for two sets of values, for the others what differs.

    python -m tests.deploy.helm.snapshots        write them anew; read the difference before you commit it

Left out is what is made at random, and the alerts and the dashboard, which are reviewed in deploy/monitoring. Other long
texts stand as their SHA-256.
"""

import hashlib
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.helm.engines import CHART, NAME, template4
from tests.deploy.helm.manifests import Manifest, name_of
from tests.deploy.helm.value_sets import VALUE_SETS, ValueSet

FOLDER = Path(__file__).parent / "snapshots"
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----\n?", re.DOTALL)
_CONTAINER = re.compile(r"(?P<object>\S+) .*?[cC]ontainers\[(?P<container>[^]]+)\] (?P<field>.*)")
_LONG = 2000
_PATH_KEYS = ("name", "path", "mountPath", "key", "topologyKey")


def normal(manifests: list[Manifest]) -> list[Manifest]:
    """Return the objects in a fixed order, without what is made at random: values of Secrets, certificates."""
    return sorted((_normal_object(manifest) for manifest in manifests), key=name_of)


def _normal_object(manifest: Manifest) -> Manifest:
    kept = dict(manifest)
    if manifest["kind"] == "Secret":
        kept["data"] = dict.fromkeys(manifest.get("data") or {}, "made")
    return {name: _normal_value(value) for name, value in kept.items()}


def _normal_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _normal_value(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_normal_value(each) for each in value]
    if isinstance(value, str):
        text = _PEM.sub("(PEM)", value)
        return text if len(text) < _LONG else f"(SHA-256 {hashlib.sha256(text.encode()).hexdigest()})"
    return value


def snapshot(chosen: ValueSet, rendered: list[Manifest], base: list[Manifest]) -> str:
    """Return the text that is kept for a set: all of it, or what differs from its base, line by line."""
    after, before = _reviewed_here(rendered), _reviewed_here(base)
    if not chosen.base:
        return _written(after)
    old_names, new_names = {name_of(item) for item in before}, {name_of(item) for item in after}
    gone = "".join(f"- {name}\n" for name in sorted(old_names - new_names))
    both = old_names & new_names
    changed = _changes(
        _lines([item for item in before if name_of(item) in both]),
        _lines([item for item in after if name_of(item) in both]),
    )
    return gone + changed + _written([item for item in after if name_of(item) not in both])


def _reviewed_here(manifests: list[Manifest]) -> list[Manifest]:
    """Return the objects without what is a copy out of deploy/monitoring."""
    copies = {"spec" if item["kind"] == "PrometheusRule" else "data": name_of(item) for item in monitoring(manifests)}
    return [
        {field: value for field, value in item.items() if copies.get(field) != name_of(item)}
        for item in normal(manifests)
    ]


def monitoring(manifests: list[Manifest]) -> list[Manifest]:
    """Return the alerts' rule and the dashboard's ConfigMap, where they are rendered."""
    names = {f"PrometheusRule/{NAME}", f"ConfigMap/{NAME}-dashboard"}
    return [manifest for manifest in manifests if name_of(manifest) in names]


def _written(manifests: list[Manifest]) -> str:
    return (
        yaml.dump_all(manifests, Dumper=_Dumper, default_flow_style=None, width=118, explicit_start=True)
        if manifests
        else ""
    )


def _changes(old: dict[str, str], new: dict[str, str]) -> str:
    """Return the fields that differ, each with all places that differ in it alike."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            place, field = _place(path)
            lines = [f"{sign} {field}: {side[path]}\n" for sign, side in (("-", old), ("+", new)) if path in side]
            places["".join(lines)].append(place)
    alike: dict[str, str] = defaultdict(str)
    for lines_of_field, where in places.items():
        alike[", ".join(where)] += lines_of_field
    return "".join(f"@ {where}\n{lines_there}" for where, lines_there in alike.items())


def _place(path: str) -> tuple[str, str]:
    """Split a path into the object, with the container if there is one, and the field in it."""
    found = _CONTAINER.match(path)
    if found:
        return f"{found['object']}[{found['container']}]", found["field"]
    whole, _, field = path.partition(" ")
    return whole, field.removeprefix("spec jobTemplate ").replace("spec template spec ", "pod ")


def _lines(manifests: list[Manifest]) -> dict[str, str]:
    return {path: value for manifest in manifests for path, value in _leaves(manifest, name_of(manifest))}


def _leaves(value: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [leaf for name, each in value.items() for leaf in _leaves(each, f"{path} {name}")]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [leaf for place, each in enumerate(value) for leaf in _element(each, path, str(place))]
    return [(path, yaml.safe_dump(value, default_flow_style=True, width=10000).strip().removesuffix("\n..."))]


def _element(element: Manifest, path: str, place: str) -> list[tuple[str, str]]:
    """Return the leaves of one element of a list, which is found by its name where it has one."""
    key = next((key for key in _PATH_KEYS if key in element), None)
    if key is None:
        return _leaves(element, f"{path}[{place}]")
    rest = {name: value for name, value in element.items() if name != key}
    return _leaves(rest["value"] if rest.keys() == {"value"} else rest, f"{path}[{element[key]}]")


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def path_of(name: str) -> Path:
    """Return where the snapshot of a set is kept."""
    return FOLDER / (f"{name}.diff" if VALUE_SETS[name].base else f"{name}.yaml")


def main() -> int:
    """Write all snapshots, and remove those of sets that are no more."""
    FOLDER.mkdir(exist_ok=True)
    rendered = {name: template4(CHART, chosen.values) for name, chosen in VALUE_SETS.items()}
    for stale in set(FOLDER.iterdir()) - {path_of(name) for name in VALUE_SETS}:
        stale.unlink()
    for name, chosen in VALUE_SETS.items():
        path_of(name).write_text(snapshot(chosen, rendered[name], rendered.get(chosen.base, [])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
