"""
Claims → tests: a full run is red while a claim that is said to be shown is not (docs/spec/security.md §1).

    pytest -p tools.claims --claims security/claims.toml tests

A pytest plugin. The file has one ``[[claim]]`` per row of the specification:

    [[claim]]
    id = 3
    text = "the seven headers, byte for byte, exactly once, on every response"
    status = "shown"            # or "open", then with: because = "what is missing"
    tests = [
        "tests/system/test_system_wire.py",                       # all tests of a file
        "tests/system/test_system_wire.py::TestHeaders::",        # all below
        "tests/system/test_system_wire.py::test_of_every_status", # one, with all its parameters
    ]

What needs servers that only CI makes sure of stands under ``in_ci`` instead, and is held where CI=true alone.

Beside them the papers of security/ are judged in the same way (``--papers security``; ``tools/papers.py``): each threat
that is stopped and each control that is claimed. Of these only what is not shown is printed.

A claim is shown if each of its entries stands for at least one collected test, and all those tests passed; a skipped
test, an expected failure and a test that was not run did not pass. Claims that are open are listed, with why.
"""

import os
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tools.controls import all_papers
from tools.papers import PaperError, rows

_MEMBERS = {"id", "text", "status", "tests", "in_ci", "because"}
_SHOWN, _OPEN = "shown", "open"


class ClaimsError(ValueError):
    """The file of claims breaks its rules."""


@dataclass(frozen=True)
class Claim:
    """One row: what is claimed, and the tests that show it, or why they do not yet."""

    id: int | str
    text: str
    status: str
    tests: Sequence[str]
    in_ci: Sequence[str] = ()
    because: str | None = None

    def __post_init__(self) -> None:
        """Refuse a claim that would say less than it seems to."""
        if self.status not in {_SHOWN, _OPEN}:
            raise ClaimsError(f"claim {self.id}: the status is `shown` or `open`")
        if self.status == _SHOWN and not (self.tests or self.in_ci):
            raise ClaimsError(f"claim {self.id}: what is shown names tests")
        if (self.status == _OPEN) != bool(self.because):
            raise ClaimsError(f"claim {self.id}: what is open, and nothing else, says `because`")


def read_claims(text: str) -> list[Claim]:
    """
    Return the claims in *text*, a TOML document.

    Raises:
        ClaimsError: a member is missing or unknown, an id stands twice, or a claim breaks a rule.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ClaimsError(f"not TOML: {error}") from None
    claims = []
    for row in document.get("claim", []):
        if unknown := row.keys() - _MEMBERS:
            raise ClaimsError(f"claim {row.get('id')}: unknown members {sorted(unknown)}")
        try:
            claims.append(Claim(**row))
        except TypeError:
            raise ClaimsError(f"claim {row.get('id')}: needs id, text, status and tests") from None
    ids = [claim.id for claim in claims]
    if not ids or len(set(ids)) != len(ids) or document.keys() != {"claim"}:
        raise ClaimsError("there is nothing but [[claim]], at least one, and each id once")
    return claims


def paper_claims(security: Path) -> list[Claim]:
    """Return what the papers below *security* claim; PaperError where one of them breaks its rules."""
    return [
        Claim(id=f"{paper} {name}", text="", status=_SHOWN, tests=row.tests, in_ci=row.in_ci)
        for paper, one in all_papers(security).items()
        for name, row in rows(one)
        if row.all_tests
    ]


def stands_for(entry: str, node_id: str) -> bool:
    """
    Return whether *entry* of a claim stands for the test *node_id*.

    >>> stands_for("tests/a.py", "tests/a.py::test_x[1]"), stands_for("tests/a.py::test_x", "tests/a.py::test_x[1]")
    (True, True)
    >>> stands_for("tests/a.py::Test::", "tests/a.py::Test::test_x"), stands_for("tests/a.py::te", "tests/a.py::test_x")
    (True, False)
    """
    if entry.endswith("::"):
        return node_id.startswith(entry)
    return node_id == entry or node_id.startswith((entry + "::", entry + "["))


@dataclass
class Verdict:
    """What became of the tests of one claim."""

    claim: Claim
    tests: list[str] = field(default_factory=list)
    passed: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def is_red(self) -> bool:
        """Whether the run must fail."""
        return bool(self.faults) and self.claim.status == _SHOWN


def judge(claim: Claim, outcomes: Mapping[str, str], *, in_ci: bool = False) -> Verdict:
    """Return what became of *claim*; *outcomes* has each collected test, ``passed`` or another word."""
    verdict = Verdict(claim)
    for entry in (*claim.tests, *(claim.in_ci if in_ci else ())):
        found = [node_id for node_id in outcomes if stands_for(entry, node_id)]
        if not found:
            verdict.faults.append(f"{entry}: no such test was collected")
        verdict.tests += [node_id for node_id in found if node_id not in verdict.tests]
    for node_id in verdict.tests:
        if outcomes[node_id] == "passed":
            verdict.passed += 1
        else:
            verdict.faults.append(f"{node_id}: {outcomes[node_id]}")
    return verdict


class ClaimsPlugin:
    """Notes what becomes of each test, judges the claims at the end, and prints them as a table."""

    def __init__(self, claims: Sequence[Claim], papers: Sequence[Claim] = (), *, in_ci: bool) -> None:
        self._claims = claims
        self._papers = papers
        self._in_ci = in_ci
        self._outcomes: dict[str, str] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what was collected."""
        self._outcomes = dict.fromkeys((item.nodeid for item in session.items), "not run")

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Note what was collected, in the process that hands out the tests (pytest-xdist)."""
        self._outcomes = dict.fromkeys(ids, "not run") | self._outcomes

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what became of a test: it passed if its call passed and nothing around it failed."""
        expected_to_fail = hasattr(report, "wasxfail")
        if report.outcome != "passed" or expected_to_fail:
            self._outcomes[report.nodeid] = "expected to fail" if expected_to_fail else report.outcome
        elif report.when == "call":
            self._outcomes[report.nodeid] = "passed"

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn a run that would be green red if a claim is not shown."""
        if session.exitstatus == pytest.ExitCode.OK and any(
            verdict.is_red for verdict in self._verdicts([*self._claims, *self._papers])
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print a line for each claim, and below it why it is not shown."""
        terminalreporter.section("claims (docs/spec/security.md §1)")
        terminalreporter.line("claim  tests  passed  status")
        for verdict in self._verdicts(self._claims):
            claim = verdict.claim
            word = "NOT SHOWN" if verdict.is_red else claim.status
            terminalreporter.line(f"{claim.id:>5}  {len(verdict.tests):>5}  {verdict.passed:>6}  {word}: {claim.text}")
            if claim.in_ci and not self._in_ci:
                terminalreporter.line(f"{'':>21}  held in CI only: {', '.join(claim.in_ci)}")
            for reason in verdict.faults if claim.status == _SHOWN else [str(claim.because), *verdict.faults]:
                terminalreporter.line(f"{'':>21}  {reason}")
        red = [verdict for verdict in self._verdicts(self._papers) if verdict.is_red]
        terminalreporter.line(f"papers: {len(self._papers)} threats and controls, {len(red)} NOT SHOWN")
        for verdict in red:
            terminalreporter.line(f"{verdict.claim.id}: NOT SHOWN: {'; '.join(verdict.faults)}")

    def _verdicts(self, claims: Sequence[Claim]) -> list[Verdict]:
        """Judge *claims*, each by the outcomes of the files that it names: there are thousands of others."""
        by_file: dict[str, dict[str, str]] = defaultdict(dict)
        for node_id, outcome in self._outcomes.items():
            by_file[node_id.partition("::")[0]][node_id] = outcome
        return [judge(claim, _of_files(claim, by_file), in_ci=self._in_ci) for claim in claims]


def _of_files(claim: Claim, by_file: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    paths = {entry.partition("::")[0] for entry in (*claim.tests, *claim.in_ci)}
    return {node_id: outcome for path in paths for node_id, outcome in by_file.get(path, {}).items()}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--claims FILE`` and ``--papers DIRECTORY``."""
    parser.addoption("--claims", metavar="FILE", type=Path, help="fail unless the tests of all shown claims passed")
    parser.addoption("--papers", metavar="DIRECTORY", type=Path, help="with --claims: and those of the papers in it")


def pytest_configure(config: pytest.Config) -> None:
    """Judge claims if there is a file of them."""
    path, folder = config.getoption("claims"), config.getoption("papers")
    if path is None or hasattr(config, "workerinput"):  # a worker of pytest-xdist sees a part of the run only
        return
    try:
        claims = read_claims(path.read_text(encoding="utf-8"))
        papers = paper_claims(folder) if folder else []
    except (ClaimsError, PaperError, OSError) as error:
        raise pytest.UsageError(f"--claims {path}, --papers {folder}: {error}") from None
    config.pluginmanager.register(ClaimsPlugin(claims, papers, in_ci=os.environ.get("CI") == "true"), "claims-judge")
