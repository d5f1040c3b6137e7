"""Settings from the environment: complete and strong, or refused without showing a secret."""

import base64
from pathlib import Path

import pytest
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings import PREFIX, decode_secret, encode_secret, settings_from
from hypothesis import given
from hypothesis import strategies as st

SECRET = bytes(range(32))
NEEDED = {
    "DATABASE_HOST": "/run/postgresql",
    "DATABASE_USER": "governlayer_app",
    "DATABASE_PASSWORD": "CANARY-password",
    "KEY_ENCRYPTION_KEY": encode_secret(SECRET),
    "PEPPER": encode_secret(bytes(reversed(SECRET))),
    "POLICIES": "/etc/governlayer/default.cedar",
    "JWT_SECRET": encode_secret(bytes(range(64))),
}


def environment(**changes: str | None) -> dict[str, str]:
    values = {**NEEDED, **changes}
    return {PREFIX + name: value for name, value in values.items() if value is not None}


def test_a_complete_environment_gives_the_settings() -> None:
    settings = settings_from({**environment(DATABASE_PORT="6000", REDIS_SOCKET="/run/redis.sock"), "OTHER": "x"})
    assert (settings.deployment, settings.key_encryption_key, settings.policies) == (
        "localhost",
        SECRET,
        Path("/etc/governlayer/default.cedar"),
    )
    assert (settings.database.host, settings.database.port, settings.database.database) == (
        "/run/postgresql",
        6000,
        "governlayer",
    )
    assert (settings.redis.socket, settings.redis.port, settings.redis.password) == ("/run/redis.sock", 6379, None)


def test_all_missing_settings_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings_from({})
    assert all(PREFIX + name in str(refused.value) for name in NEEDED)


@pytest.mark.parametrize("name", NEEDED)
def test_a_partial_set_is_an_error(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"missing settings: {PREFIX}{name} "):
        settings_from(environment(**{name: None}))


@pytest.mark.parametrize("name", ["DATABASE_PASSWORD", "KEY_ENCRYPTION_KEY", "PEPPER", "REDIS_PASSWORD"])
def test_a_secret_may_come_from_a_file_but_not_from_both(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(NEEDED.get(name, "redis") + "\n", encoding="utf-8")
    settings = settings_from(environment(**{name: None, f"{name}_FILE": str(file)}))
    expected = settings_from(environment(**{name: NEEDED.get(name, "redis")}))
    assert settings == expected
    with pytest.raises(ConfigurationError, match="not both"):
        settings_from(environment(**{name: "x", f"{name}_FILE": str(file)}))


def test_a_secret_file_that_is_missing_or_not_text_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for file in (tmp_path / "none", binary, tmp_path):
        with pytest.raises(ConfigurationError, match=f"{PREFIX}PEPPER_FILE"):
            settings_from(environment(PEPPER=None, PEPPER_FILE=str(file)))


@pytest.mark.parametrize("name", ["KEY_ENCRYPTION_KEY", "PEPPER"])
@pytest.mark.parametrize(
    "secret",
    ["", "CANARY", "CANÄRY", encode_secret(SECRET[:31]), encode_secret(SECRET + b"x"), encode_secret(bytes(32)),
     encode_secret(b"CANARYab" * 3 + b"CANARYab"[:7]), encode_secret(b"CANARY! " * 4)[:-2]],
)  # fmt: skip
def test_a_weak_or_malformed_secret_is_refused_and_not_repeated(name: str, secret: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings_from(environment(**{name: secret}))
    assert "CAN" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("port", ["", "0", "65536", "-1", "x", "5432 ", "\N{ARABIC-INDIC DIGIT ONE}", "99999", "1e3"])
@pytest.mark.parametrize("name", ["DATABASE_PORT", "REDIS_PORT"])
def test_what_is_no_port_is_refused(name: str, port: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{PREFIX}{name}"):
        settings_from(environment(**{name: port}))


@pytest.mark.parametrize("host", ["", "db.example.com", "10.0.0.1", "0.0.0.0", "127.0.0.2", "localhost.example.com"])
@pytest.mark.parametrize("name", ["DATABASE_HOST", "REDIS_HOST"])
def test_a_host_that_is_not_this_machine_is_refused_while_there_is_no_tls(name: str, host: str) -> None:
    with pytest.raises(ConfigurationError, match="loopback"):
        settings_from(environment(**{name: host}))


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a+b", "é", "a" * 201, "a\n"])
def test_a_deployment_name_outside_its_grammar_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="deployment name"):
        settings_from(environment(DEPLOYMENT=name))


def test_no_secret_is_shown() -> None:
    settings = settings_from(environment(REDIS_PASSWORD="CANARY-redis"))
    shown = f"{settings!r} {settings} {settings.database!r} {settings.redis!r} {[settings]!r}"
    assert "CANARY" not in shown
    assert encode_secret(SECRET) not in shown
    assert repr(SECRET) not in shown


@given(st.binary(max_size=64))
def test_a_secret_is_written_and_read_back(secret: bytes) -> None:
    assert decode_secret("x", encode_secret(secret)) == secret
    assert encode_secret(secret) == base64.b64encode(secret).decode()


MAIL = {
    "SMTP_URL": "smtps://gl@mail.example.com",
    "SMTP_PASSWORD": "CANARY-smtp",
    "MAIL_FROM": "governlayer@example.com",
    "PUBLIC_URL": "https://gl.example.com",
}


def test_letters_are_sent_where_a_mail_server_is_named_and_only_there() -> None:
    assert settings_from(environment()).mail is None
    assert settings_from(environment(PUBLIC_URL="https://gl.example.com")).mail is None
    mail = settings_from(environment(**MAIL)).mail
    assert mail is not None
    assert (mail.server.host, mail.server.port, mail.sender) == ("mail.example.com", 465, "governlayer@example.com")
    assert mail.public_url == "https://gl.example.com"
    assert "CANARY" not in repr(mail)


@pytest.mark.parametrize("missing", MAIL)
def test_half_a_mail_server_is_an_error(missing: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings_from(environment(**{**MAIL, missing: None}))
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAIL_FROM", "GovernLayer"),
        ("MAIL_FROM", "a@b.example\nBcc: c@d.example"),
        ("PUBLIC_URL", "http://gl.example.com"),
        ("PUBLIC_URL", "https://gl.example.com/?x=1"),
        ("PUBLIC_URL", "https://user@gl.example.com"),
        ("PUBLIC_URL", "javascript:alert(1)"),
        ("SMTP_URL", "smtp://gl@mail.example.com"),
    ],
)
def test_what_cannot_be_a_sender_or_a_place_for_links_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError):
        settings_from(environment(**{**MAIL, name: value}))
