"""Threats and controls: what is claimed names files and tests that are there, and nobody says more than was shown."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.controls import ROOT, all_faults, main, mappings, pages, threats
from tools.papers import STRIDE, Controls, PaperError, State, Threats, read

SECURITY = ROOT / "security"
CONTROL = """
title = "T"
covers = "c"
count = 1
[[control]]
id = "X.1"
about = "a"
state = "aligned"
ours = "o"
files = ["uv.lock"]
tests = ["tests/tools/test_papers.py"]
"""
ANNEX_A = {5: 37, 6: 8, 7: 14, 8: 34}
CRITERIA = {
    "CC1": 5, "CC2": 3, "CC3": 4, "CC4": 2, "CC5": 3, "CC6": 8, "CC7": 5, "CC8": 1, "CC9": 2, "A1": 3, "C1": 2, "PI1": 5,
    "P1": 1, "P2": 1, "P3": 2, "P4": 3, "P5": 2, "P6": 7, "P7": 1, "P8": 1,
}  # fmt: skip
Edit = Callable[[Path], None]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository, of which the papers can be changed."""
    for entry in ROOT.iterdir():
        if entry.name not in {"security", "README.md"}:
            (tmp_path / entry.name).symlink_to(entry)
    shutil.copytree(SECURITY, tmp_path / "security")
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


def replaced(name: str, old: str, new: str) -> Edit:
    def edit(root: Path) -> None:
        path = root / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def test_nothing_is_wrong_with_the_papers() -> None:
    assert all_faults() == []


def test_every_control_of_the_catalogues_is_listed() -> None:
    found = {name: {one.id for one in controls.control} for name, controls in mappings(SECURITY).items()}
    assert found["iso27001"] == {f"A.{part}.{one}" for part, count in ANNEX_A.items() for one in range(1, count + 1)}
    assert found["soc2"] == {f"{part}.{one}" for part, count in CRITERIA.items() for one in range(1, count + 1)}
    articles = {name: {one.partition("(")[0] for one in ids} for name, ids in found.items()}
    assert articles["gdpr"] == {f"Art. {one}" for one in (5, 15, 17, 20, 25, 28, 30, 32, 33, 35)}
    assert len(found["asvs"]) == 253
    assert articles["eu-ai-act"] == {f"Art. {one}" for one in (12, 14, 19, 26)}


def test_every_part_and_hop_has_each_kind_of_threat_or_a_reason() -> None:
    elements = threats(SECURITY).element
    assert len(elements) > 20
    for one in elements:
        assert {threat.stride for threat in one.threat} | set(one.none) == set(STRIDE)


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (replaced("security/controls/soc2.toml", "tests/system/test_system_isolation.py", "tests/system/test_gone.py"),
         "soc2: CC6.1: there is no tests/system/test_gone.py"),
        (replaced("security/controls/gdpr.toml", "::test_an_export_is_lines", "::test_no_such_name"), "there is no tests/"),
        (replaced("security/controls/iso27001.toml", "usecases/govern.py", "usecases/gone.py"), "usecases/gone.py"),
        (replaced("security/threats.toml", "sdk/src/governlayer/_receipt.py", "sdk/gone.py"),
         "threats: agent/S: there is no sdk/gone.py"),
        (replaced("security/threats.toml", "tests/sdk/test_sdk_replays.py", "README.md"), "there is no README.md"),
        (replaced("security/controls/soc2.toml", "all of it", "we are certified"), "nobody may say 'certified'"),
        (replaced("security/threats.toml", "an agent, or text", "compliant with all"), "nobody may say 'compliant'"),
        (replaced("security/README.md", "# Security", "# Certification"), "nobody may say 'Certification'"),
        (replaced("README.md", "# GovernLayer", "# GovernLayer complies"), "nobody may say 'complies'"),
    ],
)  # fmt: skip
def test_what_is_not_there_or_may_not_be_said_is_a_fault(copy: Path, edit: Edit, fault: str) -> None:
    assert all_faults(copy) == []
    edit(copy)
    for path, text in pages(copy).items():
        path.write_text(text, encoding="utf-8")
    assert any(fault in one for one in all_faults(copy)), all_faults(copy)


def test_a_page_that_was_changed_by_hand_is_a_fault(copy: Path) -> None:
    replaced("security/controls/soc2.md", "**yours**", "**aligned**")(copy)
    assert all_faults(copy) == ["security/controls/soc2.md is not what `./run docs` writes"]


def test_the_command_says_what_is_wrong(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["controls", "--check"])
    assert main() == 0
    (copy / "security" / "controls" / "gdpr.md").unlink()
    monkeypatch.setattr("tools.controls.all_faults", lambda: all_faults(copy))
    assert main() == 1
    assert "gdpr.md is not what" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        ('tests = ["tests/tools/test_papers.py"]', ""),
        ('files = ["uv.lock"]', ""),
        ('ours = "o"', ""),
        ('ours = "o"', 'ours = "o"\nopen = "a rest"'),
        ('state = "aligned"', 'state = "certified"'),
        ('state = "aligned"', 'state = "partly"'),
        ('state = "aligned"', 'state = "yours"\nyours = "y"'),
        ('state = "aligned"', 'state = "not met"\nopen = "o"'),
        (
            'state = "aligned"\nours = "o"\nfiles = ["uv.lock"]\ntests = ["tests/tools/test_papers.py"]',
            'state = "not applicable"',
        ),
        ("count = 1", "count = 2"),
        ("count = 1", "count = 1\nmore = 1"),
        ('about = "a"', ""),
        ('id = "X.1"', 'id = "X.1"\nid = "X.1"'),
    ],
)
def test_a_control_that_says_more_than_it_shows_is_no_control(change: tuple[str, str]) -> None:
    assert read(CONTROL, Controls).control[0].state is State.ALIGNED
    with pytest.raises(PaperError):
        read(CONTROL.replace(*change), Controls)


def test_two_rows_of_one_control_are_refused() -> None:
    twice = CONTROL.replace("count = 1", "count = 2") + CONTROL[CONTROL.index("[[control]]") :]
    with pytest.raises(PaperError, match="1 controls of 2 rows"):
        read(twice, Controls)


THREAT = '[[element.threat]]\nstride = "S"\nthreat = "t"\n'


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (THREAT, "says what is open"),
        (THREAT + 'stopped = "s"\nfiles = ["uv.lock"]', "names files and tests"),
        (THREAT + 'stopped = "s"\ntests = ["tests/a.py"]', "names files and tests"),
        (THREAT + 'open = "o"\nfiles = ["uv.lock"]\ntests = ["tests/a.py"]', "names files and tests"),
        (THREAT.replace('"S"', '"X"') + 'open = "o"', "stride"),
        (THREAT + 'open = "o"\n[element.none]\nT = "n"\nR = "n"\nI = "n"\nD = "n"', "each of"),
        (THREAT + 'open = "o"\n[element.none]\nS = "n"\nT = "n"\nR = "n"\nI = "n"\nD = "n"\nE = "n"', "each of"),
    ],
)
def test_a_threat_that_is_stopped_by_nothing_is_not_stopped(rows: str, fault: str) -> None:
    attacker = '[[attacker]]\nwho = "w"\nwants = "x"\nstopped = "s"\n'
    element = '[[element]]\nid = "e"\nname = "E"\nwhat = "w"\n'
    with pytest.raises(PaperError, match=fault):
        read(attacker + element + rows, Threats)
