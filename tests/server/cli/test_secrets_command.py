"""The secrets of a new deployment are made once, for their owner alone, as the settings want them."""

import json
import os
import re
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from governlayer_server.adapters.key_providers.file import OWN, read_line
from governlayer_server.cli.commands import governlayer
from governlayer_server.domain.backup import MIN_PASSPHRASE
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings import PREFIX, settings_from
from governlayer_server.settings.first_secrets import FIRST_SECRETS

_SETTINGS = {
    "key-encryption-key": "KEY_ENCRYPTION_KEY",
    "pepper": "PEPPER",
    "jwt-secret": "JWT_SECRET",
    "database-app-password": "DATABASE_PASSWORD",
    "database-owner-password": "DATABASE_OWNER_PASSWORD",
    "redis-password": "REDIS_PASSWORD",
    "metrics-token": "METRICS_TOKEN",
    "backup-passphrase": "BACKUP_PASSPHRASE",
}


def init(*arguments: str | Path) -> Result:
    return CliRunner().invoke(governlayer, ["secrets", "init", *map(str, arguments)])


def texts(directory: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in directory.iterdir()}


def test_each_secret_is_a_file_for_its_owner_alone_and_stands_in_no_output(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "secrets"
    done = init("--directory", directory)
    assert done.exit_code == 0, done.output
    made = texts(directory)
    assert made.keys() == FIRST_SECRETS.keys()
    assert {file.stat().st_mode & 0o7777 for file in directory.iterdir()} == {0o400}
    assert directory.stat().st_mode & 0o777 == 0o700
    assert len(set(made.values())) == len(made)
    assert not any(text in done.output for text in made.values())
    assert read_line(directory / "key-encryption-key", OWN) == made["key-encryption-key"]


def test_the_settings_take_them_as_they_are(tmp_path: Path) -> None:
    init("--directory", tmp_path / "s")
    files = {f"{PREFIX}{setting}_FILE": str(tmp_path / "s" / name) for name, setting in _SETTINGS.items()}
    plain = {
        "DATABASE_HOST": "db.example.com",
        "DATABASE_USER": "governlayer_app",
        "DATABASE_OWNER_USER": "governlayer_owner",
        "POLICIES": "/policies",
        "KEY_PROVIDER": "file",
        "BACKUP_TO": "/backups",
        "BACKUP_HOURS": "24",
    }
    settings = settings_from({**files, **{PREFIX + name: value for name, value in plain.items()}})
    assert settings.database.password == (tmp_path / "s" / "database-app-password").read_text()
    assert settings.backups.passphrase is not None
    assert len(settings.backups.passphrase) >= MIN_PASSPHRASE


def test_run_again_it_keeps_what_is_there_and_makes_what_is_missing(tmp_path: Path) -> None:
    init("--directory", tmp_path / "s")
    before = texts(tmp_path / "s")
    (tmp_path / "s" / "pepper").unlink()
    again = init("--directory", tmp_path / "s")
    after = texts(tmp_path / "s")
    assert {name for name in before if before[name] != after[name]} == {"pepper"}
    assert re.findall(r"^made  .*/([a-z-]+)$", again.output, re.MULTILINE) == ["pepper"]
    assert len(re.findall(r"^kept  ", again.output, re.MULTILINE)) == len(before) - 1


@pytest.mark.parametrize("spoil", ["empty", "link", "directory"])
def test_what_is_no_secret_is_refused_and_left_alone(tmp_path: Path, spoil: str) -> None:
    file = tmp_path / "s" / "jwt-secret"
    file.parent.mkdir(mode=0o700)
    {"empty": file.touch, "link": lambda: file.symlink_to("/nowhere"), "directory": file.mkdir}[spoil]()
    refused = init("--directory", tmp_path / "s")
    assert isinstance(refused.exception, ConfigurationError)
    assert str(file) in str(refused.exception)
    assert not file.is_file() or not file.stat().st_size


def test_a_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s").chmod(0o770)
    refused = init("--directory", tmp_path / "s")
    assert "chmod go-w" in str(refused.exception)
    assert not list((tmp_path / "s").iterdir())


def belongs(monkeypatch: pytest.MonkeyPatch, path: Path, uid: int) -> None:
    """Let *path* and what is in it be files of the user *uid*, as only root could make them."""
    lstat = Path.lstat

    def owned(file: Path) -> os.stat_result:
        found = list(lstat(file))
        found[stat.ST_UID] = uid if file.is_relative_to(path) else found[stat.ST_UID]
        return os.stat_result(found)

    monkeypatch.setattr(Path, "lstat", owned)


def test_a_directory_that_is_a_link_or_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "s")
    assert "is a link" in str(init("--directory", tmp_path / "link").exception)
    belongs(monkeypatch, tmp_path, os.geteuid() + 1)
    assert f"belongs to user {os.geteuid() + 1}: run as that user" in str(init("--directory", tmp_path / "s").exception)
    assert not list((tmp_path / "s").iterdir())


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o420, 0o402, 0o600, 0o400])
def test_a_secret_that_others_may_know_is_not_kept(tmp_path: Path, mode: int) -> None:
    init("--directory", tmp_path / "s")
    file = tmp_path / "s" / "pepper"
    before = file.read_text()
    file.chmod(mode)
    done = init("--directory", tmp_path / "s")
    assert bool(done.exit_code) == bool(mode & 0o077)
    if done.exit_code:
        assert f"{file} (user {os.geteuid()}, mode {mode:04o}) may be known to others" in str(done.exception)
        assert f"`chmod 0400 {file}`" in str(done.exception)
    assert file.read_text() == before


def test_a_secret_of_another_user_is_not_kept_and_one_of_root_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "s" / "pepper"
    init("--directory", tmp_path / "s")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    belongs(monkeypatch, tmp_path, 0)
    assert init("--directory", tmp_path / "s").exit_code == 0
    belongs(monkeypatch, file, 54321)
    refused = init("--directory", tmp_path / "s")
    assert f"{file} (user 54321, mode 0400) may be known to others" in str(refused.exception)
    assert f"`chown 12345 {file}`" in str(refused.exception)


def parsed(manifest: str) -> dict[str, str]:
    return {key: json.loads(text) for key, text in re.findall(r'^  ([a-z-]+): (".*")$', manifest, re.MULTILINE)}


def test_the_manifest_has_all_of_them_and_can_be_printed_again_from_the_files(tmp_path: Path) -> None:
    asked = ("--format", "kubernetes", "--name", "gl", "--namespace", "govern")
    fresh = init(*asked)
    assert fresh.stdout.startswith("apiVersion: v1\nkind: Secret\nmetadata:\n")
    found = parsed(fresh.stdout)
    assert (found.pop("name"), found.pop("namespace")) == ("gl", "govern")
    assert found.keys() == FIRST_SECRETS.keys()
    kept = [init(*asked, "--directory", tmp_path / "s").stdout for _ in range(2)]
    assert kept[0] == kept[1] != fresh.stdout
    assert texts(tmp_path / "s").items() <= parsed(kept[0]).items()


@pytest.mark.parametrize("option", ["--name", "--namespace"])
def test_a_name_that_kubernetes_has_not_is_refused(option: str) -> None:
    refused = init("--format", "kubernetes", option, "Bad_Name\n")
    assert isinstance(refused.exception, ConfigurationError)
    assert refused.stdout == ""


def test_files_need_a_directory() -> None:
    assert init().exit_code == 2
