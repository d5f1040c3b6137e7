"""The bundle, and Docker Compose without an engine: it reads, merges and checks the files."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.fakes.debian import program

ROOT = Path(__file__).parents[3]
BUNDLE = ROOT / "deploy" / "compose"
FILES = ("compose.yaml", "compose.proxy.yaml", "compose.certificate.yaml")
DIGEST = "sha256:" + "ab" * 32
SETTINGS = {
    "GOVERNLAYER_IMAGE": DIGEST,
    "POSTGRES_IMAGE": DIGEST,
    "REDIS_IMAGE": DIGEST,
    "PROXY_IMAGE": DIGEST,
    "DEPLOYMENT": "govern.example.com",
    "PUBLIC_URL": "https://govern.example.com:8600",
    "SERVER_NAMES": "localhost 127.0.0.1 govern.example.com",
}
TOOL = "tools/debian_compose.sh"


def compose_config(
    files: Sequence[str | Path] = FILES[:1], settings: dict[str, str] = SETTINGS
) -> "subprocess.CompletedProcess[str]":
    """Run `docker compose config` with the profile of restores too."""
    named = [part for file in files for part in ("-f", str(file))]
    return subprocess.run(
        [program("docker-compose", TOOL), "--project-directory", BUNDLE, *named,
         "--profile", "restore", "config", "--format", "json"],
        cwd=BUNDLE, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **settings},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
