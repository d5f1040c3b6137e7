"""The scripts of the bundle without an engine: a `docker` that answers by rules and writes down what it is told."""

import hashlib
import shutil
import subprocess
from pathlib import Path

NEEDED = (
    "sh", "dirname", "sed", "awk", "cat", "chmod", "cmp", "cp", "cut", "date", "df", "du", "find", "grep", "id", "mkdir", "mv", "od",
    "printf", "rm", "seq", "sha256sum", "sort", "tail", "tr", "wc", "xargs",
)  # fmt: skip
SOURCED = '. "$0"; . "$here/preflight.sh"; '
INSTALLED = 'INSTALLATION="42"\nDEPLOYMENT="govern.example.com"\nBACKUPS="/srv/backups"\nCOMPOSE_FILE="compose.yaml"\n'
_MARKED = "governlayer_secrets \ngovernlayer_installation 42\n"
_KNOWN = """
    *'{{{{.Server.Version}}}}'*) echo 27.0.0 ;;
    *'compose version'*) echo 2.30.0 ;;
    *MemTotal*) echo 8000000000 ;;
    *NCPU*) echo 4 ;;
    *DockerRootDir*) echo / ;;
    *'image inspect'*) echo sha256:1 ;;
    *'volume ls --quiet'*) cut -d ' ' -f 1 {volumes} ;;
    *'volume ls'*) cat {volumes} ;;
    *'volume create'*) for one; do case $one in *.installation=*) echo "$last ${{one#*=}}" >{volumes} ;; esac; done ;;
    *' cp '*) : >"$last" ;;
    *'backup list'*) echo ' whole ' ;;
"""


def run(unpacked: Path, *command: str, answer: str = "") -> "subprocess.CompletedProcess[str]":
    """Run *command* in the bundle, with the programs of NEEDED and no other."""
    # A shell cannot take a signal that was ignored before it began, as under nohup.
    as_in_a_terminal = [str(shutil.which("env")), "--default-signal=HUP,INT"]
    return subprocess.run(
        [*as_in_a_terminal, *command], cwd=unpacked, env={"PATH": str(unpacked.parent / "bin")}, input=answer,
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


def engine(unpacked: Path, answers: str = "", volumes: str = _MARKED) -> Path:
    """Put `docker` on the path, return the file of what it was told; *answers* are branches of a `case` over that."""
    calls, program = unpacked.parent / "calls", unpacked.parent / "bin" / "docker"
    there = unpacked.parent / "volumes"
    there.write_text(volumes)
    known = _KNOWN.format(volumes=there)
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >>{calls}\nfor last; do :; done\ncase $* in {answers}{known}esac\n'
    )
    program.chmod(0o755)
    calls.touch()
    return calls


def snapshot(unpacked: Path) -> dict[str, str]:
    """Return the digest of each file."""
    return {
        str(file.relative_to(unpacked)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in unpacked.rglob("*")
        if file.is_file()
    }


def seal(unpacked: Path) -> None:
    """Write SHA256SUMS over all that is there."""
    lines = [f"{digest}  ./{name}\n" for name, digest in sorted(snapshot(unpacked).items()) if name != "SHA256SUMS"]
    (unpacked / "SHA256SUMS").write_text("".join(lines))
