"""Settings from the environment: complete and strong, or refused without showing a secret."""

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from governlayer_server.adapters.postgres.address import PostgresAddress, PostgresTls
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings import PREFIX, IdentitySettings, decode_secret, encode_secret, settings_from
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

SECRET = bytes(range(32))
JWT_SECRET, JWT_PREVIOUS = bytes(range(64)), bytes(range(64, 128))
OTHER = "a secret that is not needed, 0123456789".replace(" ", "-")
NEEDED = {
    "DATABASE_HOST": "/run/postgresql",
    "DATABASE_USER": "governlayer_app",
    "DATABASE_PASSWORD": "CANARY-password",
    "KEY_ENCRYPTION_KEY": encode_secret(SECRET),
    "PEPPER": encode_secret(bytes(reversed(SECRET))),
    "JWT_SECRET": encode_secret(JWT_SECRET),
    "POLICIES": "/etc/governlayer/default.cedar",
}


def environment(**changes: str | None) -> dict[str, str]:
    values = {**NEEDED, **changes}
    return {PREFIX + name: value for name, value in values.items() if value is not None}


def test_a_complete_environment_gives_the_settings() -> None:
    settings = settings_from({**environment(DATABASE_PORT="6000", REDIS_SOCKET="/run/redis.sock"), "OTHER": "x"})
    assert (settings.deployment, settings.policies) == ("localhost", Path("/etc/governlayer/default.cedar"))
    assert asyncio.run(settings.keys.keys()) == [SECRET]
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


@pytest.mark.parametrize(
    "name",
    ["DATABASE_PASSWORD", "KEY_ENCRYPTION_KEY", "PEPPER", "REDIS_PASSWORD", "JWT_SECRET", "METRICS_TOKEN"],
)
def test_a_secret_may_come_from_a_file_but_not_from_both(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(NEEDED.get(name, OTHER) + "\n", encoding="utf-8")
    settings = settings_from(environment(**{name: None, f"{name}_FILE": str(file)}))
    expected = settings_from(environment(**{name: NEEDED.get(name, OTHER)}))
    assert replace(settings, keys=expected.keys) == expected
    assert asyncio.run(settings.keys.keys()) == [SECRET]
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


@pytest.mark.parametrize("name", ["JWT_SECRET", "JWT_SECRET_PREVIOUS"])
@pytest.mark.parametrize(
    "secret",
    ["", "CANARY", "CANÄRY", encode_secret(JWT_PREVIOUS[:63]), encode_secret(JWT_PREVIOUS + b"x"), encode_secret(SECRET),
     encode_secret(bytes(64)), encode_secret(bytes(range(32)) * 2), encode_secret(b"CANARY! " * 8),
     encode_secret(bytes(range(32)).hex().encode())],
)  # fmt: skip
def test_a_weak_or_malformed_jwt_secret_is_refused_and_not_repeated(name: str, secret: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings_from(environment(**{name: secret}))
    assert "CAN" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_the_previous_jwt_secret_is_accepted_beside_the_new_one(tmp_path: Path) -> None:
    assert settings_from(environment()).identity.jwt_secrets == (JWT_SECRET,)
    both = settings_from(environment(JWT_SECRET_PREVIOUS=encode_secret(JWT_PREVIOUS)))
    assert both.identity.jwt_secrets == (JWT_SECRET, JWT_PREVIOUS)
    file = tmp_path / "previous"
    file.write_text(encode_secret(JWT_PREVIOUS), encoding="utf-8")
    read = settings_from(environment(JWT_SECRET_PREVIOUS_FILE=str(file)))
    assert read.identity == both.identity
    with pytest.raises(ConfigurationError, match="differ"):
        settings_from(environment(JWT_SECRET_PREVIOUS=encode_secret(JWT_SECRET)))


@pytest.mark.parametrize(
    ("name", "read", "default", "lowest", "highest"),
    [
        ("ACCESS_TOKEN_MINUTES", lambda one: one.access_token_s // 60, 15, 1, 60),
        ("BCRYPT_COST", lambda one: one.bcrypt_cost, 12, 12, 16),
        ("SESSION_IDLE_MINUTES", lambda one: one.sessions.idle_us // 60_000_000, 480, 5, 10_080),
        ("SESSION_HOURS", lambda one: one.sessions.absolute_us // 3_600_000_000, 168, 1, 2_160),
    ],
)
def test_numbers_of_the_sign_in_have_their_limits(
    name: str, read: Callable[[IdentitySettings], int], default: int, lowest: int, highest: int
) -> None:
    assert read(settings_from(environment()).identity) == default
    for number in (lowest, highest):
        assert read(settings_from(environment(**{name: str(number)})).identity) == number
    for text in (
        str(lowest - 1),
        str(highest + 1),
        "",
        "-1",
        "x",
        "1e1",
        f" {lowest}",
        "99999999",
        "\N{ARABIC-INDIC DIGIT ONE}",
    ):
        with pytest.raises(ConfigurationError, match=f"{PREFIX}{name} must be {lowest} to {highest}"):
            settings_from(environment(**{name: text}))


@pytest.mark.parametrize("port", ["", "0", "65536", "-1", "x", "5432 ", "\N{ARABIC-INDIC DIGIT ONE}", "99999", "1e3"])
@pytest.mark.parametrize("name", ["DATABASE_PORT", "REDIS_PORT"])
def test_what_is_no_port_is_refused(name: str, port: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{PREFIX}{name}"):
        settings_from(environment(**{name: port}))


@pytest.mark.parametrize("host", ["db.example.com", "10.0.0.1", "2001:db8::1", "localhost", "127.0.0.1", "::1"])
def test_postgresql_is_verified_in_full_unless_said_otherwise(host: str) -> None:
    assert settings_from(environment(DATABASE_HOST=host)).database.tls == PostgresTls()
    ca = settings_from(environment(DATABASE_HOST=host, DATABASE_CA="/etc/ca.crt", DATABASE_TLS="verify-full"))
    assert ca.database.tls == PostgresTls(ca=Path("/etc/ca.crt"))


def test_a_client_certificate_for_postgresql_comes_with_its_key() -> None:
    given = {"DATABASE_HOST": "db", "DATABASE_CERTIFICATE": "/etc/app.crt", "DATABASE_KEY": "/etc/app.key"}
    tls = settings_from(environment(**given)).database.tls
    assert tls == PostgresTls(certificate=Path("/etc/app.crt"), key=Path("/etc/app.key"))
    for name in ("DATABASE_CERTIFICATE", "DATABASE_KEY"):
        with pytest.raises(ConfigurationError, match="go together"):
            settings_from(environment(**{**given, name: None}))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2", "::1", "/run/postgresql"])
def test_on_this_machine_tls_to_postgresql_may_be_switched_off(host: str) -> None:
    assert settings_from(environment(DATABASE_HOST=host, DATABASE_TLS="off")).database.tls is None
    with pytest.raises(ConfigurationError, match=f"{PREFIX}DATABASE_CA"):
        settings_from(environment(DATABASE_HOST=host, DATABASE_TLS="off", DATABASE_CA="/etc/ca.crt"))


@pytest.mark.parametrize("host", ["db.example.com", "10.0.0.1", "0.0.0.0", "::", "localhost.example.com", "128.0.0.1"])
def test_off_this_machine_tls_to_postgresql_cannot_be_switched_off(host: str) -> None:
    with pytest.raises(ConfigurationError, match="loopback only"):
        settings_from(environment(DATABASE_HOST=host, DATABASE_TLS="off"))
    with pytest.raises(ConfigurationError, match="over TLS or not at all"):
        PostgresAddress(host=host, port=5432, database="d", user="u", password="p")


@pytest.mark.parametrize("word", ["", "prefer", "require", "verify-ca", "OFF", "false", "allow"])
def test_no_weaker_word_for_tls_is_understood(word: str) -> None:
    with pytest.raises(ConfigurationError, match="verify-full or off"):
        settings_from(environment(DATABASE_TLS=word))


@pytest.mark.parametrize(
    "host",
    ["", "a b", "db,", ",db", "db,db", "db:0", "db:65536", "db:x", "db,/run/postgresql", "[::1", "db\x00", "a@b",
     "run/postgresql", "db?sslmode=disable", "d\n", "a,b\n", ",".join(f"db{number}" for number in range(17))],
)  # fmt: skip
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{PREFIX}DATABASE_HOST must be"):
        settings_from(environment(DATABASE_HOST=host))


HOSTS = {
    "db1,db2": [("db1", 5432), ("db2", 5432)],
    "db1:1, db2:65535": [("db1", 1), ("db2", 65535)],
    "10.0.0.1,[2001:db8::1]:6000": [("10.0.0.1", 5432), ("2001:db8::1", 6000)],
    "2001:db8::1,[2001:db8::2],db": [("2001:db8::1", 5432), ("2001:db8::2", 5432), ("db", 5432)],
}


@pytest.mark.parametrize("given", HOSTS)
def test_several_hosts_of_postgresql_are_a_list(given: str) -> None:
    settings = settings_from(environment(DATABASE_HOST=given, DATABASE_READ_HOST="reader"))
    assert list(settings.database.hosts) == HOSTS[given]
    assert settings.standbys is not None
    assert settings.standbys.hosts == (("reader", 5432),)
    read = settings_from(environment(DATABASE_HOST="db", DATABASE_READ_HOST=given, DATABASE_CA="/etc/ca.crt")).standbys
    assert read is not None
    assert list(read.hosts) == HOSTS[given]
    assert read.tls == PostgresTls(ca=Path("/etc/ca.crt"))
    assert settings_from(environment(DATABASE_READ_HOST="")).standbys is None


def test_no_host_of_several_is_reached_without_tls() -> None:
    with pytest.raises(ConfigurationError, match="loopback only, and db2 is not"):
        settings_from(environment(DATABASE_HOST="127.0.0.1,db2", DATABASE_TLS="off"))
    with pytest.raises(ConfigurationError, match="db2 is reached over TLS or not at all"):
        settings_from(environment(DATABASE_HOST="127.0.0.1", DATABASE_READ_HOST="localhost,db2", DATABASE_TLS="off"))
    with pytest.raises(ConfigurationError, match="DATABASE_READ_HOST must be"):
        settings_from(environment(DATABASE_HOST="db", DATABASE_READ_HOST="a b"))


FAR = ["", "db.example.com", "10.0.0.1", "0.0.0.0", "128.0.0.1", "localhost.example.com"]


@pytest.mark.parametrize("host", FAR[1:])
@pytest.mark.parametrize("name", ["REDIS_HOST", "REDIS_SENTINELS", "REDIS_CLUSTER"])
def test_plain_text_to_redis_never_leaves_the_machine(name: str, host: str) -> None:
    place = host if name == "REDIS_HOST" else f"127.0.0.1:1,{host}:6379"
    given = environment(**{name: place, "REDIS_MASTER": "main" if name == "REDIS_SENTINELS" else None})
    assert settings_from(given).redis.tls
    with pytest.raises(ConfigurationError, match="loopback"):
        settings_from({**given, PREFIX + "REDIS_TLS": "off"})


def test_redis_is_reached_over_tls_unless_said_otherwise_on_loopback() -> None:
    assert settings_from(environment()).redis.tls
    assert not settings_from(environment(REDIS_TLS="off")).redis.tls
    for wrong in ("", "no", "OFF", "0"):
        with pytest.raises(ConfigurationError, match=f"{PREFIX}REDIS_TLS"):
            settings_from(environment(REDIS_TLS=wrong))


def test_the_server_applies_retention_unless_that_is_switched_off() -> None:
    assert settings_from(environment()).ledgers.retention_job
    assert not settings_from(environment(RETENTION_JOB="off")).ledgers.retention_job
    with pytest.raises(ConfigurationError, match=f"{PREFIX}RETENTION_JOB"):
        settings_from(environment(RETENTION_JOB="no"))


def test_redis_may_be_behind_sentinels_or_a_cluster() -> None:
    sentinels = settings_from(
        environment(
            REDIS_SENTINELS="one.example:26379, [2001:db8::1]:26380", REDIS_MASTER="main", REDIS_CA="/etc/ca.pem",
            REDIS_SENTINEL_USER="watcher", REDIS_SENTINEL_PASSWORD="CANARY-sentinel",
        )
    ).redis  # fmt: skip
    assert sentinels.sentinels == (("one.example", 26379), ("2001:db8::1", 26380))
    assert (sentinels.master, sentinels.ca, sentinels.sentinel_user) == ("main", Path("/etc/ca.pem"), "watcher")
    assert "CANARY" not in repr(sentinels)
    assert settings_from(environment(REDIS_CLUSTER="a:7000,b:7001")).redis.cluster == (("a", 7000), ("b", 7001))


def test_redis_has_a_quarter_of_a_second_unless_it_is_given_another_time() -> None:
    assert settings_from(environment()).redis.timeout_ms == 250
    assert settings_from(environment(REDIS_TIMEOUT_MS="5000")).redis.timeout_ms == 5_000


@pytest.mark.parametrize(
    "given",
    [
        {"REDIS_SENTINELS": "a:1"}, {"REDIS_MASTER": "main"}, {"REDIS_CLUSTER": "a:1", "REDIS_SOCKET": "/run/r"},
        {"REDIS_SENTINELS": "a:1", "REDIS_MASTER": "main", "REDIS_CLUSTER": "a:1"}, {"REDIS_CLUSTER": ""},
        {"REDIS_CLUSTER": "a"}, {"REDIS_CLUSTER": "a:0"}, {"REDIS_CLUSTER": "a:1,"}, {"REDIS_CLUSTER": "a:70000"},
        {"REDIS_TIMEOUT_MS": "49"}, {"REDIS_TIMEOUT_MS": "5001"}, {"REPLICAS": "0"}, {"REPLICAS": "x"}, {"ADDRESS_LIMIT": "0"}, {"ENTERPRISE_LIMIT": "-1"},
    ],
)  # fmt: skip
def test_what_says_too_little_or_too_much_of_redis_or_limits_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        settings_from(environment(**given))


def test_limits_have_defaults_and_may_be_set() -> None:
    default = settings_from(environment()).limits
    assert (default.replicas, default.address_limit, default.enterprise_limit) == (1, 300, 2_000)
    given = settings_from(environment(REPLICAS="3", ADDRESS_LIMIT="50", ENTERPRISE_LIMIT="60000")).limits
    assert (given.replicas, given.address_limit, given.enterprise_limit) == (3, 50, 60_000)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a+b", "é", "a" * 201, "a\n"])
def test_a_deployment_name_outside_its_grammar_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="deployment name"):
        settings_from(environment(DEPLOYMENT=name))


def test_no_secret_is_shown() -> None:
    settings = settings_from(environment(REDIS_PASSWORD="CANARY-redis"))
    shown = f"{settings!r} {settings} {settings.database!r} {settings.redis!r} {settings.identity!r} {[settings]!r}"
    assert "CANARY" not in shown
    assert encode_secret(SECRET) not in shown
    assert repr(SECRET)[2:-1] not in shown


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
