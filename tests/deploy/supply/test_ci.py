"""The jobs that must be in CI are, here and on a forge; one that finds something turns it red."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import noxfile

ROOT = Path(__file__).parents[3]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
BAD = "import subprocess\n\n\ndef run(text):\n    subprocess.call(text, shell=True)\n"


def test_a_planted_bandit_finding_turns_it_red(tmp_path: Path) -> None:
    """The session itself, in a copy of the repository with one file in it that wants to be skipped; without it CI runs it anyway."""
    shutil.copy(ROOT / "noxfile.py", tmp_path)
    (tmp_path / "security").mkdir()
    for settings in ("bandit.toml", "bandit.ini"):
        shutil.copy(ROOT / "security" / settings, tmp_path / "security")
    for folder in ("server", "sdk", "verifier"):
        (tmp_path / folder / "src").mkdir(parents=True)
    (tmp_path / "server" / "src" / "planted.py").write_text(BAD)
    (tmp_path / "server" / "src" / ".bandit").write_text("[bandit]\nskips = B602\n")  # not heeded
    result = subprocess.run(
        [sys.executable, "-m", "nox", "-s", "audit"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "B602:subprocess_popen_with_shell_equals_true" in result.stdout
    assert "Session audit failed" in result.stderr


def test_a_file_of_settings_beside_pyproject_is_not_heeded(tmp_path: Path) -> None:
    """A session of tests itself, in a copy with a test that fails, and settings under which none is run."""
    for name in ("noxfile.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "tests" / "crosscheck").mkdir(parents=True)
    (tmp_path / "tests" / "crosscheck" / "test_planted.py").write_text("def test_it(): assert 1 == 2\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
    result = subprocess.run(
        [sys.executable, "-m", "nox", "-s", "crosscheck"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "1 failed" in result.stdout


@pytest.mark.parametrize(
    ("session", "settings"),
    [
        ("lint", "--config pyproject.toml"),
        ("types", "--config-file pyproject.toml"),
        ("imports", "--config pyproject.toml"),
        ("audit", "--ini security/bandit.ini -c security/bandit.toml"),
        ("tests", "-c pyproject.toml"),
        ("browser", "-c pyproject.toml"),
    ],
)
def test_a_tool_is_told_its_settings(session: str, settings: str) -> None:
    ran: list[str] = []
    note = SimpleNamespace(posargs=[], run=lambda *words, **_: ran.append(f"{' '.join(words)} "))
    getattr(noxfile, session)(note)
    assert ran
    assert all(f" {settings} " in command for command in ran)


def test_ci_runs_all_jobs() -> None:
    assert "exec ./run test" in (ROOT / ".ci" / "run").read_text()
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    session = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "test")
    jobs = {node.value for node in ast.walk(session) if isinstance(node, ast.Constant)}
    assert {"lint", "types", "audit", "installs", "dependencies", "sbom", "tests"} <= jobs


def test_the_workflow_may_read_and_uses_nothing_of_others() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert all("uses" not in step for step in steps)
    assert all("${{" not in step["run"] for step in steps)  # nothing that others write becomes a command
    assert any(".ci/run" in step["run"] for step in workflow["jobs"]["test"]["steps"])


def test_a_tag_is_checked_as_a_release() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    triggers = workflow[True]  # YAML 1.1 reads `on` as true
    job = workflow["jobs"]["release-check"]
    assert triggers["push"]["tags"] == ["v*"]
    assert (job["if"], job["needs"]) == ("startsWith(github.ref, 'refs/tags/')", "test")
    assert "./run release-check" in [step["run"] for step in job["steps"]]
