"""The private authority: what it makes holds, is private, and is never overwritten by accident."""

import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from governlayer_server.adapters.tls.authority import Authority
from governlayer_server.adapters.tls.names import check_host, default_hosts
from governlayer_server.domain.errors import ConfigurationError

OPENSSL = shutil.which("openssl")


def read(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def modes(directory: Path) -> dict[str, int]:
    return {str(file.relative_to(directory)): stat.S_IMODE(file.stat().st_mode) for file in directory.rglob("*")}


def test_files_and_their_modes(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "tls")
    authority.issue_server("server", ["localhost"], 365)
    authority.issue_client("app", 365)
    assert modes(tmp_path / "tls") == {
        "authority": 0o700,
        "authority/ca.key": 0o600,
        "ca.crt": 0o644,
        "app.crt": 0o644,
        "app.key": 0o600,
        "server.crt": 0o644,
        "server.key": 0o600,
    }


@pytest.mark.skipif(OPENSSL is None, reason="the second opinion needs the program openssl")
def test_openssl_finds_nothing_wrong_with_them(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    server, _ = authority.issue_server("server", ["db.example.com", "10.0.0.1", "2001:db8::1", "*.example.com"], 365)
    client, _ = authority.issue_client("app", 365)
    strict = [OPENSSL, "verify", "-x509_strict", "-CAfile", authority.certificate_file]
    for arguments in (
        ["-purpose", "sslserver", "-verify_hostname", "db.example.com", server],
        ["-purpose", "sslserver", "-verify_hostname", "any.example.com", server],
        ["-purpose", "sslserver", "-verify_ip", "10.0.0.1", server],
        ["-purpose", "sslserver", "-verify_ip", "2001:db8::1", server],
        ["-purpose", "sslclient", client],
    ):
        done = subprocess.run([*strict, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    for arguments in (
        ["-purpose", "sslclient", server],
        ["-purpose", "sslserver", client],
        ["-verify_hostname", "example.com", server],
    ):
        assert subprocess.run([*strict, *arguments], capture_output=True, check=False).returncode != 0


def test_what_stands_in_them(tmp_path: Path) -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    authority = Authority.create(tmp_path, now=now)
    ca = read(authority.certificate_file)
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(
        ca=True, path_length=0
    )
    certificate, _ = authority.issue_server("server", ["localhost", "localhost", "::1"], 90, now=now)
    leaf = read(certificate)
    leaf.verify_directly_issued_by(ca)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["localhost", "::1"]
    assert leaf.not_valid_after_utc == now + timedelta(days=90)
    assert now - timedelta(hours=2) < leaf.not_valid_before_utc < now
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert leaf.serial_number.bit_length() > 64


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    start = datetime(2030, 1, 1, tzinfo=UTC)
    authority = Authority.create(tmp_path, now=start)
    late, _ = authority.issue_server("server", ["localhost"], 365, now=start + timedelta(days=3600))
    assert read(late).not_valid_after_utc == read(authority.certificate_file).not_valid_after_utc


def test_nothing_is_overwritten_without_being_told(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    authority.issue_server("server", ["localhost"], 10)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(ConfigurationError, match="exists and was not touched"):
        Authority.create(tmp_path)
    with pytest.raises(ConfigurationError, match="exists and was not touched"):
        authority.issue_server("server", ["localhost"], 10)
    with pytest.raises(ConfigurationError, match="exists and was not touched"):
        authority.issue_client("server", 10)
    shutil.move(tmp_path / "authority", tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="exists and was not touched"):
        Authority.create(tmp_path)
    shutil.move(tmp_path / "elsewhere", tmp_path / "authority")
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    authority.issue_server("server", ["localhost"], 10, replace=True)
    Authority.create(tmp_path, replace=True)
    assert all(file.read_bytes() != content for file, content in before.items())


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "tls")
    victim = tmp_path / "victim"
    victim.write_text("before")
    (tmp_path / "tls" / "server.key").symlink_to(victim)
    authority.issue_server("server", ["localhost"], 10, replace=True)
    assert victim.read_text() == "before"
    assert not (tmp_path / "tls" / "server.key").is_symlink()


@pytest.mark.parametrize("client", [False, True])
def test_renewed_it_has_the_same_names_and_purpose_and_a_new_key(tmp_path: Path, client: bool) -> None:
    authority = Authority.create(tmp_path)
    made = authority.issue_client("one", 1) if client else authority.issue_server("one", ["a.example", "::1"], 1)
    before, key_before = read(made[0]), made[1].read_bytes()
    assert Authority.open(tmp_path).renew("one", 30) == made
    after = read(made[0])
    assert after.serial_number != before.serial_number
    assert made[1].read_bytes() != key_before
    assert after.subject == before.subject
    kinds = [x509.ExtendedKeyUsage] if client else [x509.ExtendedKeyUsage, x509.SubjectAlternativeName]
    for kind in kinds:
        assert (
            after.extensions.get_extension_for_class(kind).value
            == before.extensions.get_extension_for_class(kind).value
        )
    expected = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    assert list(after.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [expected]
    assert after.not_valid_after_utc > before.not_valid_after_utc
    assert authority.names() == ["one"]


def test_only_own_certificates_are_renewed(tmp_path: Path) -> None:
    authority, other = Authority.create(tmp_path / "own"), Authority.create(tmp_path / "other")
    certificate, _ = other.issue_server("server", ["localhost"], 10)
    shutil.copy(certificate, tmp_path / "own")
    (tmp_path / "own" / "broken.crt").write_text("broken")
    for name, message in (
        ("server", "not a certificate of this"),
        ("broken", "not a certificate of this"),
        ("x", "cannot be read"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            authority.renew(name, 10)


def test_an_authority_without_its_key_issues_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="governlayer tls init"):
        Authority.open(tmp_path)
    Authority.create(tmp_path / "one")
    Authority.create(tmp_path / "two")
    key = tmp_path / "one" / "authority" / "ca.key"
    shutil.copy(tmp_path / "two" / "authority" / "ca.key", key)
    with pytest.raises(ConfigurationError, match="is not the key of"):
        Authority.open(tmp_path / "one")
    key.write_text("damaged")
    with pytest.raises(ConfigurationError, match="damaged"):
        Authority.open(tmp_path / "one")
    key.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Authority.open(tmp_path / "one")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "a..b",
        "-a",
        "a-",
        "a_b",
        "a/b",
        "*",
        "a.*",
        "*.*.a",
        "é.example",
        "a" * 64,
        "x." * 127 + "xx",
        "1.2.3.4/8",
        "a\n",
    ],
)
def test_what_is_no_host_gets_no_certificate(tmp_path: Path, host: str) -> None:
    authority = Authority.create(tmp_path)
    with pytest.raises(ConfigurationError, match="neither a DNS name nor an IP address"):
        authority.issue_server("server", [host], 10)
    assert authority.names() == []


@pytest.mark.parametrize("name", ["", "ca", "a/b", "../x", ".x", "-x", "a b", "x" * 61, "é", "a\n"])
def test_what_is_no_file_name_names_no_certificate(tmp_path: Path, name: str) -> None:
    authority = Authority.create(tmp_path)
    for make in (lambda: authority.issue_client(name, 10), lambda: authority.renew(name, 10)):
        with pytest.raises(ConfigurationError, match="cannot name a certificate"):
            make()


@pytest.mark.parametrize("days", [-1, 0, 826])
def test_days_have_limits(tmp_path: Path, days: int) -> None:
    with pytest.raises(ConfigurationError, match="1 to 825"):
        Authority.create(tmp_path).issue_client("app", days)


def test_a_server_without_a_name_gets_no_certificate(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least one name"):
        Authority.create(tmp_path).issue_server("server", [], 10)


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file"):
        Authority.create(tmp_path / "file" / "tls")


def test_the_default_names_are_those_of_this_machine() -> None:
    assert default_hosts()[:3] == ["localhost", "127.0.0.1", "::1"]
    assert all(check_host(host) == host for host in default_hosts())
