"""Who hands over keys is said in settings; what is half said, or said for another provider, is refused at the start."""

from pathlib import Path

import pytest
from governlayer_server.adapters.key_providers.texts import spell_key
from governlayer_server.adapters.key_providers.transit import TransitAddress, TransitKeys
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings import PREFIX
from governlayer_server.settings.key_providers import key_provider_from

KEY, NEXT = bytes(range(32)), bytes(range(100, 132))
TRANSIT = {
    "KEY_PROVIDER": "transit",
    "KEY_ENCRYPTION_KEY_FILE": "/etc/governlayer/kek",
    "TRANSIT_URL": "https://vault.example.com:8200/",
    "TRANSIT_KEY": "governlayer",
    "TRANSIT_TOKEN_FILE": "/run/vault/token",
}


def environment(given: dict[str, str | None]) -> dict[str, str]:
    return {PREFIX + name: value for name, value in given.items() if value is not None}


def refusal(given: dict[str, str | None]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        key_provider_from(environment(given))
    return str(refused.value)


async def test_by_default_the_key_stands_in_the_environment(tmp_path: Path) -> None:
    given = environment({"KEY_ENCRYPTION_KEY": spell_key(KEY)})
    provider = key_provider_from(given)
    assert (provider.name, list(await provider.keys())) == ("environment", [KEY])
    given[PREFIX + "KEY_ENCRYPTION_KEY_NEXT"] = spell_key(NEXT)
    assert list(await provider.keys()) == [KEY, NEXT]
    del given[PREFIX + "KEY_ENCRYPTION_KEY"]
    with pytest.raises(ConfigurationError, match="missing settings"):
        await provider.keys()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["KEY_ENCRYPTION_KEY"]),
        ({"KEY_PROVIDER": "file"}, ["KEY_ENCRYPTION_KEY_FILE"]),
        ({"KEY_PROVIDER": "kubernetes", "KEY_ENCRYPTION_KEY_FILE": ""}, ["KEY_ENCRYPTION_KEY_FILE"]),
        ({"KEY_PROVIDER": "kubernetes", "KEY_ENCRYPTION_KEY_NEXT_FILE": "/x"}, ["KEY_ENCRYPTION_KEY_FILE"]),
        ({"KEY_PROVIDER": "transit"}, [name for name in TRANSIT if name != "KEY_PROVIDER"]),
        *(({**TRANSIT, name: None}, [name]) for name in TRANSIT if name != "KEY_PROVIDER"),
        *(({**TRANSIT, name: ""}, [name]) for name in TRANSIT if name != "KEY_PROVIDER"),
    ],
)
def test_what_is_half_said_is_refused_and_all_that_is_missing_is_named(
    given: dict[str, str | None], missing: list[str]
) -> None:
    said = refusal(given)
    assert said.startswith("missing settings: ")
    named = said.removeprefix("missing settings: ").partition(" (")[0].split(", ")
    assert sorted(named) == sorted(PREFIX + name for name in missing)


def test_a_credential_needs_the_directory_that_systemd_names() -> None:
    assert "CREDENTIALS_DIRECTORY" in refusal({"KEY_PROVIDER": "systemd"})
    for name in ("KEY_ENCRYPTION_KEY_FILE", "KEY_ENCRYPTION_KEY_NEXT_FILE"):
        given = environment({"KEY_PROVIDER": "systemd", name: "../etc/kek"})
        with pytest.raises(ConfigurationError, match="not paths"):
            key_provider_from({**given, "CREDENTIALS_DIRECTORY": "/run/credentials/governlayer.service"})


async def test_credentials_may_have_other_names(tmp_path: Path) -> None:
    (tmp_path / "kek").write_text(spell_key(KEY))
    (tmp_path / "kek").chmod(0o440)
    given = environment({"KEY_PROVIDER": "systemd", "KEY_ENCRYPTION_KEY_FILE": "kek"})
    assert list(await key_provider_from({**given, "CREDENTIALS_DIRECTORY": str(tmp_path)}).keys()) == [KEY]


@pytest.mark.parametrize("provider", ["file", "systemd", "kubernetes", "transit"])
def test_a_key_in_the_environment_is_for_no_other_provider(provider: str) -> None:
    said = refusal({**TRANSIT, "KEY_PROVIDER": provider, "KEY_ENCRYPTION_KEY": spell_key(KEY)})
    assert spell_key(KEY) not in said
    said = refusal({"KEY_PROVIDER": provider, "KEY_ENCRYPTION_KEY": spell_key(KEY)})
    assert PREFIX + "KEY_ENCRYPTION_KEY" in said
    assert spell_key(KEY) not in said


@pytest.mark.parametrize("provider", ["environment", "file", "systemd", "kubernetes"])
def test_settings_of_transit_are_for_no_other_provider(provider: str) -> None:
    said = refusal({"KEY_PROVIDER": provider, "TRANSIT_URL": "https://vault.example.com", "TRANSIT_CA": "/x"})
    assert PREFIX + "TRANSIT_URL" in said
    assert PREFIX + "TRANSIT_CA" in said


@pytest.mark.parametrize("word", ["", "vault", "FILE", "file ", "pkcs11"])
def test_no_other_provider_is_known(word: str) -> None:
    assert "must be one of environment, file, systemd, kubernetes, transit" in refusal({"KEY_PROVIDER": word})


def test_all_of_transit_is_read(tmp_path: Path) -> None:
    provider = key_provider_from(environment({**TRANSIT, "TRANSIT_MOUNT": "/a/b/", "TRANSIT_NAMESPACE": "admin/eu/"}))
    assert isinstance(provider, TransitKeys)
    assert provider._address == TransitAddress(
        url="https://vault.example.com:8200", key="governlayer", token=Path("/run/vault/token"), mount="a/b",
        namespace="admin/eu",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRANSIT_URL", "http://vault.example.com"),
        ("TRANSIT_URL", "https://user:CANARY@vault.example.com"),
        ("TRANSIT_URL", "vault.example.com"),
        ("TRANSIT_KEY", "a/b"),
        ("TRANSIT_KEY", ".."),
        ("TRANSIT_KEY", "a?b"),
        ("TRANSIT_MOUNT", "a//b"),
        ("TRANSIT_MOUNT", "../sys"),
        ("TRANSIT_MOUNT", "a b"),
        ("TRANSIT_NAMESPACE", "a\r\nx-vault-token: b"),
        ("TRANSIT_CA", "/nonexistent/ca.pem"),
    ],
)
def test_what_could_lead_elsewhere_is_refused(name: str, value: str) -> None:
    said = refusal({**TRANSIT, name: value})
    assert "CANARY" not in said
    assert PREFIX + name in said or value in said
