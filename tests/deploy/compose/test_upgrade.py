"""An upgrade, by what the engine is told in which order, and what it says when a step fails."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.compose.scripts import INSTALLED, engine, run, seal

BACKUP = "20261126T100000Z-0a1b2c3d"
ON = "the database has the schema that it had, and nothing is lost"
NOTHING_SINCE = "Nothing is lost: nothing was decided since."
LOST = "What was decided since the new version started is lost then."
BEFORE = ["doctor", "plan", "check"]
MIGRATING = [*BEFORE, "old stop", "old backup run", "old verify run", "migrate", "up", "doctor"]
RUNNING = [*BEFORE, "old backup exec", "old verify exec", "up", "doctor"]
NAMES = {
    r"exec -T backup governlayer doctor": "doctor",
    r"run .* migrate migrate --plan": "plan",
    r"run .* migrate migrate --check": "check",
    r"stop server backup": "stop",
    r"(run|exec) .*backup --json": "backup",
    r"(run|exec) .*backup verify \S+": "verify",
    r"run .*--no-deps migrate": "migrate",
    r"up --detach --wait .*--remove-orphans": "up",
}


@dataclass
class House:
    """A directory that runs, and a bundle beside it (or none: an upgrade in place)."""

    new: Path
    old: Path

    def upgrade(self, *, fails: str = "", missing: bool = False, changed: bool = False) -> tuple[int, str, list[str]]:
        """
        Upgrade; return the exit status, what was said and the steps that the engine was asked for.

        Args:
            fails: a pattern of what the engine fails at.
            missing: migrations are.
            changed: the old version does not know the schema after that.
        """
        answers = f"""*'env-file'*'migrate --check') exit {int(changed)} ;;
            {fails or "*'no such thing'*"}) exit 9 ;;
            *'migrate --check') exit {int(missing)} ;;
            *'backup --json') echo '{{"deployment": "x", "id": "{BACKUP}"}}' ;;"""
        calls = engine(self.new, answers)
        done = run(self.new, "./upgrade.sh", *(() if self.old == self.new else ("--from", str(self.old))))
        steps = [step for line in calls.read_text().splitlines() if (step := name_of(line))]
        calls.unlink()
        return done.returncode, done.stdout + done.stderr, steps


def name_of(line: str) -> str:
    for pattern, name in NAMES.items():
        if found := re.search(f"--progress quiet (--env-file \\S+/.env.before )?{pattern}$", line):
            words = ("old" if found[1] else "", name, *found.groups()[1:])
            return " ".join(word for word in words if word)
    return ""


@pytest.fixture
def house(unpacked: Path) -> House:
    old = unpacked.parent / "old"
    shutil.copytree(unpacked, old)
    (old / ".env").write_text(INSTALLED)
    (old / "config").mkdir()
    (old / "config" / "policies.cedar").touch()
    return House(new=unpacked, old=old)


def test_servers_stop_before_the_backup_where_migrations_are_missing(house: House) -> None:
    status, said, steps = house.upgrade(missing=True)
    assert (status, steps) == (0, MIGRATING)
    assert f"cd {house.old} && ./restore.sh --replace --backup {BACKUP}" in said
    assert "would be lost" in said
    assert (house.new / ".env").exists()
    assert not (house.new / ".env.before").exists()


def test_without_a_migration_it_backs_up_while_all_runs(house: House) -> None:
    status, said, steps = house.upgrade()
    assert (status, steps) == (0, RUNNING)
    assert f"on which nothing is lost: cd {house.old} && docker compose up --detach --wait" in said


@pytest.mark.parametrize(
    ("fails", "changed", "reached", "promise"),
    [
        ("*'governlayer doctor'", False, "doctor", ON),
        ("*'migrate --plan'", False, "plan", ON),
        ("*'stop server backup'", False, "old stop", ON),
        ("*'backup --json'", False, "old backup run", ON),
        ("*'backup verify'*", False, "old verify run", ON),
        ("*'--no-deps migrate'", False, "migrate", ON),
        ("*'--no-deps migrate'", True, "migrate", NOTHING_SINCE),
        ("*' up --detach'*", True, "up", LOST),
    ],
)
def test_a_step_that_fails_ends_it_and_the_way_back_is_said(
    house: House, fails: str, changed: bool, reached: str, promise: str
) -> None:
    status, said, steps = house.upgrade(fails=fails, missing=True, changed=changed)
    assert status == 9 or reached in {"doctor", "old backup run"}
    assert status != 0
    assert [step for step in dict.fromkeys(steps) if step != "old check"] == MIGRATING[: MIGRATING.index(reached) + 1]
    last = said.partition("FAILED. The way back: ")[2]
    assert promise in last
    assert (f"cd {house.old} && docker compose up --detach --wait" in last) is (promise == ON)
    assert (f"cd {house.old} && ./restore.sh --replace --backup {BACKUP}" in last) is (promise != ON)
    assert not [name for name in (".env", ".env.before", "config") if (house.new / name).exists()]
    assert house.upgrade(missing=True)[0] == 0


def test_a_new_version_that_does_not_start_without_a_migration_loses_nothing(house: House) -> None:
    status, said, steps = house.upgrade(fails="*' up --detach'*")
    assert (status, steps) == (9, RUNNING[:-1])
    assert ON in said


def test_a_bundle_that_was_changed_or_has_settings_or_strays_is_not_taken(house: House) -> None:
    seal(house.new)
    (house.new / "stray").touch()
    status, said, steps = house.upgrade()
    assert (status, steps) == (1, ["doctor"])
    assert "not of this bundle" in said
    assert not (house.new / ".env").exists()
    (house.new / "stray").unlink()
    (house.new / "config").mkdir()
    status, said, steps = house.upgrade()
    assert (status, steps) == (1, [])
    assert "has config already" in said
    assert (house.new / "config").exists()


def test_what_an_upgrade_left_that_was_killed_is_begun_again(house: House) -> None:
    before = {".env.before": INSTALLED, ".env": INSTALLED + 'GOVERNLAYER_IMAGE="sha256:1"\n', "config/old": ""}
    for name, text in before.items():
        (house.new / name).parent.mkdir(exist_ok=True)
        (house.new / name).write_text(text)
    status, said, steps = house.upgrade(changed=True)
    assert (status, steps) == (1, ["old check"])
    assert f"after: cd {house.old} && docker compose up --detach --wait" in said
    assert f"./install.sh in {house.new} goes on with the upgrade" in said
    assert {name: (house.new / name).read_text() for name in before} == before
    status, said, steps = house.upgrade(missing=True)
    assert (status, steps) == (0, ["old check", *MIGRATING])
    assert not (house.new / "config" / "old").exists()
    (house.new / ".env.before").write_text("of another\n")
    status, said, steps = house.upgrade()
    assert (status, steps) == (1, [])
    assert f"remove .env, .env.before and config of {house.new}" in said
    assert f"starts with: cd {house.old} && docker compose up --detach --wait" in said


@pytest.mark.parametrize("signal", ["HUP", "INT", "TERM"])
def test_an_upgrade_that_is_interrupted_puts_back_and_says_the_way(house: House, signal: str) -> None:
    status, said, _ = house.upgrade(fails=f"*'migrate --plan') kill -{signal} $PPID ;; *'no such thing'*")
    assert status == 130
    assert ON in said
    assert not [name for name in (".env", ".env.before", "config") if (house.new / name).exists()]


def test_containers_can_read_the_settings_that_came_along(house: House) -> None:
    (house.old / "config" / "policies.cedar").chmod(0o600)
    assert house.upgrade()[0] == 0
    assert (house.new / "config" / "policies.cedar").stat().st_mode & 0o777 == 0o644


def test_compose_files_of_ones_own_are_asked_for_before_anything_changes(house: House) -> None:
    (house.old / ".env").write_text(INSTALLED.replace("compose.yaml", "compose.yaml:mine.yaml"))
    seal(house.new)
    status, said, steps = house.upgrade()
    assert (status, steps) == (1, [])
    assert f"names mine.yaml: put that into {house.new} first" in said
    assert "FAILED" not in said
    (house.new / "mine.yaml").touch()
    (house.old / "mine.yaml").touch()
    assert house.upgrade()[0] == 0


@pytest.mark.parametrize("name", ["compose.override.yaml", "./compose.override.yaml"])
def test_a_compose_file_that_came_along_is_not_taken_for_ones_own(house: House, name: str) -> None:
    (house.old / ".env").write_text(INSTALLED.replace("compose.yaml", f"compose.yaml:{name}"))
    (house.old / "compose.override.yaml").write_text("services: {}\n")
    (house.old / "compose.yaml").write_text("of the version of before\n")
    seal(house.new)
    (house.new / "compose.override.yaml").write_text("services: {server: {privileged: true}}\n")
    status, said, steps = house.upgrade()
    assert (status, steps) == (1, [])
    assert f"{name} in {house.new} is not of the bundle and differs from the one that runs" in said
    shutil.copy(house.old / "compose.override.yaml", house.new)
    assert house.upgrade()[0] == 0


def test_in_place_the_settings_of_before_are_put_back_and_kept_for_the_way_back(house: House) -> None:
    house.old = house.new
    settings = INSTALLED + 'GOVERNLAYER_IMAGE="sha256:old"\n'
    (house.new / ".env").write_text(settings)
    (house.new / "config").mkdir()
    (house.new / "config" / "policies.cedar").touch()
    status, said, steps = house.upgrade(fails="*' up --detach'*", missing=True)
    assert (status, steps) == (9, [*MIGRATING[:-1], "old check"])
    assert (house.new / ".env").read_text() == settings
    assert (house.new / "config").exists()
    status, said, _ = house.upgrade(missing=True)
    assert status == 0
    assert 'GOVERNLAYER_IMAGE="sha256:1"\n' in (house.new / ".env").read_text()
    assert (house.new / ".env.before").read_text() == settings
    assert f"cd {house.new} && mv .env.before .env && ./restore.sh --replace --backup {BACKUP}" in said


def test_a_copy_of_the_settings_that_fails_is_not_put_back(house: House) -> None:
    """A disk that is full: half of the copy is there. An `.env.before` of an earlier upgrade is not put back either."""
    house.old = house.new
    (house.new / ".env").write_text(INSTALLED)
    (house.new / ".env.before").write_text('GOVERNLAYER_IMAGE="sha256:old"\n')
    copy = house.new.parent / "bin" / "cp"
    copy.unlink()
    copy.write_text('#!/bin/sh\nfor last; do :; done\nprintf half >"$last"\nexit 1\n')
    copy.chmod(0o755)
    status, said, steps = house.upgrade()
    assert (status, steps) == (1, ["doctor"])
    assert ON in said
    assert (house.new / ".env").read_text() == INSTALLED
    assert not (house.new / ".env.before.new").exists()


def test_an_upgrade_that_fails_at_once_brings_back_no_settings_of_an_earlier_one(house: House) -> None:
    house.old = house.new
    (house.new / ".env").write_text(INSTALLED)
    (house.new / ".env.before").write_text('GOVERNLAYER_IMAGE="sha256:old"\n')
    assert house.upgrade(fails="*'governlayer doctor'")[0] == 1
    assert (house.new / ".env").read_text() == INSTALLED
