"""The plugin that holds claims against tests: what is missing, skipped or failed turns a run red."""

import re
from pathlib import Path

import pytest

from tools.claims import Claim, ClaimsError, judge, paper_claims, read_claims, stands_for

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest
def test_good(): pass
@pytest.mark.parametrize("n", [1, 2])
def test_both(n): pass
class TestGroup:
    def test_one(self): pass
"""
SKIPPED = """
import pytest
@pytest.mark.parametrize("n", [1, 2])
def test_bad(n):
    if n == 2: pytest.skip("not here")
"""
OTHERS = {
    "failed": "def test_bad(): assert False",
    "skipped": SKIPPED,
    "skipped by a mark": "import pytest\n@pytest.mark.skip\ndef test_bad(): pass",
    "expected to fail": "import pytest\n@pytest.mark.xfail\ndef test_bad(): assert False",
    "unexpectedly passed": "import pytest\n@pytest.mark.xfail\ndef test_bad(): pass",
    "failed before": "import pytest\n@pytest.fixture\ndef f(): assert False\ndef test_bad(f): pass",
    "failed after": "import pytest\n@pytest.fixture\ndef f():\n    yield\n    assert False\ndef test_bad(f): pass",
    "missing": "def test_other(): pass",
    "missing prefix": "def test_bad_indeed(): pass",
}


def claim(tests: str, status: str = "shown", more: str = "") -> str:
    return f'[[claim]]\nid = 1\ntext = "it holds"\nstatus = "{status}"\ntests = [{tests}]\n{more}\n'


def run(pytester: pytest.Pytester, claims: str, *arguments: str, **files: str) -> pytest.RunResult:
    pytester.makepyfile(test_all=TESTS, **files)
    (pytester.path / "claims.toml").write_text(claims)
    return pytester.runpytest("-p", "tools.claims", "-p", "no:asyncio", "--claims", "claims.toml", *arguments)


@pytest.mark.parametrize(
    ("tests", "count"),
    [('"test_all.py"', 4), ('"test_all.py::test_good"', 1), ('"test_all.py::test_both"', 2),
     ('"test_all.py::test_both[2]"', 1), ('"test_all.py::TestGroup::"', 1), ('"test_all.py::"', 4),
     ('"test_all.py", "test_all.py::test_good"', 4)],
)  # fmt: skip
def test_a_claim_whose_tests_passed_is_shown(pytester: pytest.Pytester, tests: str, count: int) -> None:
    result = run(pytester, claim(tests))
    assert result.ret == pytest.ExitCode.OK
    result.stdout.re_match_lines([rf" *1 +{count} +{count}  shown: it holds"])


@pytest.mark.parametrize("why", OTHERS)
def test_a_claim_whose_test_did_not_pass_turns_the_run_red(pytester: pytest.Pytester, why: str) -> None:
    result = run(pytester, claim('"test_all.py::test_good", "test_bad.py::test_bad"'), test_bad=OTHERS[why])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.re_match_lines([r" *1 +\d +\d  NOT SHOWN: it holds", r" *test_bad.py::test_bad.*: .*"])


@pytest.mark.parametrize("why", ["failed", "skipped", "missing", "failed after"])
def test_a_run_spread_over_processes_is_judged_as_one(pytester: pytest.Pytester, why: str) -> None:
    spread = ("-n", "2", "--dist", "loadfile")
    good = run(pytester, claim('"test_all.py"'), *spread, test_bad=OTHERS["missing"])
    assert good.ret == pytest.ExitCode.OK
    good.stdout.re_match_lines([r" *1 +4 +4  shown: it holds"])
    bad = run(pytester, claim('"test_all.py", "test_bad.py::test_bad"'), *spread, test_bad=OTHERS[why])
    assert bad.ret == pytest.ExitCode.TESTS_FAILED
    bad.stdout.re_match_lines([r" *1 +\d +\d  NOT SHOWN: it holds", r" *test_bad.py::test_bad.*: .*"])


@pytest.mark.parametrize("why", ["skipped", "missing", "expected to fail"])
def test_what_the_plugin_turns_red_is_green_without_it(pytester: pytest.Pytester, why: str) -> None:
    pytester.makepyfile(test_all=TESTS, test_bad=OTHERS[why])
    assert pytester.runpytest("-p", "no:asyncio").ret == pytest.ExitCode.OK


def test_a_test_that_is_deselected_did_not_pass(pytester: pytest.Pytester) -> None:
    assert run(pytester, claim('"test_all.py::test_good"'), "-k", "both").ret == pytest.ExitCode.TESTS_FAILED


def test_an_open_claim_is_listed_with_its_reason_and_fails_nothing(pytester: pytest.Pytester) -> None:
    result = run(pytester, claim('"test_all.py::test_none"', "open", 'because = "not built yet"'))
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*open: it holds", "*not built yet"])


def test_without_the_option_nothing_is_judged(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_all=TESTS)
    result = pytester.runpytest("-p", "tools.claims", "-p", "no:asyncio")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*claims (docs*")


@pytest.mark.parametrize(
    "claims",
    ["", "x", claim(""), claim('"a"', "done"), claim('"a"', "open"), claim('"a"', more='because = "x"'),
     claim('"a"', more="extra = 1"), claim('"a"') * 2, '[[claim]]\nid = 1', claim('"a"') + "[other]\n"],
)  # fmt: skip
def test_a_file_that_breaks_its_rules_is_refused_before_anything_runs(pytester: pytest.Pytester, claims: str) -> None:
    with pytest.raises(ClaimsError):
        read_claims(claims)
    assert run(pytester, claims).ret == pytest.ExitCode.USAGE_ERROR


def test_a_missing_file_is_refused(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("-p", "tools.claims", "-p", "no:asyncio", "--claims", "none.toml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


PAPERS = """
title = "T"
covers = "c"
count = 1
[[control]]
id = "X.1"
about = "a"
state = "aligned"
ours = "o"
files = ["f"]
tests = ["tests/test_good.py", "tests/test_bad.py::test_bad"]
"""
NO_THREATS = "attacker = []\nelement = []\n"


def papers(pytester: pytest.Pytester, bad: str, text: str = PAPERS) -> pytest.RunResult:
    (pytester.mkdir("security") / "controls").mkdir()
    (pytester.path / "security" / "threats.toml").write_text(NO_THREATS)
    (pytester.path / "security" / "controls" / "std.toml").write_text(text)
    folder = pytester.mkdir("tests")
    (folder / "test_good.py").write_text(TESTS)
    (folder / "test_bad.py").write_text(bad)
    return run(pytester, claim('"test_all.py"'), "--papers", "security")


def test_a_control_whose_tests_passed_is_shown(pytester: pytest.Pytester) -> None:
    result = papers(pytester, "def test_bad(): pass")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["papers: 1 threats and controls, 0 NOT SHOWN"])


def test_a_control_whose_test_is_missing_turns_the_run_red(pytester: pytest.Pytester) -> None:
    result = papers(pytester, OTHERS["missing"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["papers: 1 threats and controls, 1 NOT SHOWN", "std X.1: NOT SHOWN: *test_bad*"])


def test_papers_that_break_their_rules_are_refused_before_anything_runs(pytester: pytest.Pytester) -> None:
    assert papers(pytester, "", PAPERS.replace('files = ["f"]', "")).ret == pytest.ExitCode.USAGE_ERROR


def test_what_a_paper_holds_in_ci_alone_is_held_there_alone(tmp_path: Path) -> None:
    (tmp_path / "controls").mkdir()
    (tmp_path / "threats.toml").write_text(NO_THREATS)
    (tmp_path / "controls" / "std.toml").write_text(PAPERS.replace("tests = ", "in_ci = "))
    (one,) = paper_claims(tmp_path)
    assert not judge(one, {}).is_red
    assert judge(one, {}, in_ci=True).is_red


def test_an_entry_stands_for_whole_names_only() -> None:
    assert not stands_for("tests/a.py", "tests/a.pyx::test")
    assert not stands_for("tests/a.py::test_a", "tests/a.py::test_ab")
    (one,) = read_claims(claim('"tests/a.py::test_a"'))
    assert judge(one, {"tests/a.py::test_ab": "passed"}).is_red


def test_every_row_of_the_specification_is_a_claim_in_the_same_words() -> None:
    table = (ROOT / "docs" / "spec" / "security.md").read_text(encoding="utf-8")
    rows = {int(number): text for number, text in re.findall(r"^\| (\d+) \| (.*?) \|", table, flags=re.MULTILINE)}
    claims = read_claims((ROOT / "security" / "claims.toml").read_text(encoding="utf-8"))
    assert {one.id: one.text for one in claims} == rows
    assert [one.id for one in claims] == sorted(rows)


def test_every_test_that_a_claim_names_exists() -> None:
    for one in read_claims((ROOT / "security" / "claims.toml").read_text(encoding="utf-8")):
        for entry in one.tests:
            path, _, name = entry.partition("::")
            source = (ROOT / path).read_text(encoding="utf-8")
            assert not name or re.search(rf"def {re.escape(name.partition('[')[0])}\(", source), entry


def test_what_needs_servers_of_ci_is_held_there_alone() -> None:
    one = Claim(id=1, text="x", status="shown", tests=["tests/a.py"], in_ci=["tests/b.py"])
    outcomes = {"tests/a.py::test_a": "passed", "tests/b.py::test_b": "skipped"}
    assert not judge(one, outcomes).is_red
    assert judge(one, outcomes, in_ci=True).is_red
    assert not judge(one, {**outcomes, "tests/b.py::test_b": "passed"}, in_ci=True).is_red
