"""What came along with a bundle is not obeyed: settings of nobody on this machine, files that no checksum is for."""

import os
import shutil
from pathlib import Path

import pytest

from tests.deploy.compose.scripts import INSTALLED, SOURCED, engine, run, seal

LOAD = ("sh", "-c", SOURCED + "load_images .", "./lib.sh")
FOREIGN = "is not from an installation on this machine"


def plant(unpacked: Path, what: str) -> None:
    if what == "config":
        (unpacked / "config").mkdir()
    elif what == "a link":
        (unpacked / ".env").symlink_to("/nonexistent")
    else:
        (unpacked / ".env").write_text('COMPOSE_FILE="evil.yaml"\nBACKUPS="/etc"\nINSTALLATION="43"\n')


@pytest.mark.parametrize("marks", ["", "governlayer_secrets \ngovernlayer_installation 42\n"], ids=["new", "installed"])
@pytest.mark.parametrize("planted", [".env", "config", "a link"])
def test_settings_that_came_along_are_refused(unpacked: Path, planted: str, marks: str) -> None:
    calls = engine(unpacked, volumes=marks)
    plant(unpacked, planted)
    done = run(unpacked, "./install.sh")
    assert done.returncode == 1
    assert FOREIGN in done.stderr
    assert "Move .env and config away" in done.stderr
    assert is_untouched(calls)


def is_untouched(calls: Path) -> bool:
    changing = ("compose --progress", "volume create", "run ", "load ")
    return not any(line.startswith(changing) for line in calls.read_text().splitlines())


def test_no_script_obeys_them(unpacked: Path) -> None:
    calls = engine(unpacked, volumes="")
    plant(unpacked, ".env")
    for command in (
        ("./install.sh", "--check"), ("./restore.sh", "--passphrase-file", "/dev/null"), ("./restore.sh", "--replace"),
        ("./uninstall.sh",), ("./backup.sh",), ("./upgrade.sh",),
    ):  # fmt: skip
        assert FOREIGN in run(unpacked, *command).stderr, command
    assert is_untouched(calls)


def test_an_engine_that_does_not_answer_is_not_a_reason_to_remove_settings(unpacked: Path) -> None:
    engine(unpacked, "*'volume ls'*) exit 1 ;;")
    (unpacked / ".env").write_text(INSTALLED)
    refused = run(unpacked, "./backup.sh").stderr
    assert "no Docker Engine answers" in refused
    assert FOREIGN not in refused


def test_an_installation_that_is_cut_off_anywhere_is_gone_on_with(unpacked: Path) -> None:
    """The engine fails at one call after the other; whatever was made by then is taken for one's own."""
    count, fails = unpacked.parent / "count", unpacked.parent / "fails"
    engine(
        unpacked, f"""*'volume '* | *'run --rm'*) echo >>{count}; [ "$(wc -l <{count})" != "$(cat {fails})" ] || exit 1 ;;
        esac; case $* in""", volumes="",
    )  # fmt: skip
    for place in range(1, 5):
        count.write_text("")
        fails.write_text(str(place))
        done = run(unpacked, "./install.sh", "--name", "govern.example.com")
        assert done.returncode == 1
        assert FOREIGN not in done.stderr
    fails.write_text("none")
    assert run(unpacked, "./install.sh").returncode == 0
    settings = (unpacked / ".env").read_text()
    mark = (unpacked.parent / "volumes").read_text().split()[1]
    assert f'INSTALLATION="{mark}"\n' in settings
    assert len(mark) == 32
    assert 'PUBLIC_URL="https://govern.example.com:8600"\n' in settings


def test_where_the_mark_is_lost_settings_are_taken_only_for_who_says_that_they_are_his(unpacked: Path) -> None:
    calls = engine(unpacked, volumes="governlayer_secrets \n")
    (unpacked / ".env").write_text('DEPLOYMENT="x"\nPORT="8600-8601"\nBACKUPS="/srv"\n')
    refused = run(unpacked, "./install.sh")
    assert refused.returncode == 1
    assert FOREIGN in refused.stderr
    assert "the engine has lost its mark: ./install.sh --adopt" in refused.stderr
    assert is_untouched(calls)
    assert run(unpacked, "./install.sh", "--adopt").returncode == 0
    mark = (unpacked.parent / "volumes").read_text().split()[1]
    assert f'INSTALLATION="{mark}"\n' in (unpacked / ".env").read_text()
    assert run(unpacked, "./install.sh").returncode == 0


def test_settings_with_another_mark_than_the_engines_cannot_be_adopted(unpacked: Path) -> None:
    calls = engine(unpacked)
    plant(unpacked, ".env")
    refused = run(unpacked, "./install.sh", "--adopt").stderr
    assert FOREIGN in refused
    assert "--adopt" not in refused
    assert is_untouched(calls)


def test_settings_are_refused_before_they_are_read(unpacked: Path) -> None:
    calls = engine(unpacked)
    (unpacked / ".env").write_text('PORT="1-3000"\n')
    assert FOREIGN in run(unpacked, "./install.sh").stderr
    assert " ps " not in calls.read_text()


def test_what_cannot_be_looked_at_is_refused(unpacked: Path) -> None:
    engine(unpacked)
    seal(unpacked)
    find = unpacked.parent / "bin" / "find"
    real = find.readlink()
    find.unlink()
    find.write_text(f'#!/bin/sh\n{real} "$@"\nexit 1\n')
    find.chmod(0o755)
    assert run(unpacked, *LOAD).stderr.splitlines()[1:] == ["something that cannot be read"]


def test_another_version_comes_by_upgrade_alone(unpacked: Path) -> None:
    engine(unpacked, "*'image inspect'*sha256:gone) exit 1 ;;\n *'image inspect'*) echo sha256:new ;;")
    (unpacked / ".env").write_text(INSTALLED + 'POSTGRES_IMAGE="sha256:gone"\nGOVERNLAYER_IMAGE="sha256:old"\n')
    assert run(unpacked, "./install.sh").returncode == 0
    settings = (unpacked / ".env").read_text()
    assert 'GOVERNLAYER_IMAGE="sha256:old"\n' in settings
    assert 'POSTGRES_IMAGE="sha256:new"\n' in settings


def test_a_restore_takes_kept_settings_when_all_else_is_made(unpacked: Path) -> None:
    kept = unpacked.parent / "kept.env"
    kept.write_text("GOVERNLAYER_SMTP_URL=smtp://mail\n")
    for name in ("passphrase", "again"):
        (unpacked.parent / name).write_text("correct horse\n")
    engine(unpacked, "*'make-for-restore'*) exit 7 ;;", volumes="")
    given = ("./restore.sh", "--passphrase-file", "../passphrase", "--settings")
    assert "cannot be read" in run(unpacked, *given, "../missing").stderr
    assert not (unpacked / ".env").exists()
    assert run(unpacked, *given, "../kept.env").returncode == 7
    assert (unpacked / "config" / "settings.env").read_text() == kept.read_text()


def test_a_file_that_no_checksum_is_for_is_refused(unpacked: Path) -> None:
    calls = engine(unpacked)
    seal(unpacked)
    for name in ("compose.override.yaml", "files/more.conf", "chart/x", "a b", "new\nline", "\x1b[2J", "-rf", "docker",
                 ".env.deleted-x/y", "config.old/x", "SHA256SUMS.d/x"):  # fmt: skip
        stray = unpacked / name
        stray.parent.mkdir(exist_ok=True)
        stray.touch()
        refused = run(unpacked, *LOAD).stderr
        assert "not of this bundle" in refused
        assert refused.splitlines()[1:] == ["./" + name.translate({10: "?", 27: "?"})]
        stray.unlink()
    assert calls.read_text() == ""
    assert run(unpacked, *LOAD).returncode == 0


@pytest.mark.parametrize("name", [".env.new", ".env.before", ".env.before.new", "config", "mine.yaml"])
def test_only_a_regular_file_may_have_the_name_of_one(unpacked: Path, name: str) -> None:
    """Into a pipe or a device the settings would be written, and be lost."""
    engine(unpacked)
    seal(unpacked)
    (unpacked / ".env").write_text(INSTALLED.replace("compose.yaml", "compose.yaml:mine.yaml"))
    os.mkfifo(unpacked / name)
    assert run(unpacked, *LOAD).stderr.splitlines()[-1] == f"./{name} (no regular file)"
    (unpacked / name).unlink()
    if name.startswith(".env"):
        (unpacked / name).mkdir()
        assert run(unpacked, *LOAD).stderr.splitlines()[-1] == f"./{name} (a directory)"


@pytest.mark.parametrize("command", ["set_setting PORT 8601", "make_settings 42"])
def test_settings_are_written_into_a_new_file(unpacked: Path, command: str) -> None:
    engine(unpacked, volumes="governlayer_installation 42\n")
    os.mkfifo(unpacked / ".env.new")
    if command.startswith("set"):
        (unpacked / ".env").write_text(INSTALLED)
        assert run(unpacked, "sh", "-c", SOURCED + command, "./lib.sh").returncode == 0
    else:
        run(unpacked, "./install.sh", "--prepare")
    assert 'DEPLOYMENT="' in (unpacked / ".env").read_text()
    assert not (unpacked / ".env.new").exists()


def test_settings_that_cannot_be_copied_are_kept(unpacked: Path) -> None:
    (unpacked / ".env").write_text(INSTALLED)
    grep = unpacked.parent / "bin" / "grep"
    grep.unlink()
    grep.write_text("#!/bin/sh\nexit 2\n")
    grep.chmod(0o755)
    assert run(unpacked, "sh", "-ec", SOURCED + "set_setting PORT 8601", "./lib.sh").returncode != 0
    assert (unpacked / ".env").read_text() == INSTALLED


@pytest.mark.parametrize("name", ["config", "backups", ".env.before", "files/redis.conf", "more"])
def test_a_link_is_refused(unpacked: Path, name: str) -> None:
    engine(unpacked)
    seal(unpacked)
    (unpacked / ".env").write_text(INSTALLED.replace("/srv/backups", str(unpacked / "backups")))
    elsewhere = unpacked.parent / "elsewhere"
    if (unpacked / name).exists():
        shutil.move(unpacked / name, elsewhere)
    (unpacked / name).symlink_to(elsewhere)
    assert run(unpacked, *LOAD).stderr.splitlines()[-1] == f"./{name} (a link)"


def test_what_an_installation_makes_is_let_be(unpacked: Path) -> None:
    engine(unpacked)
    seal(unpacked)
    (unpacked / ".env").write_text(
        INSTALLED.replace("/srv/backups", str(unpacked / "my-backups")).replace(
            "compose.yaml", "compose.yaml:mine.yaml:./more.yaml"
        )
    )
    names = (".env.before", ".env.new", ".env.deleted-20261126T120000Z", "SHA256SUMS.asc", "mine.yaml", "more.yaml",
             "config/tls/server.key", "config.deleted-20261126T120000Z/ca.crt", "my-backups/keys/1")  # fmt: skip
    for name in names:
        (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
        (unpacked / name).touch()
    assert run(unpacked, *LOAD).stderr == ""
    (unpacked / "SHA256SUMS").unlink()
    (unpacked / "anything").touch()
    assert run(unpacked, *LOAD).stderr == ""


def test_an_archive_that_was_loaded_may_be_removed_and_no_other_file(unpacked: Path) -> None:
    engine(unpacked)
    (unpacked / "images.tar").touch()
    seal(unpacked)
    (unpacked / "images.tar").unlink()
    assert run(unpacked, *LOAD).returncode == 0
    (unpacked / "files" / "pg_hba.conf").unlink()
    assert "damaged or was changed" in run(unpacked, *LOAD).stderr
