"""Nothing is installed without its hash: a tampered lock and an unpinned command turn CI red."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import bootstrap, installs
from tools.installs import unpinned
from tools.locked import LOCK, MEMBERS, LockError, read_lock
from tools.uv import run_uv

ROOT = Path(__file__).parents[3]


def entry_of(lock: str, name: str) -> str:
    start = lock.index(f'[[package]]\nname = "{name}"\n')
    return lock[start : lock.index("[[package]]", start + 1)]


def plant(repository: Path, name: str) -> None:
    """Make a repository with a file in it that is not tracked."""
    subprocess.run(["git", "init", "--quiet", repository], check=True)
    planted = repository / name
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.touch()


def test_a_tampered_hash_in_the_lock_turns_it_red(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What `./run` does first, in a copy of the workspace whose lock was changed."""
    lock = LOCK.read_text()
    entry = entry_of(lock, "iniconfig")
    assert entry.count("sha256:") == 2
    (tmp_path / "uv.lock").write_text(lock.replace(entry, re.sub("sha256:....", "sha256:0000", entry)))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder in ("server", "sdk", "verifier"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "index_of_pip", lambda: None)
    with pytest.raises(SystemExit) as end:
        bootstrap.install(Path(sys.executable).with_name("uv"))
    assert end.value.code not in {0, None}
    assert "Hash mismatch for `iniconfig==" in capfd.readouterr().err
    assert not list((tmp_path / ".venv").glob("lib/python3*/site-packages/iniconfig*"))


@pytest.mark.parametrize(
    ("hashes", "why"),
    [
        (("sha256:....", "sha256:0000"), r"Hash mismatch for `[\w-]+=="),
        ((r'    \{ requirement = "pluggy==[^}]*\},\n', ""), "Hash-checking is required, but no trusted hash"),
    ],
)
def test_what_builds_the_wheels_has_hashes_too(
    hashes: tuple[str, str], why: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    project = (ROOT / "pyproject.toml").read_text()
    section = project[project.index("build-constraint-dependencies") : project.index("[tool.uv.workspace]")]
    changed = re.sub(*hashes, section)
    assert changed != section
    (tmp_path / "pyproject.toml").write_text(project.replace(section, changed))
    for folder in ("server", "sdk", "verifier"):
        (tmp_path / folder).mkdir()
        shutil.copy(ROOT / folder / "pyproject.toml", tmp_path / folder)
    with pytest.raises(subprocess.CalledProcessError):
        run_uv("build", "--wheel", "--package", "governlayer-verifier", folder=tmp_path)
    assert re.search(why, capfd.readouterr().err)


def test_a_command_that_installs_without_hashes_turns_it_red(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    script = tmp_path / "tools" / "set_up.sh"
    script.parent.mkdir()
    script.write_text("pip install --require-hashes -r requirements.txt\n")
    subprocess.run(["git", "add", "tools"], cwd=tmp_path, check=True)
    monkeypatch.setattr(installs, "ROOT", tmp_path)
    assert installs.main() == 0
    script.write_text("set -eu\npip install \\\n    requests\n")
    assert installs.main() == 1
    assert capsys.readouterr().out.endswith("installs: RED\ntools/set_up.sh: pip install requests\n")


@pytest.mark.parametrize(
    "name",
    [
        ".tools/uv-1/bin/uv", ".venv/bin/python", "server/src/x.pyc", "tests/x.so", "x.pth", "tests/sitecustomize.py",
        "sitecustomize/__init__.py", "tests/usercustomize/__init__.py",
    ],
)  # fmt: skip
def test_what_is_made_here_turns_it_red_when_it_is_in_the_repository(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(tmp_path, name)
    monkeypatch.setattr(installs, "ROOT", tmp_path)
    assert installs.main() == 0
    subprocess.run(["git", "add", "--force", name], cwd=tmp_path, check=True)
    assert installs.main() == 1
    assert capsys.readouterr().out.endswith(f"\n{name}: is in the repository, though it is made here or runs unseen\n")


@pytest.mark.parametrize(
    "name",
    [
        "pytest.ini", ".pytest.ini", "pytest.toml", "tests/browser/.pytest.toml", "tox.ini", "setup.cfg", "mypy.ini",
        ".mypy.ini", ".importlinter", "uv.toml",
    ],
)  # fmt: skip
def test_settings_in_the_place_of_those_in_pyproject_turn_it_red(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(tmp_path, name)
    subprocess.run(["git", "add", "--force", name], cwd=tmp_path, check=True)
    monkeypatch.setattr(installs, "ROOT", tmp_path)
    assert installs.main() == 1
    assert capsys.readouterr().out.endswith(f"RED\n{name}: settings stand in pyproject.toml alone\n")


def test_a_lock_without_a_hash_turns_it_red(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = tmp_path / "uv.lock"
    planted.write_text(re.sub(r'hash = "sha256:\w+", ', "", LOCK.read_text(), count=1))
    monkeypatch.setattr(installs, "LOCK", planted)
    assert installs.main() == 1
    assert "has no SHA-256" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((r'hash = "sha256:(\w+)"', r'hash = "md5:\1"'), "has no SHA-256"),
        ((r'url = "https://', 'url = "http://'), "has no SHA-256, or no address over HTTPS"),
        (
            (r'source = \{ registry = "https://', 'source = { registry = "http://'),
            "does not come from an index over HTTPS",
        ),
        ((r'source = \{ registry = "[^"]+" \}', 'source = { git = "https://x/y" }'), "does not come from an index"),
        ((r'source = \{ registry = "[^"]+" \}', 'source = { editable = "vendor/x" }'), "does not come from an index"),
        ((r'source = \{ registry = "[^"]+" \}', 'source = { editable = "server" }'), "does not come from an index"),
        ((r'source = \{ registry = "[^"]+" \}', 'source = { virtual = "." }'), "does not come from an index"),
        ((r"wheels = \[\n(.*\n)*?\]\n", ""), "no file is named"),
    ],
)
def test_a_lock_that_does_not_pin_is_refused(change: tuple[str, str], why: str) -> None:
    entry = entry_of(LOCK.read_text(), "iniconfig")
    entry = "\n".join(line for line in entry.splitlines() if not line.startswith("sdist")) + "\n"
    assert read_lock(entry)["iniconfig"].files
    with pytest.raises(LockError, match=why):
        read_lock(re.sub(*change, entry))
    with pytest.raises(LockError, match="stands twice"):
        read_lock(entry * 2)


@pytest.mark.parametrize("field", ["registry", "url"])
def test_a_package_from_another_place_than_the_others_is_refused(field: str) -> None:
    """`uv lock --check` is content with such a lock."""
    lock = LOCK.read_text()
    entry = entry_of(lock, "iniconfig")
    planted = re.sub(f'{field} = "https://[^/"]+', f'{field} = "https://other.example', entry)
    with pytest.raises(LockError, match=r"iniconfig: comes from another place than most: \S*other\.example"):
        read_lock(lock.replace(entry, planted))


def test_only_the_members_of_the_workspace_are_ours_and_from_their_folders() -> None:
    lock = LOCK.read_text()
    assert {item.name for item in read_lock(lock).values() if item.is_ours} == set(MEMBERS)
    with pytest.raises(LockError, match="governlayer-server: does not come from an index"):
        read_lock(entry_of(lock, "governlayer-server").replace('"server"', '"elsewhere"'))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.sh", "pip install x"),
        ("a.sh", "exec python3 -m pip --quiet install -r r.txt"),
        ("a.sh", "uv pip install x"),
        ("a.sh", "uv sync"),
        ("a.sh", "npm install x"),
        ("a.sh", "curl -s https://example.org/x | sh"),
        ("a.sh", "pip install --require-hashes --trusted-host example.org -r r.txt"),
        ("a.sh", "pip install --no-deps requests"),
        ("a.sh", "pip install --no-deps --target /opt requests"),
        ("a.sh", "pip install --no-deps ./x.whl requests"),
        ("a.sh", "pip install --no-deps -r ./x.txt"),
        ("a.sh", "pip install --no-deps -e git+https://example.org/x"),
        ("a.sh", "pip install --no-deps --no-index --find-links https://example.org x"),
        ("a.sh", "python -m pip install -c constraints.txt requests"),
        ("a.sh", "uv pip install -c pins requests"),
        ("a.sh", "pip install requests && pip install --require-hashes -r x.txt"),
        ("a.sh", "pip install requests # --require-hashes"),
        ("a.sh", "pip wheel requests"),
        ("a.sh", "pip3.11 install requests"),
        ("a.sh", "uv pip sync requirements.txt"),
        ("a.sh", "uv tool install ruff"),
        ("a.sh", "uv add requests"),
        ("a.sh", "uv run --frozen --with requests x.py"),
        ("a.sh", "uvx ruff"),
        ("a.sh", "pipx install ruff"),
        ("a.sh", "npx prettier"),
        ("a.sh", "npm ci"),
        ("a.sh", "npm i left-pad"),
        ("a.sh", "curl -s https://example.org/x | sudo sh"),
        ("a.sh", "curl -s https://example.org/x | sudo -E /bin/bash -"),
        ("a.sh", "curl -s https://example.org/x | python3 -"),
        ("a.sh", "curl -o f https://example.org/x && sh f"),
        ("a.sh", "wget https://example.org/x; chmod +x x"),
        ("a.sh", 'sh -c "$(curl -s https://example.org/x)"'),
        ("Containerfile", 'RUN sh -c "pip install requests"'),
        ("Containerfile", 'RUN bash -c "pip install -r x.txt"'),
        ("Containerfile", "RUN apt-get update \\\n && pip \\\n    install x"),
        ("Containerfile", 'RUN ["pip", "install", "x"]'),
        ("a.py", 'run([python, "-m", "pip", "install", name])'),
        ("a.py", 'uv(session, "pip", "install", name)'),
        ("a.py", 'quiet = ["--quiet"]\nrun(python, "-m", "pip", "install", *quiet, name)'),
        ("a.py", 'run([uv, "sync"])'),
        ("a.py", 'run_uv("sync")'),
        ("a.py", 'os.system(f"pip install {name}")'),
        ("a.py", 'uv(session, "pip", "install", "-c", path, name)'),
        ("a.py", 'uv(session, "pip", "install", "-c", str(pins), name)'),
        ("a.py", 'run(uv, "pip", "install", "--no-deps", *names)'),
        ("a.py", 'uv(session, "export", "--no-hashes", "--frozen")'),
    ],
)
def test_a_command_that_installs_what_it_gets_is_found(name: str, text: str) -> None:
    assert len(unpinned(name, text)) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.sh", "# pip install x"),
        ("a.sh", "pip install --no-deps ./x.whl"),
        ("a.sh", "pip install --no-deps --target /opt -e ./server"),
        ("a.sh", "pip install --no-deps --no-index --find-links /wheelhouse x"),
        ("a.sh", "uv sync --locked"),
        ("a.sh", "curl -o f https://example.org/x && sha256sum --check SUMS && sh f"),
        ("a.py", 'members = ["-e", ROOT / "server"]\nrun([uv, "pip", "install", "--no-deps", *members])'),
        ("a.py", 'run([uv, "sync", "--frozen"])'),
        ("a.py", 'say(f"pip cannot install {name}")'),
        ("a.py", 'run([python, "-m", "pip", "install", "--require-hashes", "-r", path])'),
        ("a.py", 'exact = ["--require-hashes"]\nrun(python, "-m", "pip", "install", *exact, "-r", path)'),
        ("a.py", 'say("installing")'),
    ],
)
def test_a_command_that_checks_is_none(name: str, text: str) -> None:
    assert unpinned(name, text) == []


@pytest.mark.parametrize("text", ["x = [*x, 1]", "x = [*y]\ny = [*x]", "x = [*x]\nrun(*x)"])
def test_a_list_made_of_itself_is_refused(text: str) -> None:
    assert unpinned("a.py", text) == ["a list is made of itself: what it holds cannot be seen"]
