"""The secrets that ``governlayer up`` makes in its data directory."""

import stat
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.cli.common import embedded_settings, kept_settings, opened_appliance, running_appliance
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings import PREFIX, encode_secret
from governlayer_server.wiring import Appliance
from msgspec.structs import replace


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    return DataDirectory.open(tmp_path / "data")


def test_the_jwt_secret_is_made_once_private_and_of_64_bytes(directory: DataDirectory, tmp_path: Path) -> None:
    first = embedded_settings(directory).identity
    assert [len(secret) for secret in first.jwt_secrets] == [64]
    assert embedded_settings(directory).identity == first
    assert stat.S_IMODE((directory.secrets / "jwt-secret").stat().st_mode) == 0o600
    assert embedded_settings(DataDirectory.open(tmp_path / "other")).identity != first


def test_a_jwt_secret_that_is_moved_aside_goes_on_to_verify(directory: DataDirectory) -> None:
    (old,) = embedded_settings(directory).identity.jwt_secrets
    assert not (directory.secrets / "jwt-secret.previous").exists()
    (directory.secrets / "jwt-secret").rename(directory.secrets / "jwt-secret.previous")
    new, previous = embedded_settings(directory).identity.jwt_secrets
    assert previous == old
    assert new != old


@pytest.mark.parametrize("name", ["jwt-secret", "jwt-secret.previous"])
def test_a_weak_secret_in_the_directory_is_refused(directory: DataDirectory, name: str) -> None:
    file = directory.secrets / name
    for weak in (encode_secret(bytes(64)), encode_secret(bytes(range(63))), "no secret"):
        file.write_text(weak, encoding="utf-8")
        file.chmod(0o600)
        with pytest.raises(ConfigurationError) as refused:
            embedded_settings(directory)
        assert weak not in str(refused.value)


@pytest.fixture
def started(directory: DataDirectory) -> DataDirectory:
    """A directory with all that a first start makes in it, but the databases."""
    embedded_settings(directory)
    postgres = EmbeddedPostgres(directory)
    assert postgres.owner != postgres.admin
    directory.postgres.mkdir()
    return directory


MADE = [
    *("key-encryption-key", "pepper", "jwt-secret", "deployment", "redis.password"),
    *("governlayer-admin.password", "governlayer-app.password", "governlayer-owner.password"),
]


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("opening", [running_appliance, opened_appliance])
async def test_no_command_makes_a_lost_secret_anew(
    started: DataDirectory, opening: Callable[[Path], AbstractAsyncContextManager[Appliance]], name: str
) -> None:
    embedded = embedded_settings(started)
    assert replace(kept_settings(started), keys=embedded.keys) == embedded
    (started.secrets / name).unlink()
    with pytest.raises(ConfigurationError, match=f"{name} is missing"):
        async with opening(started.path):
            pytest.fail("it opened")
    assert sorted(file.name for file in started.secrets.iterdir()) == sorted({*MADE, "metrics-token"} - {name})


def test_the_environment_sets_lifetime_and_cost(directory: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "ACCESS_TOKEN_MINUTES", "5")
    monkeypatch.setenv(PREFIX + "BCRYPT_COST", "13")
    settings = embedded_settings(directory)
    assert (settings.identity.access_token_s, settings.identity.bcrypt_cost) == (5 * 60, 13)
    secrets = settings.identity.jwt_secrets
    assert not any(encode_secret(secret) in repr(settings) + repr(settings.identity) for secret in secrets)
