"""A dump on disk is for its owner alone, and whole or not there; nobody's link leads it elsewhere."""

import os
import stat
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.system.appliance import Appliance, Tenant


def _dump(shared: Appliance, org: str, path: Path, *arguments: str) -> CompletedProcess[str]:
    return shared.cli("ledger", "dump", "--org", org, "-o", path, *arguments)


def _assert_dumped(shared: Appliance, acme: Tenant, path: Path, *arguments: str) -> None:
    done = _dump(shared, acme.id, path, *arguments)
    assert done.returncode == 0, done.stderr
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shared.assert_verified(path)


def _assert_refused(done: CompletedProcess[str], named: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert named in done.stderr


@pytest.mark.parametrize("payloads", ["", "all"])
def test_a_dump_is_for_its_owner_alone_whatever_stood_there(
    shared: Appliance, acme: Tenant, tmp_path: Path, payloads: str
) -> None:
    path = tmp_path / "acme.gldump"
    before = os.umask(0)
    try:
        _assert_dumped(shared, acme, path, "--payloads", payloads)
        path.write_text("an older one")
        path.chmod(0o644)
        _assert_dumped(shared, acme, path, "--payloads", payloads)
    finally:
        os.umask(before)
    assert list(tmp_path.iterdir()) == [path]


def test_a_dump_that_fails_leaves_nothing_and_keeps_what_was_there(
    shared: Appliance, acme: Tenant, tmp_path: Path
) -> None:
    path = tmp_path / "acme.gldump"
    for older in (False, True):
        if older:
            path.write_text("an older one")
        _assert_refused(_dump(shared, acme.id, path, "--payloads", "content,secrets"), "secrets")
        _assert_refused(_dump(shared, "nobody", path), "nobody")
        assert list(tmp_path.iterdir()) == ([path] if older else [])
    assert path.read_text() == "an older one"


def test_a_folder_that_cannot_be_written_is_said_in_one_line(shared: Appliance, acme: Tenant, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    # Nobody can make a file in /proc, not even root.
    for folder in (Path("/proc"), tmp_path / "missing", tmp_path / "file"):
        path = folder / "acme.gldump"
        _assert_refused(_dump(shared, acme.id, path), str(path))
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_folder_in_the_place_of_the_dump_stays(shared: Appliance, acme: Tenant, tmp_path: Path) -> None:
    (tmp_path / "acme.gldump").mkdir()
    done = _dump(shared, acme.id, tmp_path / "acme.gldump")
    assert done.returncode == 2
    assert [one.name for one in tmp_path.rglob("*")] == ["acme.gldump"]


@pytest.mark.parametrize("name", ["acme.gldump.partial", ".acme.gldump.partial", "acme.gldump"])
def test_no_link_that_waits_there_is_followed(shared: Appliance, acme: Tenant, tmp_path: Path, name: str) -> None:
    victim, path = tmp_path / "victim", tmp_path / "out" / "acme.gldump"
    victim.write_text("keep")
    path.parent.mkdir()
    link = path.with_name(name)
    link.symlink_to(victim)
    _assert_dumped(shared, acme, path, "--payloads", "all")
    assert victim.read_text() == "keep"
    assert {one.name for one in path.parent.iterdir()} == {name, "acme.gldump"}
    assert link.is_symlink() is (name != "acme.gldump")
