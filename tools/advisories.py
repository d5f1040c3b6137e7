"""Known vulnerabilities of what wheels bundle (security/advisories.toml), and those that are accepted for a time."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from packaging.version import Version

from tools.bundled import LIST, Environment, read_list, tell_version

SECURITY = Path(__file__).parents[1] / "security"
ADVISORIES = SECURITY / "advisories.toml"
ACCEPTED = SECURITY / "accepted-vulnerabilities.toml"


@dataclass(frozen=True)
class Finding:
    """A vulnerability of what is installed."""

    component: str
    version: str
    id: str
    aliases: tuple[str, ...] = ()
    fixed_in: str = ""

    def __str__(self) -> str:
        more = f" and {len(self.aliases) - 3} more" if len(self.aliases) > 3 else ""
        also = f" ({', '.join(self.aliases[:3])}{more})" if self.aliases else ""
        return f"{self.component} {self.version}: {self.id}{also}, fixed in {self.fixed_in or 'no version known to us'}"


@dataclass(frozen=True)
class Accepted:
    """A vulnerability that is lived with until a day, that included, and why."""

    id: str
    component: str
    reason: str
    until: date

    def __post_init__(self) -> None:
        """Refuse a row that gives no reason or no day."""
        if not self.reason.strip() or type(self.until) is not date:
            raise ValueError(f"{self.id}: what is accepted has a reason, and a day until which it is")

    def stands_for(self, finding: Finding) -> bool:
        """Return whether *finding* is what is accepted here."""
        return self.component == finding.component and self.id in {finding.id, *finding.aliases}


@dataclass(frozen=True)
class Advisory:
    """One row of ours: versions of a series below `fixed_in`, or all where no fixed one is known, are vulnerable."""

    id: str
    component: str
    series: str
    cves: Sequence[str]
    source: str
    fixed_in: str | None = None

    def concerns(self, version: str) -> bool:
        """Return whether *version* is vulnerable."""
        if not f"{version}.".startswith(f"{self.series}."):
            return False
        return self.fixed_in is None or Version(version) < Version(self.fixed_in)


@dataclass(frozen=True)
class AdvisoryList:
    """What we know, and the day on which somebody last went through it."""

    reviewed: date
    advisories: Sequence[Advisory]


def read_advisories(text: str) -> AdvisoryList:
    """Return the advisories in *text*, a TOML document."""
    document = tomllib.loads(text)
    return AdvisoryList(document["reviewed"], [Advisory(**row) for row in document["advisory"]])


def read_accepted(text: str) -> list[Accepted]:
    """
    Return the rows in *text*, a TOML document.

    Raises:
        TypeError, ValueError: a row lacks a member or has others. Nothing is accepted then.
    """
    document: Mapping = tomllib.loads(text)
    return [Accepted(**row) for row in document.get("accepted", [])]


def bundled_findings(known: AdvisoryList, environment: Environment) -> list[Finding]:
    """Return the advisories that concern what the wheels in *environment* bundle, by what the binaries say they are."""
    wheels = environment.distributions()
    rows = [row for row in read_list(LIST.read_text(encoding="utf-8")).bundled if row.wheel in wheels]
    watched = {advisory.component for advisory in known.advisories}
    versions = {
        (row.name, tell_version(row, environment, wheels[row.wheel].version)) for row in rows if row.name in watched
    }
    return [
        Finding(name, version, advisory.id, tuple(advisory.cves), advisory.fixed_in or "")
        for name, version in sorted(versions)
        for advisory in known.advisories
        if advisory.component == name and advisory.concerns(version)
    ]
