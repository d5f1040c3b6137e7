"""
Audit of what is installed for known vulnerabilities, which says what it could not audit.

    python -m tools.audit [--release] [--osv-url URL] [-o FILE]

pip-audit asks the package index and OSV about each package of uv.lock, those that build wheels included. Behind some
indexes it skips all packages and succeeds all the same, so each source is first asked about pins that are known to be
vulnerable: if it does not report them, it tells nothing. What wheels bundle has no such service;
security/advisories.toml is kept by hand for it.

    PASS         everything was audited, and what was found is accepted (security/accepted-vulnerabilities.toml)
    FAIL         something was found that is not accepted, or no longer
    UNAVAILABLE  something was not audited: said with figures; fails only with --release or RELEASE=1
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from tools.advisories import ACCEPTED, ADVISORIES, Accepted, Finding, bundled_findings, read_accepted, read_advisories
from tools.bundled import Environment
from tools.locked import LOCK, read_builders, read_lock

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "dist" / "dependency-audit.json"
# Never to be installed. Their vulnerabilities have been in every database for years.
CONTROL = {"jinja2": "2.10", "pyyaml": "5.3"}
ADVISORIES_ARE_FRESH_DAYS = 90
FAILED, UNAVAILABLE = 1, 75


@dataclass(frozen=True)
class Source:
    """A service that pip-audit asks."""

    name: str
    arguments: Sequence[str]


SOURCES = (Source("package index", ("-s", "pypi")), Source("OSV", ("-s", "osv")))


@dataclass(frozen=True)
class Reply:
    """What a source said: the packages it knows about, what it found, and why it does not tell about others."""

    audited: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()
    reason: str = ""


@dataclass
class Report:
    """The outcome; `why` has a line for each source that did not answer for everything."""

    locked: int
    audited: int = 0
    why: list[str] = field(default_factory=list)
    open: list[Finding] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    advisories_reviewed: date | None = None

    @property
    def state(self) -> str:
        """Return PASS, FAIL or UNAVAILABLE; a finding is one, whatever else could not be asked."""
        if self.open:
            return "FAIL"
        return "UNAVAILABLE" if self.audited < self.locked or self.stale else "PASS"

    def exit_status(self, *, release: bool) -> int:
        """Return the status of the process; a release needs an answer about everything."""
        return {"PASS": 0, "FAIL": FAILED, "UNAVAILABLE": UNAVAILABLE if release else 0}[self.state]

    def lines(self) -> list[str]:
        """Return the report for people."""
        left = self.locked - self.audited
        loud = f": NOT AUDITED {left} of {self.locked} locked packages" if left else f": {self.locked} packages audited"
        return [
            f"dependencies: {self.state}{loud}",
            *(f"  {line}" for line in [*self.why, *self.stale]),
            *(f"  accepted until {row.until}: {row.id} ({row.component})" for row in self.accepted),
            *(f"  FOUND: {row}" for row in self.open),
        ]


def audit(pins: Mapping[str, str], sources: Iterable[Source] = SOURCES) -> tuple[Report, list[Finding]]:
    """
    Ask *sources* in turn about what no earlier one answered for; return the report so far, and what was found.

    Args:
        pins: versions by name.
        sources: a source that does not report the known-vulnerable pins is not asked about others.
    """
    report, findings = Report(locked=len(pins)), list[Finding]()
    left = dict(pins)
    for source in sources:
        if not left:
            break
        reply = ask_controlled(source, left)
        findings += reply.findings
        left = {name: version for name, version in left.items() if name not in reply.audited}
        if reply.reason:
            report.why.append(f"{source.name}: {reply.reason}")
    report.audited = len(pins) - len(left)
    return report, findings


def ask_controlled(source: Source, pins: Mapping[str, str]) -> Reply:
    """Return what *source* says about *pins*, or nothing if it does not know that the pins of the control are bad."""
    control = ask(source, CONTROL)
    missed = CONTROL.keys() - {finding.component for finding in control.findings}
    if missed:
        reason = control.reason or "it answers, and reports nothing"
        return Reply(reason=f"does not report known-vulnerable {', '.join(sorted(missed))}: {reason}")
    return ask(source, pins)


def ask(source: Source, pins: Mapping[str, str]) -> Reply:
    """Run pip-audit on *pins* alone, without its cache and its settings, and return what *source* said."""
    # A variable could name another service than the one that was meant.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_AUDIT_")}
    with tempfile.TemporaryDirectory(prefix="governlayer-audit-") as scratch:
        listed, result = Path(scratch) / "pins.txt", Path(scratch) / "result.json"
        listed.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()), encoding="utf-8")
        options = [
            "--no-deps",
            "--disable-pip",
            "--progress-spinner",
            "off",
            "--format",
            "json",
            "--cache-dir",
            scratch,
        ]
        command = [sys.executable, "-m", "pip_audit", "-r", listed, *options, "-o", result, *source.arguments]
        run = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if not result.exists():
            return Reply(reason=(run.stderr.strip().splitlines() or ["pip-audit gave no result"])[-1])
        return _read(json.loads(result.read_text(encoding="utf-8")), pins)


def _read(document: Mapping, pins: Mapping[str, str]) -> Reply:
    rows = document["dependencies"]
    told = [row for row in rows if "skip_reason" not in row and pins.get(row["name"]) == row["version"]]
    skipped = [row["skip_reason"] for row in rows if "skip_reason" in row]
    reason = f"skipped {len(skipped)} of {len(pins)} ({skipped[0]})" if skipped else ""
    findings = [
        Finding(row["name"], row["version"], each["id"], tuple(each["aliases"]), ", ".join(each["fix_versions"]))
        for row in told
        for each in row["vulns"]
    ]
    return Reply(frozenset(row["name"] for row in told), tuple(findings), reason)


def judge(report: Report, findings: Iterable[Finding], accepted: Iterable[Accepted], today: date) -> None:
    """Sort *findings* in *report* into those that are accepted on the day *today* (UTC), and open ones."""
    rows = list(accepted)
    for finding in findings:
        row = next((row for row in rows if row.stands_for(finding)), None)
        if row is None or row.until < today:
            report.open.append(finding)
        elif row not in report.accepted:
            report.accepted.append(row)


def run(environment: Environment, sources: Iterable[Source], today: date) -> Report:
    """
    Audit the packages of uv.lock, and what the wheels in *environment* bundle, as of the day *today* (UTC).

    Raises:
        LockError: uv.lock does not say which packages there are.
    """
    text = LOCK.read_text(encoding="utf-8")
    locked = {item.name: item.version for item in read_lock(text).values() if not item.is_ours}
    advisories = read_advisories(ADVISORIES.read_text(encoding="utf-8"))
    report, findings = audit({**read_builders(text), **locked}, sources)
    findings += bundled_findings(advisories, environment)
    report.advisories_reviewed = advisories.reviewed
    age = (today - advisories.reviewed).days
    if age > ADVISORIES_ARE_FRESH_DAYS:
        report.stale.append(f"security/advisories.toml was last gone through {age} days ago")
    judge(report, findings, read_accepted(ACCEPTED.read_text(encoding="utf-8")), today)
    return report


def main() -> int:
    """Audit, print the report, write it as JSON, and return the status that stands for it."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description="Audit dependencies.")
    parser.add_argument("--release", action="store_true", default=os.environ.get("RELEASE") == "1")
    parser.add_argument("--osv-url", metavar="URL", help="ask this service alone, which speaks OSV's query API")
    parser.add_argument("-o", "--output", type=Path, default=TARGET, help="the result as JSON (default: %(default)s)")
    options = parser.parse_args()
    url = options.osv_url
    sources = [Source(url, ("-s", "osv", "--osv-url", url))] if url else SOURCES
    report = run(Environment(Path(sys.prefix)), sources, datetime.now(UTC).date())
    print("\n".join(report.lines()), flush=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    result = {"state": report.state, "release": options.release, **asdict(report)}
    options.output.write_text(json.dumps(result, indent=1, default=str) + "\n", encoding="utf-8")
    return report.exit_status(release=options.release)


if __name__ == "__main__":
    sys.exit(main())
