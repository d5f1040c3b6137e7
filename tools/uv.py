"""The locked uv, on the workspace."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).with_name("uv")


def run_uv(*arguments: str, folder: Path = ROOT, **settings: str) -> str:
    """
    Run uv with *arguments* for this interpreter, and return what it prints.

    Args:
        arguments: of its command line.
        folder: the workspace.
        settings: more variables of its environment.

    Raises:
        subprocess.CalledProcessError: it failed; why, it wrote to the standard error.
    """
    ours = {"UV_SYSTEM_CERTS": "1", "UV_CACHE_DIR": str(ROOT / ".tools" / "cache"), "UV_PYTHON": sys.executable}
    environment = {**os.environ, **ours, **settings}
    command = [UV, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
