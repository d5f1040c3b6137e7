"""What a release consists of is the same bytes wherever it is built, and installs with all hashes checked only."""

import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tools.dist import DISTRIBUTIONS, ROOT, build_wheels, requirements, sums
from tools.locked import LOCK, read_lock


@pytest.fixture(scope="module")
def wheels() -> Mapping[str, bytes]:
    return build_wheels()


def copy_of_the_workspace(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copyfile(ROOT / name, folder / name)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in DISTRIBUTIONS:
        shutil.copytree(ROOT / name, folder / name, copy_function=shutil.copyfile, ignore=ignore)
    return folder


def test_wheels_are_the_same_bytes_from_another_path_with_other_rights_at_another_time(
    wheels: Mapping[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o077)
    try:
        copy = copy_of_the_workspace(tmp_path / "else where" / "deep")
        for path in sorted(copy.rglob("*"), reverse=True):
            path.chmod(0o700)
            os.utime(path, (1_000_000_000,) * 2)
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        monkeypatch.setenv("TZ", "Pacific/Auckland")
        assert build_wheels(copy) == wheels
    finally:
        os.umask(before)


def test_wheels_hold_what_is_in_the_repository_and_nothing_else(wheels: Mapping[str, bytes]) -> None:
    for folder, distribution in DISTRIBUTIONS.items():
        name = next(name for name in wheels if name.startswith(distribution.replace("-", "_") + "-"))
        with zipfile.ZipFile(io.BytesIO(wheels[name])) as archive:
            held = {entry for entry in archive.namelist() if ".dist-info/" not in entry}
            assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        source = ROOT / folder / "src"
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."]
        tracked = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True).stdout.split()
        assert held == {entry for entry in tracked if (source / entry).exists()}


def test_each_requirement_has_the_hashes_of_the_lock(wheels: Mapping[str, bytes]) -> None:
    lock = read_lock(LOCK.read_text())
    for distribution in DISTRIBUTIONS.values():
        *pins, own = re.split(r"\n(?=\S)", requirements(distribution, wheels).strip())
        for pin in pins:
            name, version = re.match(r"([\w.-]+)==(\S+)", pin).groups()  # type: ignore[union-attr]
            locked = lock[name]
            assert locked.version == version
            assert set(re.findall(r"--hash=sha256:(\w{64})", pin)) == {file.sha256 for file in locked.files}
        assert re.fullmatch(rf"\./{distribution.replace('-', '_')}-\S+\.whl \\\n    --hash=sha256:\w{{64}}", own)


def install(folder: Path) -> subprocess.CompletedProcess[str]:
    exact = ["--require-hashes", "--no-deps", "-r", "requirements.txt"]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--ignore-installed", *exact]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_pip_installs_by_the_list_and_refuses_a_wheel_that_was_exchanged(
    wheels: Mapping[str, bytes], tmp_path: Path
) -> None:
    name = next(name for name in wheels if "verifier" in name)
    (tmp_path / name).write_bytes(wheels[name])
    (tmp_path / "requirements.txt").write_text(requirements("governlayer-verifier", wheels))
    result = install(tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Would install governlayer-verifier-" in result.stdout
    with zipfile.ZipFile(tmp_path / name, "a") as archive:
        archive.writestr("governlayer_verifier/planted.py", "")
    result = install(tmp_path)
    assert result.returncode != 0
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in result.stderr


def test_the_sums_are_checked_by_coreutils(wheels: Mapping[str, bytes], tmp_path: Path) -> None:
    for name, content in wheels.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "SHA256SUMS").write_text(sums(wheels))
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path, check=False).returncode == 0
    (tmp_path / next(iter(wheels))).write_bytes(b"")
    assert subprocess.run(check, cwd=tmp_path, check=False, capture_output=True).returncode == 1
