"""What the commands for backups refuse before they begin, and what they name then."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from governlayer_server.cli.backup import backup
from governlayer_server.cli.restore import restore
from governlayer_server.domain.errors import ConfigurationError, NotFound

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_HOST", "BACKUP_TO", "BACKUP_PASSPHRASE", "BACKUP_PASSPHRASE_FILE"):
        monkeypatch.delenv(f"GOVERNLAYER_{name}", raising=False)


def verified(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(backup, ["verify", *map(str, arguments)], env=environment)


def test_a_directory_that_is_missing_is_no_empty_one(tmp_path: Path) -> None:
    done = CliRunner().invoke(backup, ["list", "--from", str(tmp_path)])
    assert (done.exit_code, done.output) == (0, f"no backups in {tmp_path}\n")
    for command, arguments in ((backup, ["list"]), (backup, ["verify"]), (restore, ["--data", str(tmp_path / "new")])):
        done = CliRunner().invoke(
            command, [*arguments, "--from", str(tmp_path / "typo")], env={"GOVERNLAYER_BACKUP_PASSPHRASE": PASSPHRASE}
        )
        assert isinstance(done.exception, ConfigurationError), done.output
        assert str(tmp_path / "typo") in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_where_no_backup_is_the_place_is_named(tmp_path: Path) -> None:
    for chosen in ([], ["20300101T000000Z-00000000"]):
        done = verified(*chosen, "--from", tmp_path, GOVERNLAYER_BACKUP_PASSPHRASE=PASSPHRASE)
        assert isinstance(done.exception, NotFound), done.output
        assert str(done.exception) == f"there is no {' '.join(['whole backup', *chosen])} in {tmp_path}"


def test_a_relative_destination_is_one_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path)
    done = verified("--from", "b", GOVERNLAYER_BACKUP_PASSPHRASE=PASSPHRASE)
    assert str(done.exception).endswith(f" in {tmp_path / 'b'}")


@pytest.mark.parametrize("option", ["--passphrase-file", "--keys-passphrase-file"])
def test_a_file_with_a_passphrase_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    given = {"GOVERNLAYER_BACKUP_PASSPHRASE": PASSPHRASE}
    file = tmp_path / "passphrase"
    for make, why in (
        (lambda: None, "cannot be read"),
        (lambda: file.write_text(PASSPHRASE), "user alone"),
        (lambda: (file.chmod(0o600), file.write_bytes(b"\xff")), "UTF-8"),
    ):
        make()
        done = verified("--from", tmp_path, option, file, **given)
        assert isinstance(done.exception, ConfigurationError), done.output
        assert str(done.exception).startswith(f"{option} {file} ")
        assert why in str(done.exception)


def test_secrets_have_their_place_in_a_data_directory(tmp_path: Path) -> None:
    arguments = ["--from", tmp_path, "--data", tmp_path / "new", "--secrets", tmp_path / "secrets"]
    done = CliRunner().invoke(restore, list(map(str, arguments)))
    assert done.exit_code == 2
    assert "--secrets" in done.output
    assert list(tmp_path.iterdir()) == []
