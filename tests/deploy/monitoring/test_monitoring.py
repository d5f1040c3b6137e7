"""Alerts and dashboard speak of figures that a real server has, and each alert says what to do."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from governlayer_server.web.edge import Edge
from governlayer_server.web.links import Links
from governlayer_server.web.problems import KINDS
from governlayer_server.wiring import open_appliance
from msgspec.structs import replace
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.servers import Servers
from tests.fakes.tls import server_pair
from tests.server.conftest import settings_on

ROOT = Path(__file__).parents[3]
ALERTS = yaml.safe_load((ROOT / "deploy" / "monitoring" / "alerts.yaml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((ROOT / "deploy" / "monitoring" / "dashboard.json").read_text(encoding="utf-8"))
RUNBOOKS = ROOT / "docs" / "runbooks"
RULES: Sequence[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
TOKEN = "test-token-of-the-metrics-0123456789abcdef"
# Prometheus' own: whether it could ask, what it adds to each series, and the words of its language.
GIVEN = {"up"}
_SERIES = re.compile(r"\b(governlayer_[a-z0-9_]+|process_[a-z0-9_]+|up)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_ADDED = {"job", "instance"}
# Values that only traffic brings.
_OF_TRAFFIC = {"route", "status", "code"}


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace('job=~"$job"', 'job=~".*"')
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["definition"]


def series_of(families: dict[str, Metric]) -> dict[str, Metric]:
    """Return each name that a series of *families* can have."""
    endings = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "summary": ["_count", "_sum"]}
    return {name + ending: family for name, family in families.items() for ending in endings.get(family.type, [""])}


@pytest.fixture
async def families(migrated_database: Servers, tmp_path: Path) -> dict[str, Metric]:
    """Return what `/metrics` of an appliance with everything shows, in Prometheus' own reading."""
    migrated = settings_on(migrated_database, tmp_path)
    pair = server_pair(tmp_path / "tls")
    outside = tmp_path / "checkpoints"
    outside.mkdir()
    settings = replace(
        migrated,
        edge=Edge(metrics_token=TOKEN),
        anchors=replace(migrated.anchors, directory=outside),
        backups=replace(migrated.backups, to=tmp_path),
        redis=replace(migrated.redis, ca=pair.ca),
        ledgers=replace(migrated.ledgers, tombstones=tmp_path),
    )
    async with open_appliance(settings) as appliance:
        app = await appliance.application(settings, Links("https://test"), pair.certificate)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="https://test") as client:
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


async def test_all_that_is_asked_for_is_a_figure_of_a_real_server(families: dict[str, Metric]) -> None:
    series = series_of(families)
    asked = {name: expression for name, expression in expressions() if _SERIES.search(expression)}
    assert len(asked) >= len(RULES) + 20
    for where, expression in expressions():
        for name, matchers in _SERIES.findall(expression):
            assert name in series or name in GIVEN, (where, name)
            if name not in GIVEN:
                require_labels(where, series[name], matchers)


def require_labels(where: str, family: Metric, matchers: str) -> None:
    """The labels of a selector are the figure's, and a value that is named is there."""
    for label, operator, value in _MATCHER.findall(matchers):
        assert label != "code" or value in KINDS, (where, value)
        assert label != "route" or value == "/v1/govern", (where, value)
        if label in _ADDED or label in _OF_TRAFFIC:
            continue
        values = {sample.labels.get(label) for sample in family.samples}
        assert None not in values, (where, family.name, label)
        assert operator != "=" or value in values, (where, family.name, label, value)


def test_every_figure_that_is_documented_exists_and_the_other_way_round(families: dict[str, Metric]) -> None:
    page = (ROOT / "docs" / "reference" / "edge.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(governlayer_[a-z0-9_]+)`", page))
    shown = {name for name in series_of(families) if name.startswith("governlayer_")}
    plain = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown}
    assert documented - plain == set()
    assert plain - documented == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"GovernLayer[A-Z]\w+", rule["alert"])
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert re.fullmatch(r"[1-9][0-9]*[mh]", rule.get("for", "1m"))
    assert rule["annotations"]["summary"]
    runbook = ROOT / rule["annotations"]["runbook_url"]
    assert runbook.parent == RUNBOOKS
    assert f"`{rule['alert']}`" in runbook.read_text(encoding="utf-8"), "the runbook does not name the alert"


def test_names_are_unique() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names) >= 20


def test_every_runbook_is_in_the_index_and_begins_with_alerts_that_exist_or_with_people() -> None:
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    pages = sorted(page.name for page in RUNBOOKS.glob("*.md") if page.name != "README.md")
    assert pages == sorted(set(re.findall(r"\]\(([a-z-]+\.md)\)", index)))
    alerts = {rule["alert"] for rule in RULES}
    named = {Path(rule["annotations"]["runbook_url"]).name for rule in RULES}
    for page in pages:
        mentioned = set(re.findall(r"`(GovernLayer[A-Z]\w+)`", (RUNBOOKS / page).read_text(encoding="utf-8")))
        assert mentioned <= alerts, page
        assert page in named or f"({page}) (no alert" in index, page


def test_the_dashboard_is_one_file_for_any_prometheus() -> None:
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    sources = {
        json.dumps(one)
        for panel in panels
        for one in (panel["datasource"], *(t["datasource"] for t in panel["targets"]))
    }
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    assert "__inputs" not in DASHBOARD
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, f"{panel['title']} lies over another panel"
        assert at["x"] + at["w"] <= 24
        taken |= cells
