"""The audit of dependencies turns red, and says what it could not audit."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pytest

from tests.deploy.supply.conftest import AuditService
from tools import audit
from tools.advisories import (
    ACCEPTED,
    ADVISORIES,
    Accepted,
    Advisory,
    Finding,
    bundled_findings,
    read_accepted,
    read_advisories,
)
from tools.audit import CONTROL, Reply, Report, Source, judge
from tools.bundled import Environment
from tools.locked import LOCK, LockError, read_builders, read_lock

TODAY = date(2026, 11, 26)
HERE = Environment(Path(sys.prefix))
BUILDERS = read_builders(LOCK.read_text())
LOCKED = len(BUILDERS.keys() | {item.name for item in read_lock(LOCK.read_text()).values() if not item.is_ours})
Run = Callable[..., tuple[int, dict]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The session's program with arguments; the status it ends with, and its result."""

    def main(*arguments: str) -> tuple[int, dict]:
        result = tmp_path / "result.json"
        monkeypatch.setattr(sys, "argv", ["audit", "-o", str(result), *arguments])
        return audit.main(), json.loads(result.read_text())

    monkeypatch.delenv("RELEASE", raising=False)
    return main


def test_a_vulnerable_pin_turns_it_red(
    run: Run, service: AuditService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    locked = read_lock(LOCK.read_text())["pyyaml"].version
    planted = tmp_path / "uv.lock"
    entry = 'name = "pyyaml"\nversion = "{}"'.format
    planted.write_text(LOCK.read_text().replace(entry(locked), entry("5.3")))
    monkeypatch.setattr(audit, "LOCK", planted)
    status, result = run("--osv-url", service.url)
    assert (status, result["state"], result["audited"]) == (1, "FAIL", LOCKED)
    assert [(row["component"], row["version"], row["id"]) for row in result["open"]] == [
        ("pyyaml", "5.3", "PYSEC-2020-96")
    ]
    assert "FOUND: pyyaml 5.3: PYSEC-2020-96" in capsys.readouterr().out


def test_it_is_green_when_all_was_audited(
    run: Run, service: AuditService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = tmp_path / "uv.lock"
    few.write_text("[[package]]".join(LOCK.read_text().split("[[package]]")[:6]))
    pins = {(item.name, item.version) for item in read_lock(few.read_text()).values()} | {*BUILDERS.items()}
    assert {"hatchling", "setuptools"} <= {name for name, _ in pins}
    monkeypatch.setattr(audit, "LOCK", few)
    monkeypatch.setenv("RELEASE", "1")
    status, result = run("--osv-url", service.url)
    assert (status, result["state"], result["audited"], result["open"], result["why"]) == (0, "PASS", len(pins), [], [])
    assert set(service.asked) == pins | set(CONTROL.items())


@pytest.mark.parametrize(
    ("specifier", "why"),
    [
        (">=1.7", "builds wheels in no single version"), ("==1.*", "builds wheels in no single version"),
        ("==1.0", r"builds wheels in version 1\.0, and is locked in \d"),
    ],
)  # fmt: skip
def test_what_builds_wheels_has_one_version_which_is_the_locked_one(specifier: str, why: str) -> None:
    planted = re.sub(r'(name = "pluggy", specifier = )"[^"]+"', rf'\1"{specifier}"', LOCK.read_text())
    with pytest.raises(LockError, match=f"^pluggy: {why}"):
        read_builders(planted)


def test_a_service_that_knows_nothing_is_no_green_light(
    run: Run, service: AuditService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.known = {}
    status, result = run("--osv-url", service.url, "--release")
    assert (status, result["state"], result["audited"], result["locked"]) == (75, "UNAVAILABLE", 0, LOCKED)
    assert set(service.asked) == set(CONTROL.items())  # nothing else is worth asking
    assert f"UNAVAILABLE: NOT AUDITED {LOCKED} of {LOCKED} locked packages" in capsys.readouterr().out


def test_a_service_that_cannot_be_reached_is_said_and_red_for_a_release(run: Run, service: AuditService) -> None:
    url = service.url
    service.__exit__()
    status, result = run("--osv-url", url)
    assert (status, result["state"]) == (0, "UNAVAILABLE")
    assert "does not report known-vulnerable jinja2, pyyaml" in result["why"][0]
    unavailable = Report(locked=1, why=result["why"])
    assert unavailable.exit_status(release=True) == 75


def test_settings_of_pip_audit_in_the_environment_are_not_handed_on(
    service: AuditService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_AUDIT_LOGLEVEL", "one that ends it")
    reply = audit.ask(Source("other", ("-s", "osv", "--osv-url", service.url)), CONTROL)
    assert {finding.component for finding in reply.findings} == set(CONTROL)


def test_what_one_source_leaves_out_the_next_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        "first": Reply(frozenset({"idna"}), (), "skipped 1 of 2 (not found)"),
        "second": Reply(frozenset({"six"}), (Finding("six", "1.17.0", "PYSEC-1"),)),
    }
    reported = Reply(findings=tuple(Finding(name, version, "PYSEC-0") for name, version in CONTROL.items()))
    asked: list[tuple[str, list[str]]] = []

    def ask(source: Source, pins: Mapping[str, str]) -> Reply:
        asked.append((source.name, sorted(pins)))
        if source.name == "silent":
            return Reply()
        return reported if pins == CONTROL else known[source.name]

    monkeypatch.setattr(audit, "ask", ask)
    sources = [Source(name, ()) for name in ("silent", "first", "second", "third")]
    report, findings = audit.audit({"idna": "3.20", "six": "1.17.0"}, sources)
    assert (report.audited, [finding.id for finding in findings]) == (2, ["PYSEC-1"])
    control = sorted(CONTROL)
    assert asked == [
        ("silent", control), ("first", control), ("first", ["idna", "six"]), ("second", control), ("second", ["six"])
    ]  # fmt: skip
    assert [line.partition(":")[0] for line in report.why] == ["silent", "first"]


def test_packages_that_are_skipped_are_counted() -> None:
    told = {"name": "idna", "version": "3.20", "vulns": []}
    document = {"dependencies": [told, {"name": "six", "skip_reason": "not found"}, {**told, "name": "click"}]}
    reply = audit._read(document, {"idna": "3.20", "six": "1.17.0", "click": "8.0"})
    assert reply.audited == {"idna"}  # another version than ours is no answer about ours
    assert reply.reason == "skipped 1 of 3 (not found)"


def test_a_finding_is_red_whatever_was_not_audited() -> None:
    report = Report(locked=2, audited=1)
    judge(report, [Finding("six", "1.17.0", "PYSEC-1")], [], TODAY)
    assert (report.state, report.exit_status(release=False)) == ("FAIL", 1)


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (("PYSEC-1", "six", "harmless", TODAY), "PASS"),
        (("CVE-1", "six", "harmless", TODAY), "PASS"),
        (("PYSEC-1", "six", "harmless", date(2026, 11, 25)), "FAIL"),
        (("PYSEC-1", "idna", "harmless", TODAY), "FAIL"),
        (("PYSEC-2", "six", "harmless", TODAY), "FAIL"),
    ],
)
def test_what_is_accepted_is_so_for_one_component_until_a_day(row: tuple[str, str, str, date], state: str) -> None:
    report = Report(locked=1, audited=1)
    judge(report, [Finding("six", "1.17.0", "PYSEC-1", ("CVE-1",))], [Accepted(*row)], TODAY)
    assert report.state == state


@pytest.mark.parametrize(
    "row",
    [
        'reason = " "\nuntil = 2027-01-01',
        'reason = "x"\nuntil = "2027-01-01"',
        'reason = "x"\nuntil = 2027-01-01T00:00:00Z',
        "until = 2027-01-01",
        'reason = "x"',
        'reason = "x"\nuntil = 2027-01-01\nforever = true',
    ],
)
def test_what_is_accepted_has_a_reason_and_a_day(row: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        read_accepted(f'[[accepted]]\nid = "x"\ncomponent = "six"\n{row}\n')


def test_bundled_programs_are_held_against_our_own_list() -> None:
    known = read_advisories(ADVISORIES.read_text())
    found = bundled_findings(known, HERE)
    assert {(finding.component, finding.version) for finding in found} == {
        ("postgresql", "16.14"), ("postgresql", "18.4"), ("redis", "6.2.14")
    }  # fmt: skip
    rows = read_accepted(ACCEPTED.read_text())
    assert all(any(row.stands_for(finding) for finding in found) for row in rows), "a row that accepts nothing"
    for row in rows:
        report = Report(locked=0)
        judge(report, found, [other for other in rows if other is not row], TODAY)
        assert [finding.id for finding in report.open] == [row.id]


@pytest.mark.parametrize(
    ("version", "concerned"),
    [("6.2.14", True), ("6.2.20", False), ("6.2.9", True), ("6.20.1", False), ("7.0.15", False), ("6.2", True)],
)
def test_an_advisory_concerns_older_versions_of_its_series(version: str, concerned: bool) -> None:
    advisory = Advisory("x", "redis", "6.2", [], "", fixed_in="6.2.20")
    assert advisory.concerns(version) is concerned


def test_a_list_that_nobody_went_through_for_long_is_no_answer() -> None:
    reviewed = read_advisories(ADVISORIES.read_text()).reviewed
    late = date.fromordinal(reviewed.toordinal() + audit.ADVISORIES_ARE_FRESH_DAYS + 1)
    report = audit.run(HERE, [], late)
    assert "  security/advisories.toml was last gone through 91 days ago" in report.lines()
    report.audited = report.locked
    report.open.clear()
    assert report.state == "UNAVAILABLE"
