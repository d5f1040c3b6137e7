"""The scripts of the bundle, as far as they go without an engine: what they refuse, before anything changes."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.deploy.compose.bundle import BUNDLE, ROOT, TOOL
from tests.deploy.compose.scripts import INSTALLED, SOURCED, engine, run, seal, snapshot
from tests.fakes.debian import program

SCRIPTS = ("install.sh", "upgrade.sh", "backup.sh", "restore.sh", "uninstall.sh", "bundle.sh")


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


@pytest.mark.parametrize(
    ("given", "is_one"),
    [("8600", True), ("8600-8601", True), ("1-3000", False), ("8601-8600", False), ("0", False), ("65536", False),
     ("99999999999999999999", False), ("-8600", False), ("8600-", False), ("1-2-3", False), ("x", False)],
)  # fmt: skip
def test_ports_are_few(unpacked: Path, given: str, is_one: bool) -> None:
    done = run(unpacked, "sh", "-c", SOURCED + f"check_port() {{ echo $1; }}; check_ports '{given}'", "./lib.sh")
    assert (done.stdout.splitlines() == [str(port) for port in (8600, 8601) if str(port) in given]) is is_one
    assert done.stdout.startswith("FAIL  port") is not is_one
    assert done.stderr == ""


def test_files_that_others_may_write_to_are_named(unpacked: Path) -> None:
    command = ("sh", "-c", SOURCED + "check_files", "./lib.sh")
    for own in ("backups", "config/tls"):
        (unpacked / own).mkdir(parents=True)
        (unpacked / own).chmod(0o777)
    assert run(unpacked, *command).stdout == ""
    (unpacked / "files" / "redis.conf").chmod(0o666)
    assert "./files/redis.conf is of another user, or others may write" in run(unpacked, *command).stdout


def test_a_bundle_that_was_changed_is_not_loaded(unpacked: Path) -> None:
    (unpacked / "images.tar").write_bytes(b"images")
    calls = engine(unpacked)
    seal(unpacked)
    (unpacked / "images.tar").write_bytes(b"imagez")
    command = ("sh", "-c", SOURCED + "load_images .", "./lib.sh")
    assert "damaged or was changed" in run(unpacked, *command).stderr
    assert "load" not in calls.read_text()
    (unpacked / "images.tar").write_bytes(b"images")
    assert run(unpacked, *command).returncode == 0
    assert "load --quiet --input images.tar" in calls.read_text()
    (unpacked / "SHA256SUMS").unlink()
    assert "cannot be verified" in run(unpacked, *command).stderr


def test_data_is_deleted_only_when_its_name_is_typed(unpacked: Path) -> None:
    calls = engine(unpacked)
    (unpacked / ".env").write_text(INSTALLED)
    (unpacked / "config").mkdir()
    for answer in ("", "yes\n", "delete\n"):
        refused = run(unpacked, "./uninstall.sh", "--delete-data", answer=answer)
        assert "not confirmed" in refused.stderr
        assert {line.partition(" --")[0] for line in calls.read_text().splitlines()} == {"volume ls"}
    run(unpacked, "./uninstall.sh")
    assert "--volumes" not in calls.read_text()
    assert run(unpacked, "./uninstall.sh", "--delete-data", answer="delete govern.example.com\n").returncode == 0
    told = calls.read_text()
    assert "--volumes" in told
    assert "governlayer_installation" not in told.partition("volume rm")[2].splitlines()[0]
    assert told.index("volume rm governlayer_secrets") < told.index("volume rm --force governlayer_installation")
    left = {file.name.partition("-")[0] for file in (*unpacked.glob(".env*"), *unpacked.glob("config*"))}
    assert left == {".env.deleted", "config.deleted"}


def test_a_database_is_destroyed_only_for_a_backup_that_was_verified(unpacked: Path) -> None:
    (unpacked / ".env").write_text(INSTALLED)
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
    told = [line for line in calls.read_text().splitlines() if not line.startswith("volume ls")]
    assert len(told) == 1, told
    assert "run --rm -T --no-deps backup backup verify --json nope" in told[0]
    calls.write_text("")
    done = run(unpacked, "./restore.sh", "--replace", answer=answer)
    assert f"from the backup {whole}" in done.stdout
    told = [line.partition("--progress quiet ")[2] or line for line in calls.read_text().splitlines()]
    assert [line[:30].strip() for line in told if not line.startswith("volume ls")] == [
        "run --rm -T --no-deps backup b", "--profile restore down --remov", "volume rm --force governlayer_",
    ]  # fmt: skip


def test_nothing_is_destroyed_from_a_bundle_that_was_changed(unpacked: Path) -> None:
    calls = engine(unpacked)
    (unpacked / ".env").write_text(INSTALLED)
    seal(unpacked)
    (unpacked / "stray").touch()
    refused = run(unpacked, "./restore.sh", "--replace", answer="replace govern.example.com\n")
    assert "not of this bundle" in refused.stderr
    assert {line.partition(" --")[0] for line in calls.read_text().splitlines()} == {"volume ls"}


@pytest.mark.parametrize("option", ["--settings", "--passphrase-file", "--name"])
def test_a_restore_in_place_takes_no_settings(unpacked: Path, option: str) -> None:
    (unpacked / ".env").write_text(INSTALLED)
    calls = engine(unpacked)
    refused = run(unpacked, "./restore.sh", "--replace", option, "kept")
    assert (refused.returncode, "--replace takes --backup alone" in refused.stderr) == (1, True)
    assert calls.read_text() == ""


def test_an_upgrade_and_a_restore_do_not_mix_installations(unpacked: Path) -> None:
    assert "nothing is installed" in run(unpacked, "./upgrade.sh").stderr
    assert "--passphrase-file" in run(unpacked, "./restore.sh").stderr
    engine(unpacked)
    (unpacked / ".env").write_text(INSTALLED)
    assert "an installation is here" in run(unpacked, "./restore.sh", "--passphrase-file", "/dev/null").stderr
    other = unpacked.parent / "old"
    other.mkdir()
    (other / ".env").write_text('DEPLOYMENT="govern.example.com"\n')
    for one in (".env", "config"):
        assert f"has {one} already" in run(unpacked, "./upgrade.sh", "--from", str(other)).stderr
        (unpacked / ".env").unlink(missing_ok=True)
        (unpacked / "config").mkdir(exist_ok=True)
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


def test_what_was_pulled_is_held_against_the_lock(unpacked: Path) -> None:
    """The lock as lock-images.sh writes it; the engine says of each image which digests it came under."""
    images = unpacked / "own.txt"
    images.write_text("# some\nPOSTGRES_IMAGE docker.io/library/postgres:17\nREDIS_IMAGE docker.io/valkey/valkey:8\n")
    lock = unpacked.parent / "images.lock"
    right = [f"docker.io/library/postgres@sha256:{'a' * 64} # 17", f"docker.io/valkey/valkey@sha256:{'b' * 64} # 8"]
    engine(unpacked, f"""*RepoDigests*postgres:17) echo 'postgres@sha256:{"c" * 64} postgres@sha256:{"a" * 64} ' ;;
        *RepoDigests*valkey:8) echo 'valkey/valkey@sha256:{"b" * 64} ' ;; *'save --output'*) : >images.tar ;;""")  # fmt: skip
    command = ("./bundle.sh", "--pull", "--images", "own.txt", "--lock", str(lock))
    assert "cannot be read" in run(unpacked, *command, "../none").stderr
    for number, (lines, said) in enumerate([
        ([right[0], right[1].replace("b", "d")], f"docker.io/valkey/valkey:8 is not sha256:{'d' * 64}"),
        ([right[0].replace("# 17", "# 16"), right[1]], "docker.io/library/postgres:17 is not in"),
        ([right[1]], "docker.io/library/postgres:17 is not in"),
        (["# nothing"], "docker.io/library/postgres:17 is not in"),
        (right, ""),
    ]):  # fmt: skip
        lock.write_text("\n".join(lines) + "\n")
        output = unpacked.parent / f"made-{number}"
        done = run(unpacked, *command, str(output))
        assert said in done.stderr
        assert (done.returncode == 0) is (output / "SHA256SUMS").exists() is (said == ""), done.stderr


def test_the_images_of_others_are_pulled_and_ours_is_not(unpacked: Path) -> None:
    """By images.txt as it is; the proxy is left out where it cannot be pulled."""
    (unpacked / "files" / "__pycache__").mkdir(exist_ok=True)
    (unpacked / "files" / "__pycache__" / "init.pyc").touch()
    calls = engine(unpacked, """*'pull --quiet'*haproxy*) exit 1 ;; *'image inspect'*haproxy*) exit 1 ;;
        *'save --output'*) : >images.tar ;;""")  # fmt: skip
    assert run(unpacked, "./bundle.sh", "--pull", str(unpacked.parent / "made")).returncode == 0
    pulled = [line.split()[-1] for line in calls.read_text().splitlines() if line.startswith("pull")]
    assert pulled == ["docker.io/library/postgres:17", "docker.io/valkey/valkey:8", "docker.io/library/haproxy:3.2"]
    saved = next(line for line in calls.read_text().splitlines() if line.startswith("save"))
    assert saved.endswith(" governlayer/governlayer:0.1.0 docker.io/library/postgres:17 docker.io/valkey/valkey:8")
    engine(unpacked, "*'pull --quiet'*valkey*) exit 1 ;;")
    assert "init.pyc" not in (unpacked.parent / "made" / "SHA256SUMS").read_text()
    refused = run(unpacked, "./bundle.sh", "--pull", str(unpacked.parent / "other"))
    assert "docker.io/valkey/valkey:8 cannot be pulled" in refused.stderr
