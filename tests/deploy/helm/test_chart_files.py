"""The chart's files themselves: both Helms find nothing to say, YAML is tidy, the schema needs no network."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import helm_python

from tests.deploy.helm.engines import CHART, helm3
from tests.deploy.helm.schemas import NEWEST, OLDEST
from tests.deploy.helm.value_sets import PRESETS, VALUE_SETS


def test_helm_4_lints_it_strictly() -> None:
    for version in (OLDEST, NEWEST):
        report = helm_python.lint(CHART, strict=True, kube_version=f"v{version}.0")
        assert report["total_charts_linted"] == 1
        assert report["errors"] == []
        assert [message for message in report["messages"] if message["severity"] > 1] == []


def test_helm_3_lints_it_strictly() -> None:
    done = subprocess.run([helm3(), "lint", "--strict", CHART], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_yaml_is_tidy() -> None:
    rules = "{extends: default, rules: {line-length: {max: 130}, document-start: disable, braces: {max-spaces-inside: 1}, comments: {min-spaces-from-content: 1}}}"
    files = [CHART / "Chart.yaml", CHART / "values.yaml", *(CHART / "presets").glob("*.yaml")]
    done = subprocess.run(
        [sys.executable, "-m", "yamllint", "--strict", "-d", rules, *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_schema_stands_alone_and_knows_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    places = [value for key, value in _members(schema) if key == "$ref"]
    assert places
    assert all(place.startswith("#/") for place in places)
    # An object whose members are not all listed would let a typo through.
    open_objects = [
        each
        for _, each in _members(schema)
        if isinstance(each, dict)
        and "properties" in each
        and each.get("type") == "object"
        and "additionalProperties" not in each
        and "required" not in each
    ]
    assert open_objects == []


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield key, each
            yield from _members(each)
    if isinstance(value, list):
        for each in value:
            yield from _members(each)


def test_every_preset_is_rendered_and_there_are_enough_sets() -> None:
    assert {"trial", "production", "ha", "openshift", "airgap", "cnpg"} <= set(PRESETS) <= set(VALUE_SETS)
    assert len(VALUE_SETS) >= 12
