"""
Nothing is installed without its hash: the lock is whole, and every command in the repository that installs uses it.

    python -m tools.installs

A command passes if it checks hashes (`--require-hashes`, or `-c` with an export of uv.lock, which holds them), if it
takes no dependencies (`--no-deps`: what was built or fetched before, by a command that is looked at too), or if it
installs what uv.lock says (`--locked`, `--frozen`). Documentation, for people who choose themselves, is not looked at.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tools.locked import LOCK, LockError, read_lock

ROOT = Path(__file__).parents[1]
PLACES = (".ci", ".github", "deploy", "noxfile.py", "run", "tools")
_INSTALLS = re.compile(
    r"\b(pip3? (?:\S+ )*?(?:install|download)|uv (?:sync|run|export)|(?:npm|gem|cargo|go) install)\b"
)
_CHECKED = re.compile(r"(?<!\S)(--require-hashes|--no-deps|-c|--locked|--frozen)(?!\S)")
_NEVER = re.compile(r"(?<!\S)--(no-hashes|no-verify-hashes|trusted-host|allow-insecure-host)\b|\|\s*(ba)?sh\b")


def unpinned(name: str, text: str) -> list[str]:
    """
    Return the commands in *text* that install something without checking a hash.

    Args:
        name: of the file: what ends in ``.py`` is read as Python, all else as shell.
        text: its content.
    """
    commands = _of_python(text) if name.endswith(".py") else _of_shell(text)
    return [line for line in commands if _NEVER.search(line) or (_INSTALLS.search(line) and not _CHECKED.search(line))]


def _of_shell(text: str) -> Iterator[str]:
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.lstrip().startswith("#"):
            yield " ".join(re.sub(r"[\"',\[\]]", " ", line).split())


def _of_python(text: str) -> Iterator[str]:
    """Yield the words of each list and each call, as far as they are constants, also those that a name stands for."""
    tree = ast.parse(text)
    names = {
        target.id: node.value.elts
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple):
            yield " ".join(_words(node.elts, names))
        elif isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            yield " ".join([name, *_words(node.args, names)])


def _words(nodes: Iterable[ast.expr], names: Mapping[str, Sequence[ast.expr]]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Starred) and isinstance(node.value, ast.Name):
            yield from _words(names.get(node.value.id, []), names)


def tracked() -> Mapping[str, str]:
    """Return the repository's files that run something, by name."""
    command = ["git", "ls-files", "--", *PLACES]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return {name: _text(ROOT / name) for name in names if name and (ROOT / name).is_file()}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def main() -> int:
    """Print what installs without a hash; return 1 if anything does."""
    try:
        count = len(read_lock(LOCK.read_text(encoding="utf-8")))
    except LockError as error:
        print(f"installs: RED: uv.lock: {error}")
        return 1
    files = tracked()
    found = [f"{name}: {line}" for name, text in files.items() for line in unpinned(name, text)]
    print("\n".join([f"installs: {'RED' if found else f'{count} locked packages, {len(files)} files'}", *found]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
