"""
Set up and run: uv into .tools/, the locked dependencies into .venv/, then nox.

Standard library only, because it runs before anything is installed. uv itself comes from uv.lock, hash checked:
through pip where there is one, else by its address in the lock (Debian's Python has neither pip nor venv).
"""

import hashlib
import io
import os
import platform
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
VENV = ROOT / ".venv"
OLDEST_PYTHON = (3, 11)


def main() -> int:
    """Set up what is missing, then hand over to nox with the given session and its arguments."""
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"run: Python 3.11 or newer is needed, this is {platform.python_version()}; set PYTHON=python3.11")
    os.chdir(ROOT)
    install(locked_uv())
    session, *rest = sys.argv[1:] or ["--list"]
    arguments = [session, *rest]
    if session in {"-h", "--help"}:
        arguments = ["--list"]
    elif not session.startswith("-"):
        rest = [argument for argument in rest if argument != "--"]
        arguments = ["-s", session, *(["--", *rest] if rest else [])]
    # In our place: a signal from the terminal reaches nox and what it runs, and nobody else.
    command = [str(VENV / "bin" / "python"), "-m", "nox", *arguments]
    return os.execv(command[0], command)  # our own interpreter, no shell


def say(message: str) -> None:
    """Print a line of progress."""
    print(f"run: {message}", file=sys.stderr, flush=True)


def locked_uv() -> Path:
    """Return the uv that uv.lock names, installed if it is not there."""
    import tomllib  # noqa: PLC0415  # versions before 3.11 lack it, and are told so first

    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    return ensure_uv(next(package for package in lock["package"] if package["name"] == "uv"))


def ensure_uv(package: dict) -> Path:
    """Return the uv of the lock, installed into .tools/ if it is not there."""
    home = TOOLS / f"uv-{package['version']}"
    program = home / "bin" / "uv"
    if program.exists():
        return program
    say(f"installing uv {package['version']} into {home.relative_to(ROOT)} …")
    home.mkdir(parents=True, exist_ok=True)
    if not with_pip(package, home):
        from_address(package, home)
    return program


def with_pip(package: dict, home: Path) -> bool:
    """Install through pip, with the hashes of the lock; False if there is no pip, or it fails."""
    hashes = " ".join(f"--hash={wheel['hash']}" for wheel in package["wheels"])
    requirements = home / "requirements.txt"
    requirements.write_text(f"uv=={package['version']} {hashes}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", home, "--require-hashes", "--no-deps"]
    result = subprocess.run(
        [*command, "-r", requirements], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        say(f"pip cannot install it ({reason}); fetching the wheel that uv.lock names")
    return result.returncode == 0


def from_address(package: dict, home: Path) -> None:
    """Fetch the wheel for this machine by its address in the lock, check its hash, take the program out."""
    machine = platform.machine()
    wheel = next(
        (item for item in package["wheels"] if f"manylinux_2_17_{machine}" in item["url"]),
        None,
    )
    if wheel is None:
        sys.exit(f"run: uv has no wheel for {platform.system()} on {machine}")
    try:
        with urllib.request.urlopen(wheel["url"], timeout=180) as answer:
            data = answer.read()
    except urllib.error.URLError as error:
        sys.exit(f"run: the wheel of uv cannot be fetched ({error.reason}): is the package index reachable?")
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != wheel["hash"]:
        sys.exit("run: the wheel of uv does not have the hash in uv.lock; nothing was installed")
    target = home / "bin" / "uv"
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        target.write_bytes(archive.read(name))
    target.chmod(0o755)


def install(uv: Path) -> None:
    """Bring .venv/ to what uv.lock says; quick when it is there already."""
    environment = {
        **os.environ,
        "UV_SYSTEM_CERTS": "1",  # a private certificate authority is trusted where the system trusts it
        "UV_PROJECT_ENVIRONMENT": str(VENV),
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CACHE_DIR": str(TOOLS / "cache"),
    }
    first = not VENV.exists()
    if first:
        say("installing the locked dependencies into .venv …")
    mirror = index_of_pip()
    if mirror is None:
        run([uv, "sync", "--locked", "--all-packages", *([] if first else ["--quiet"])], environment)
    else:
        install_from(mirror, uv, environment)


def install_from(mirror: str, uv: Path, environment: dict) -> None:
    """Install the locked versions, hash checked, from another package index than the lock was made with."""
    if not VENV.exists():
        run([uv, "venv", "--quiet", VENV], environment)
    locked = TOOLS / "locked.txt"
    export = ["export", "--quiet", "--frozen", "--all-packages", "--no-emit-workspace", "--output-file", locked]
    run([uv, *export], environment)
    environment = {**environment, "UV_DEFAULT_INDEX": mirror, "UV_PYTHON": str(VENV / "bin" / "python")}
    # The list is whole; asked again, uv would not know what the lock overrides.
    run([uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", locked], environment)
    members = ["-e", ROOT / "server", "-e", ROOT / "sdk", "-e", ROOT / "verifier"]
    run([uv, "pip", "install", "--quiet", "--no-deps", *members], environment)


def index_of_pip() -> str | None:
    """Return the package index that pip is set to use instead of its default, if any."""
    if index := os.environ.get("PIP_INDEX_URL"):
        return index
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return result.stdout.strip() or None


def run(command: list, environment: dict) -> None:
    """Run *command*; end with its status if it fails."""
    status = subprocess.call(command, env=environment)
    if status:
        sys.exit(status)


if __name__ == "__main__":
    sys.exit(main())
