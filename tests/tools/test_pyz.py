"""gl-verify.pyz: the same bytes wherever and whenever it is built, and it runs with nothing but the interpreter."""

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.verifier.ledger_writer import KEY, sample_ledger
from tools.pyz import SOURCE, build, write


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("built") / "deep" / "gl-verify.pyz"
    write(build(), path)
    return path


def run(archive: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", str(archive), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120, env={})


def test_two_builds_of_one_source_are_the_same_bytes(tmp_path: Path) -> None:
    copies = tmp_path / "a", tmp_path / "b" / "elsewhere"
    for index, copy in enumerate(copies):
        shutil.copytree(SOURCE, copy, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("__pycache__"))
        files = sorted(copy.rglob("*"), reverse=bool(index))
        for path in files:
            path.chmod(0o700 if path.is_dir() else (0o600, 0o755)[index])
            os.utime(path, (1_000_000_000 + index * 1e8,) * 2)
    compiled = copies[1] / "governlayer_verifier" / "__pycache__"
    compiled.mkdir()
    (compiled / "cli.cpython-311.pyc").write_bytes(b"compiled")
    (copies[1] / "governlayer_verifier" / ".hidden").write_text("x")
    assert build(copies[0]) == build(copies[1]) == build()


def test_a_build_follows_its_source(tmp_path: Path) -> None:
    copy = tmp_path / "src"
    shutil.copytree(SOURCE, copy)
    (copy / "governlayer_verifier" / "chain.py").write_text("changed")
    assert build(copy) != build()
    (copy / "governlayer_verifier" / "link").symlink_to("chain.py")
    with pytest.raises(ValueError, match="governlayer_verifier/link is no regular file"):
        build(copy)


def test_entries_are_sorted_with_one_time_and_mode() -> None:
    with zipfile.ZipFile(io.BytesIO(build())) as archive:
        entries = archive.infolist()
    assert [each.filename for each in entries] == sorted(each.filename for each in entries)
    assert {(each.date_time, each.external_attr, each.create_system, each.compress_type) for each in entries} == {
        ((1980, 1, 1, 0, 0, 0), 0o100644 << 16, 3, zipfile.ZIP_STORED)
    }
    assert not [each.filename for each in entries if ".pyc" in each.filename]
    assert {"__main__.py", "governlayer_verifier/cli.py", "governlayer_verifier/vectors/ledger-v1/index.json"} <= {
        each.filename for each in entries
    }


def test_it_passes_its_self_test_with_nothing_but_the_interpreter(archive: Path, tmp_path: Path) -> None:
    result = run(archive, "--self-test", folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith(" checks, 0 failed\n")


def test_it_verifies_a_dump_and_writes_a_report(archive: Path, tmp_path: Path) -> None:
    dump = sample_ledger(20).dump(names=("content", "context"))
    (tmp_path / "good.gldump").write_bytes(dump)
    (tmp_path / "bad.gldump").write_bytes(dump.replace(b'"score":7', b'"score":8'))
    good = run(archive, "good.gldump", "--key", KEY.vkey, folder=tmp_path)
    assert (good.returncode, good.stderr) == (0, "")
    assert "VALID" in good.stdout
    assert run(archive, "bad.gldump", "--key", KEY.vkey, "--report", "bad.html", folder=tmp_path).returncode == 1
    assert "<h1>Verification report</h1>" in (tmp_path / "bad.html").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.gldump", "bad.html", "good.gldump"]


def test_it_is_executable(archive: Path) -> None:
    assert archive.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    assert archive.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in archive.parent.iterdir()] == ["gl-verify.pyz"]
