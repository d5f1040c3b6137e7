"""
Nothing is installed without its hash: the lock is whole, and every command in the repository that installs uses it.

    python -m tools.installs

A command of pip passes if it checks hashes (`--require-hashes`: a list of constraints alone lets through what is not in
it), or if it takes nothing but what is here already (`--no-deps` with `--no-index` or with paths alone: what was
built or fetched before, by a command that is looked at too). One of uv passes if it installs what uv.lock says
(`--locked`, `--frozen`). Others that install, or that run what they fetched, never pass. A command is looked at line by
line; what is put together at run time is not seen. Documentation, for people who choose themselves, is not looked at.

Nor may the repository hold what is made here: a program or an environment where `./run` looks for its own, which it
takes as it is, or compiled code; nor settings that a tool would take before those in pyproject.toml.
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
_OPTIONS = r"(?:-\S+ (?:[^-\s]\S* )?)*?"
_PIP = re.compile(rf"\bpip[\d.]* {_OPTIONS}(?:install|download|wheel|sync)(?!\S)")
_UV = re.compile(rf"(?:\b|_)uv {_OPTIONS}(?:sync|run|export)(?!\S)")
_PINNED = re.compile(r"(?<!\S)--require-hashes(?!\S)")
# Where `./run` finds what it installed, and what Python imports without a source or runs at each start.
MADE = (
    ".tools",
    ".venv",
    ".nox",
    "*.pyc",
    "*.so",
    "*.pth",
    "*.dist-info/*",
    "*.egg-info/*",
    "*sitecustomize.py",
    "*usercustomize.py",
    "*sitecustomize/*",
    "*usercustomize/*",
)
# What pytest, mypy, import-linter and uv read before pyproject.toml, or in its place.
SETTINGS = (
    "*pytest.ini",
    "*pytest.toml",
    "*tox.ini",
    "*setup.cfg",
    "*mypy.ini",
    "*.importlinter",
    "*uv.toml",
)
_LOCKED = re.compile(r"(?<!\S)--(?:locked|frozen)(?!\S)")
# Options of pip and uv with a value that names nothing to install.
_WITH_VALUE = {"--target", "--python", "--prefix", "--root", "--dest", "--find-links", "-f", "-d", "-t", "-p"}
_SHELL = r"(?:sudo (?:\S+ )*?)?(?:\S*/)?(?:(?:ba|da|z|k)?sh|python[\d.]*)(?!\S)"
_NEVER = (
    re.compile(r"(?<!\S)--(?:no-hashes|no-verify-hashes|trusted-host|allow-insecure-host)(?![\w-])"),
    re.compile(rf"(?:\b|_)uv {_OPTIONS}(?:add|tool (?:install|run|upgrade)|run (?:\S+ )*?--with\S*)(?!\S)"),
    re.compile(r"(?<!\S)(?:\S*/)?(?:uvx|npx|bunx|easy_install|pipx (?:install|inject|run|upgrade)) "),
    re.compile(rf"\b(?:npm|pnpm|yarn|bun) {_OPTIONS}(?:i|ci|install|add|exec|dlx)(?!\S)"),
    re.compile(r"\b(?:(?:gem|cargo) install|go (?:install|get|run \S+@\S+))(?!\S)"),
    # What is fetched is run, unless its hash is looked at in between.
    re.compile(rf"\|\s*{_SHELL}"),
    re.compile(rf"\b(?:curl|wget) (?!.*\bsha256sum\b).*(?:&&|;)\s*(?:{_SHELL}|chmod |source |\.{{0,2}}/|\. )"),
    re.compile(rf"(?<!\S){_SHELL}.*[(`]\s*(?:curl|wget) "),
)


def unpinned(name: str, text: str) -> list[str]:
    """
    Return the commands in *text* that install something without checking a hash.

    Args:
        name: of the file: what ends in ``.py`` is read as Python, all else as shell.
        text: its content.
    """
    try:
        commands = list(_of_python(text) if name.endswith(".py") else _of_shell(text))
    except RecursionError:
        return ["a list is made of itself: what it holds cannot be seen"]
    return [line for line in commands if _is_forbidden(line) or not all(map(_is_checked, re.split("[;&|]+", line)))]


def _is_forbidden(line: str) -> bool:
    return any(pattern.search(line) for pattern in _NEVER)


def _is_checked(command: str) -> bool:
    """Return whether *command* installs nothing, or only what has the hash that it should have."""
    stated = re.sub(r"(?<!\S)#.*", "", command)
    if found := _PIP.search(command):
        return bool(_PINNED.search(stated, found.end())) or _is_local(stated, stated[found.end() :].split())
    return not _UV.search(command) or bool(_LOCKED.search(stated))


def _is_local(command: str, arguments: Sequence[str]) -> bool:
    """Return whether pip, run by *command* with *arguments*, takes only what is on this machine already."""
    if "--no-deps" not in command.split() or "://" in command:
        return False
    if "--no-index" in command.split():
        return True
    named = [
        word
        for before, word in zip(["", *arguments], arguments, strict=False)
        if before not in _WITH_VALUE and (word in {"-r", "--requirement"} or not word.startswith("-"))
    ]
    return bool(named) and all(word.startswith(("./", "../", "/")) for word in named)


def _of_shell(text: str) -> Iterator[str]:
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.lstrip().startswith("#"):
            yield " ".join(re.sub(r"[\"',\[\]]", " ", line).split())


def _of_python(text: str) -> Iterator[str]:
    """Yield the words of each list and each call; a name that does not stand for a list is a word itself."""
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
        if isinstance(node, ast.Starred) and isinstance(node.value, ast.Name):
            yield from _words(names[node.value.id], names) if node.value.id in names else [node.value.id]
        else:
            yield from _word(node)


def _word(node: ast.AST) -> Iterator[str]:
    match node:
        case (
            ast.Constant(value=str(text)) | ast.Name(id=text) | ast.Call(func=ast.Name("str"), args=[ast.Name(id=text)])
        ):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(word for part in parts for word in [*_word(part), "_"][:1])
        case ast.BinOp(op=ast.Div()):  # a path below another
            yield "./"


def tracked() -> Mapping[str, str]:
    """Return the repository's files that run something, by name."""
    return {name: _text(ROOT / name) for name in _listed(*PLACES) if (ROOT / name).is_file()}


def _listed(*patterns: str) -> Sequence[str]:
    command = ["git", "ls-files", "-z", "--", *patterns]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]


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
    found += [f"{name}: is in the repository, though it is made here or runs unseen" for name in _listed(*MADE)]
    found += [f"{name}: settings stand in pyproject.toml alone" for name in _listed(*SETTINGS)]
    print("\n".join([f"installs: {'RED' if found else f'{count} locked packages, {len(files)} files'}", *found]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
