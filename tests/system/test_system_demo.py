"""The README's promise: the demo shows the main job and fails if anything is not as expected."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        str(ROOT / "demo" / "run.py"),
        "--data",
        str(folder),
        "--port",
        "0",
        "--once",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_demo_governs_records_verifies_and_refuses_the_tampered_copy(tmp_path: Path) -> None:
    result = run_demo(tmp_path / "demo")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "exit status 0" in result.stdout
    assert "exit status 1" in result.stdout
    recorded = re.search(r"(\d+) of (\d+) recorded decisions stand in the dump", result.stdout)
    assert recorded is not None
    assert recorded[1] == recorded[2]
    assert int(recorded[1]) >= 20
    changed = [
        position
        for position, (left, right) in enumerate(
            zip(
                (tmp_path / "demo" / "acme.gldump").read_bytes(),
                (tmp_path / "demo" / "tampered.gldump").read_bytes(),
                strict=True,
            )
        )
        if left != right
    ]
    assert len(changed) == 1, "exactly one byte differs"


def test_the_demo_removes_nothing_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep")
    result = run_demo(tmp_path)
    assert result.returncode != 0
    assert (tmp_path / "precious").read_text() == "keep"


def test_the_demos_traffic_covers_every_stage_and_outcome() -> None:
    traffic = json.loads((ROOT / "demo" / "traffic.json").read_text())
    assert len(traffic) >= 20
    assert {item["ask"]["stage"] for item in traffic} == {
        "input",
        "model_request",
        "model_response",
        "tool_call",
        "tool_result",
        "output",
    }
    assert {item["expect"] for item in traffic} == {"allow", "deny", "redact", "require_approval"}
