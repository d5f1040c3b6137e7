"""The scripts of the bundle, as far as they go without an engine: what they refuse, before anything changes."""

import hashlib
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.deploy.compose.bundle import BUNDLE, ROOT, TOOL
from tests.fakes.debian import program

SCRIPTS = ("install.sh", "upgrade.sh", "backup.sh", "restore.sh", "uninstall.sh", "bundle.sh")
NEEDED = (
    "sh", "dirname", "sed", "awk", "cat", "date", "df", "grep", "mv", "tail", "tr", "printf", "sha256sum", "xargs",
)  # fmt: skip
SOURCED = '. "$0"; . "$here/preflight.sh"; '


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A copy of the bundle, where no Docker is on the path."""
    copy = tmp_path / "bundle"
    shutil.copytree(BUNDLE, copy)
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in NEEDED:
        (commands / name).symlink_to(str(shutil.which(name)))
    return copy


def run(unpacked: Path, *command: str, answer: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        list(command), cwd=unpacked, env={"PATH": str(unpacked.parent / "bin")}, input=answer,
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


def engine(unpacked: Path, answers: str = "") -> Path:
    """Put a `docker` on the path that writes down what it is told; *answers* are branches of a `case` over that."""
    calls, program = unpacked.parent / "calls", unpacked.parent / "bin" / "docker"
    known = """*'{{.Server.Version}}'*) echo 27.0.0 ;; *'compose version'*) echo 2.30.0 ;;
        *MemTotal*) echo 8000000000 ;; *NCPU*) echo 4 ;; *DockerRootDir*) echo / ;; *'image inspect'*) echo sha256:1 ;;"""
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{calls}\ncase $* in {answers}\n        {known}\nesac\n')
    program.chmod(0o755)
    calls.touch()
    return calls


def snapshot(unpacked: Path) -> dict[str, str]:
    return {
        str(file.relative_to(unpacked)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in unpacked.rglob("*")
        if file.is_file()
    }


def test_the_scripts_are_plain_sh_without_a_finding() -> None:
    files = sorted(BUNDLE.glob("*.sh"))
    assert {file.name for file in files} == {*SCRIPTS, "lib.sh", "preflight.sh"}
    for file in files:
        subprocess.run(["/bin/sh", "-n", file], check=True)
    checker = program("shellcheck", TOOL)
    done = subprocess.run([checker, "-x", *files, ROOT / TOOL], cwd=BUNDLE, capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_script_says_what_it_does_and_knows_its_options(unpacked: Path, name: str) -> None:
    before = snapshot(unpacked)
    asked = run(unpacked, f"./{name}", "--help")
    assert asked.returncode == 0
    assert f"./{name}" in asked.stdout
    wrong = run(unpacked, f"./{name}", "--no-such-option", "x")
    assert wrong.returncode == 1
    assert "--no-such-option" in wrong.stderr
    assert snapshot(unpacked) == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--name", "a b;rm -rf"], "names have"),
        (["--port", "http"], "--port"),
        (["--port"], "--port needs a value"),
        (["--bind", "$(id)"], "names have"),
        (["--backups", "/srv/$HOME"], "--backups"),
    ],
)
def test_what_would_not_be_a_name_or_a_port_is_refused(unpacked: Path, arguments: list[str], named: str) -> None:
    done = run(unpacked, "./install.sh", *arguments)
    assert done.returncode == 1
    assert named in done.stderr
    assert not (unpacked / ".env").exists()


def test_without_an_engine_nothing_is_changed(unpacked: Path) -> None:
    before = snapshot(unpacked)
    done = run(unpacked, "./install.sh")
    assert done.returncode == 1
    assert "FAIL  engine" in done.stdout
    assert "nothing was changed" in done.stderr
    assert snapshot(unpacked) == before


@pytest.mark.parametrize(
    ("version", "is_enough"),
    [("2.24.0", True), ("v2.24.1-desktop.1", True), ("2.26.1-4", True), ("5.0.0", True), ("2.23.9", False),
     ("1.29.2", False), ("0", False), ("dev", False)],
)  # fmt: skip
def test_versions_are_compared_as_numbers(unpacked: Path, version: str, is_enough: bool) -> None:
    done = run(unpacked, "sh", "-c", SOURCED + f"at_least '{version}' 2 24", "./lib.sh")
    assert (done.returncode == 0) is is_enough


def test_a_clock_before_the_bundle_was_made_is_found(unpacked: Path) -> None:
    (unpacked / "VERSION").write_text("built=99999999999\n")
    done = run(unpacked, "sh", "-c", SOURCED + "check_clock", "./lib.sh")
    assert done.stdout.startswith("FAIL  clock")


def test_a_port_that_another_program_has_is_found(unpacked: Path) -> None:
    engine = unpacked.parent / "bin" / "docker"  # with no container
    engine.write_text("#!/bin/sh\n")
    engine.chmod(0o755)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        taken = run(unpacked, "sh", "-c", SOURCED + f"check_port {port}", "./lib.sh")
        assert taken.stdout.startswith("FAIL  port")
    free = run(unpacked, "sh", "-c", SOURCED + f"check_port {port}", "./lib.sh")
    assert free.stdout.startswith("ok    port")


def test_a_bundle_that_was_changed_is_not_loaded(unpacked: Path) -> None:
    (unpacked / "images.txt").write_text("# none\nGOVERNLAYER_IMAGE governlayer/governlayer:0.1.0\n")
    (unpacked / "images.tar").write_bytes(b"images")
    loaded = unpacked / "loaded"
    engine = unpacked.parent / "bin" / "docker"
    engine.write_text(f"#!/bin/sh\ncase $1 in load) : >{loaded} ;; image) echo sha256:1 ;; esac\n")
    engine.chmod(0o755)
    (unpacked / "SHA256SUMS").write_text(f"{hashlib.sha256(b'images').hexdigest()}  ./images.tar\n")
    (unpacked / "images.tar").write_bytes(b"imagez")
    command = ("sh", "-c", SOURCED + "load_images", "./lib.sh")
    assert "damaged or was changed" in run(unpacked, *command).stderr
    assert not loaded.exists()
    (unpacked / "images.tar").write_bytes(b"images")
    assert run(unpacked, *command).returncode == 0
    assert loaded.exists()
    (unpacked / "SHA256SUMS").unlink()
    assert "cannot be verified" in run(unpacked, *command).stderr


def test_data_is_deleted_only_when_its_name_is_typed(unpacked: Path) -> None:
    called = unpacked / "called"
    engine = unpacked.parent / "bin" / "docker"
    engine.write_text(f'#!/bin/sh\necho "$*" >>{called}\n')
    engine.chmod(0o755)
    (unpacked / ".env").write_text('DEPLOYMENT="govern.example.com"\n')
    for answer in ("", "yes\n", "delete\n"):
        refused = run(unpacked, "./uninstall.sh", "--delete-data", answer=answer)
        assert "not confirmed" in refused.stderr
        assert not called.exists()
    run(unpacked, "./uninstall.sh")
    assert "--volumes" not in called.read_text()
    assert run(unpacked, "./uninstall.sh", "--delete-data", answer="delete govern.example.com\n").returncode == 0
    assert "--volumes" in called.read_text()


def test_a_database_is_destroyed_only_for_a_backup_that_was_verified(unpacked: Path) -> None:
    (unpacked / ".env").write_text('DEPLOYMENT="govern.example.com"\n')
    whole = "20261126T100000Z-0a1b2c3d"
    calls = engine(
        unpacked,
        f"""*'backup verify --json nope') exit 1 ;;
        *'backup verify --json'*) cat >/dev/null; echo '{{"deployment": "x", "id": "{whole}", "sound": true}}' ;;
        *'volume rm'*) exit 7 ;;""",  # far enough
    )
    answer = "replace govern.example.com\n"
    refused = run(unpacked, "./restore.sh", "--replace", "--backup", "nope", answer=answer)
    assert "the backup nope cannot be restored: nothing was changed" in refused.stderr
    told = calls.read_text().splitlines()
    assert len(told) == 1, told
    assert "run --rm -T --no-deps backup backup verify --json nope" in told[0]
    done = run(unpacked, "./restore.sh", "--replace", answer=answer)
    assert f"from the backup {whole}" in done.stdout
    told = [line.partition("--progress quiet ")[2] or line for line in calls.read_text().splitlines()[1:]]
    assert [line[:30].strip() for line in told] == [
        "run --rm -T --no-deps backup b", "--profile restore down --remov", "volume rm --force governlayer_",
    ]  # fmt: skip


def test_an_upgrade_and_a_restore_do_not_mix_installations(unpacked: Path) -> None:
    assert "nothing is installed" in run(unpacked, "./upgrade.sh").stderr
    assert "--passphrase-file" in run(unpacked, "./restore.sh").stderr
    (unpacked / ".env").write_text('DEPLOYMENT="govern.example.com"\n')
    assert "an installation is here" in run(unpacked, "./restore.sh", "--passphrase-file", "/dev/null").stderr
    other = unpacked.parent / "old"
    other.mkdir()
    (other / ".env").write_text('DEPLOYMENT="govern.example.com"\n')
    assert "has an .env already" in run(unpacked, "./upgrade.sh", "--from", str(other)).stderr
    assert os.listdir(other) == [".env"]  # noqa: PTH208


def test_no_file_that_lies_beside_is_read_by_itself(unpacked: Path) -> None:
    engine = unpacked.parent / "bin" / "docker"
    engine.write_text('#!/bin/sh\nprintf "%s" "$COMPOSE_FILE"\n')
    engine.chmod(0o755)
    command = ("sh", "-c", SOURCED + "compose up", "./lib.sh")
    (unpacked / "compose.override.yaml").write_text("services: {}\n")
    assert run(unpacked, *command).stdout == "compose.yaml"
    (unpacked / ".env").write_text('COMPOSE_FILE="compose.yaml:compose.proxy.yaml"\n')
    assert run(unpacked, *command).stdout == "compose.yaml:compose.proxy.yaml"


def test_what_containers_read_is_readable_and_keys_of_ones_own_stay_closed(unpacked: Path) -> None:
    for name in ("chmod", "cp"):
        (unpacked.parent / "bin" / name).symlink_to(str(shutil.which(name)))
    own = unpacked / "config" / "tls"
    own.mkdir(parents=True, mode=0o755)
    (unpacked / "config" / "policies.cedar").touch(mode=0o600)
    (unpacked / "config" / "settings.env").touch(mode=0o600)
    (own / "server.key").touch(mode=0o400)
    assert run(unpacked, "sh", "-c", SOURCED + "readable", "./lib.sh").stderr == ""
    modes = {str(one.relative_to(unpacked)): one.stat().st_mode & 0o777 for one in (unpacked / "config").rglob("*")}
    assert modes == {
        "config/policies.cedar": 0o644, "config/settings.env": 0o600, "config/tls": 0o755, "config/tls/server.key": 0o400,
    }  # fmt: skip


def test_an_upgrade_that_fails_at_once_brings_back_no_settings_of_an_earlier_one(unpacked: Path) -> None:
    (unpacked / ".env").write_text('GOVERNLAYER_IMAGE="sha256:new"\n')
    (unpacked / ".env.before").write_text('GOVERNLAYER_IMAGE="sha256:old"\n')
    assert run(unpacked, "./upgrade.sh").returncode == 1
    assert (unpacked / ".env").read_text() == 'GOVERNLAYER_IMAGE="sha256:new"\n'
