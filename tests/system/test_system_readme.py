"""Every block of the README that can run against an appliance does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.system.appliance import Appliance, Tenant

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def shell_blocks() -> list[str]:
    return [block.group(0) for block in re.finditer(r"(?:^    .*\n)+", README, flags=re.MULTILINE)]


def block_with(text: str) -> str:
    found = [block for block in shell_blocks() if text in block]
    assert len(found) == 1, f"one block of the README has {text!r}"
    return found[0]


def environment(shared: Appliance, acme: Tenant) -> dict[str, str]:
    return {
        **os.environ,
        "GOVERNLAYER_BASE_URL": shared.url,
        "GOVERNLAYER_API_KEY": acme.key,
        "GOVERNLAYER_DATA": str(shared.data),
        "GOVERNLAYER_STATE_DIR": str(shared.data.with_name("witness")),
    }


def sh(script: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-euc", script], env=env, cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_curl_command_gets_a_decision(shared: Appliance, acme: Tenant, tmp_path: Path) -> None:
    result = sh(block_with("curl"), environment(shared, acme), tmp_path)
    assert '"decision":"redact"' in result.stdout, result.stderr
    assert "[EMAIL]" in result.stdout


def test_the_python_snippet_prints_what_its_comments_say(shared: Appliance, acme: Tenant) -> None:
    snippet = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert snippet is not None
    promised = re.findall(r"print\(.*\)  # (.*)$", snippet[1], flags=re.MULTILINE)
    result = subprocess.run(
        [sys.executable, "-c", snippet[1]],
        env=environment(shared, acme),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == promised


def test_the_commands_to_run_and_verify_it_work(shared: Appliance, tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    env = {**os.environ, "GOVERNLAYER_DATA": str(shared.data)}
    setup = "\n".join(line for line in block_with("orgs create").splitlines() if "governlayer up" not in line)
    renamed = setup.replace("Acme", "Readme").replace("you@example.com", "readme@example.com")
    assert "keys create" in renamed
    created = sh(renamed, env, tmp_path)
    assert created.returncode == 0, created.stderr
    verified = sh(block_with("gl-verify").replace("Acme", "Readme"), env, tmp_path)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "VALID" in verified.stdout


def test_every_link_of_the_readme_leads_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if not target.startswith("https://")]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
