"""Builds gl-verify.pyz: the offline verifier in one file, the same bytes wherever and whenever it is built.

    ./run pyz                  writes dist/gl-verify.pyz and prints its SHA-256
    python gl-verify.pyz ...   runs it; nothing is installed

What would differ between two machines is left out or fixed: entries are sorted and stored uncompressed (deflate is not
the same in every zlib), their time is the first that zip knows, their mode 0644, and neither compiled nor hidden files
go in.
"""

import argparse
import hashlib
import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "verifier" / "src"
TARGET = Path("dist") / "gl-verify.pyz"
_PACKAGE = "governlayer_verifier"
_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = b"""\
import sys

from governlayer_verifier.cli import main

if __name__ == "__main__":
    sys.exit(main())
"""
_FIRST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_REGULAR_0644 = 0o100644 << 16
_UNIX = 3


def build(source: Path = SOURCE) -> bytes:
    """
    Return the archive of the package in *source*.

    Args:
        source: the folder that holds ``governlayer_verifier``.

    Raises:
        ValueError: it holds something else than regular files and folders. Nothing is built.
    """
    archive = io.BytesIO(_SHEBANG)
    archive.seek(0, os.SEEK_END)
    entries = {"__main__.py": _MAIN, **dict(_files(source))}
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as out:
        for name in sorted(entries):
            out.writestr(entry(name), entries[name])
    return archive.getvalue()


def write(content: bytes, target: Path) -> None:
    """Write *content* to *target*, executable, in one step: nobody finds half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".gl-verify-", delete=False) as file:
        file.write(content)
    temporary = Path(file.name)
    temporary.chmod(0o755)
    temporary.replace(target)


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    for path in (source / _PACKAGE).rglob("*"):
        name = path.relative_to(source)
        if path.is_dir() or _is_left_out(name):
            continue
        if path.is_symlink() or not path.is_file():
            raise ValueError(f"{name} is no regular file")
        yield name.as_posix(), path.read_bytes()


def _is_left_out(name: Path) -> bool:
    return any(part == "__pycache__" or part.startswith(".") for part in name.parts) or name.suffix == ".pyc"


def entry(name: str) -> zipfile.ZipInfo:
    """Return the entry *name* of an archive as it is everywhere and always."""
    info = zipfile.ZipInfo(name, _FIRST_ZIP_TIME)
    info.create_system = _UNIX
    info.external_attr = _REGULAR_0644
    return info


def main() -> int:
    """Build and write the archive, print its SHA-256 as sha256sum does."""
    parser = argparse.ArgumentParser(prog="python -m tools.pyz", description="Build gl-verify.pyz.")
    parser.add_argument("-o", "--output", type=Path, default=TARGET, help="the file to write (default: %(default)s)")
    target = parser.parse_args().output
    content = build()
    write(content, target)
    print(f"{hashlib.sha256(content).hexdigest()}  {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
