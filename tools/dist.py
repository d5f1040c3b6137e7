"""
All that a release consists of, in dist/: the same bytes wherever and whenever they are built.

    python -m tools.dist [--release] [-o FOLDER]      --release: from a committed tree only, and built twice

Wheels of the three distributions, gl-verify.pyz, a bill of materials and a list of pinned requirements for each
distribution, and SHA256SUMS over all of it.

Wheels are stored uncompressed, since deflate is not the same in every zlib; which files go in, and what is written of
them, is up to the locked hatchling.
"""

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tools import pyz
from tools.sbom import DISTRIBUTIONS, ROOT, describe, install, to_json
from tools.uv import run_uv

TARGET = ROOT / "dist"


def build_wheels(root: Path = ROOT) -> Mapping[str, bytes]:
    """
    Return the wheels of the workspace in *root* by file name.

    Raises:
        subprocess.CalledProcessError: one cannot be built, or what builds it does not have a locked hash.
    """
    with tempfile.TemporaryDirectory(prefix="governlayer-wheels-") as scratch:
        run_uv("build", "--quiet", "--wheel", "--all-packages", "-o", scratch, folder=root)
        return {path.name: normalized(path.read_bytes()) for path in sorted(Path(scratch).glob("*.whl"))}


def normalized(wheel: bytes) -> bytes:
    """Return *wheel* with all content as it is, in entries of one time and mode that are stored uncompressed."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel)) as source, zipfile.ZipFile(result, "w") as out:
        for info in source.infolist():
            out.writestr(pyz.entry(info.filename), source.read(info))
    return result.getvalue()


def requirements(distribution: str, wheels: Mapping[str, bytes]) -> str:
    """
    Return what ``pip install --require-hashes`` needs to install *distribution* beside its wheel, and nothing else.

    Args:
        distribution: its name in the package index.
        wheels: ours by file name; the list is used in the folder that holds them.
    """
    options = ["--quiet", "--frozen", "--no-dev", "--no-emit-workspace", "--no-header", "--no-annotate"]
    pins = run_uv("export", *options, "--package", distribution)
    name = next(name for name in wheels if name.startswith(distribution.replace("-", "_") + "-"))
    return f"{pins}./{name} \\\n    --hash=sha256:{_sha256(wheels[name])}\n"


def build() -> Mapping[str, bytes]:
    """Return all files of a release by name."""
    wheels = build_wheels()
    files = {**wheels, pyz.TARGET.name: pyz.build()}
    for folder, distribution in DISTRIBUTIONS.items():
        files[f"requirements-{folder}.txt"] = requirements(distribution, wheels).encode()
        with tempfile.TemporaryDirectory(prefix="governlayer-sbom-") as scratch:
            bill = describe(folder, install(folder, Path(scratch) / "venv"))
        files[f"{distribution}.cdx.json"] = to_json(bill).encode()
    return files


def sums(files: Mapping[str, bytes]) -> str:
    """Return SHA256SUMS of *files*, for ``sha256sum -c``."""
    return "".join(f"{_sha256(content)}  {name}\n" for name, content in sorted(files.items()))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_clean() -> bool:
    command = ["git", "status", "--porcelain", "--untracked-files=all"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return result.returncode == 0 and not result.stdout


def main() -> int:
    """Build all, write it, and print SHA256SUMS."""
    parser = argparse.ArgumentParser(prog="python -m tools.dist", description="Build what a release consists of.")
    parser.add_argument("--release", action="store_true", default=os.environ.get("RELEASE") == "1")
    parser.add_argument("-o", "--output", type=Path, default=TARGET, metavar="FOLDER", help="(default: %(default)s)")
    options = parser.parse_args()
    if not _is_clean():
        print("dist: the tree has changes that are not committed: this is no release", file=sys.stderr)
        if options.release:
            return 1
    files = build()
    if options.release and files != build():
        print("dist: two builds differ", file=sys.stderr)
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    listed = sums(files)
    for name, content in {**files, "SHA256SUMS": listed.encode()}.items():
        (options.output / name).write_bytes(content)
    print(listed, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
