"""Redis over TLS: only a server with a certificate of the right authority and name is talked to."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.adapters.redis.connect import AnyRedis, connect_redis
from governlayer_server.adapters.redis.quota import RedisQuotaStore
from governlayer_server.adapters.redis.running_requests import redis_answers
from governlayer_server.adapters.system import SystemClock
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.quota import Bucket, Mode
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from tests.fakes import debian
from tests.fakes.redis_processes import PATIENT_MS, RedisProcess, free_ports

DAY = timedelta(days=1)


class Authority:
    """A certificate authority of this test."""

    def __init__(self, home: Path, name: str) -> None:
        self._home = home
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._signed(self._name, self._key.public_key(), DAY, is_authority=True)
        self.file = home / f"{name}.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: x509.GeneralName, valid_for: timedelta = DAY) -> tuple[Path, Path]:
        """Return the files of a certificate for *names* and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
        certificate = self._signed(subject, key.public_key(), valid_for, *names)
        files = self._home / "server.pem", self._home / "server.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        valid_for: timedelta,
        *names: x509.GeneralName,
        is_authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY)
            .not_valid_after(now + valid_for)
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())


@pytest.fixture
def program() -> Path:
    return debian.program("redis-server")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "right")


LOOPBACK = (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")))


class Server:
    """Redis with the certificate that it is given, on a loopback port and over TLS alone."""

    def __init__(self, home: Path, program: Path) -> None:
        self._home = home
        self._program = program
        (self.port,) = free_ports(1)
        self._process: RedisProcess | None = None

    async def start(self, certificate: Path, key: Path, ca: Path, *more: str) -> None:
        options = [
            f"tls-port {self.port}", f"tls-cert-file {certificate}", f"tls-key-file {key}", f"tls-ca-cert-file {ca}",
            "tls-auth-clients no", *more,
        ]  # fmt: skip
        self._process = RedisProcess(self._home / "redis", options, program=self._program)
        await self._process.start()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()


@pytest.fixture
async def server(tmp_path: Path, program: Path) -> AsyncIterator[Server]:
    made = Server(tmp_path, program)
    yield made
    made.kill()


async def assert_refused(address: RedisAddress, reason: str | None = None) -> None:
    client = connect_redis(address)
    with pytest.raises(RedisError, match=reason):
        await client.ping()
    assert not await redis_answers(client)
    verdict = await RedisQuotaStore(client, SystemClock()).spend("o", [Bucket("org", 5)])
    assert verdict.mode is Mode.LOCAL
    await client.aclose()


async def assert_used(client: AnyRedis) -> None:
    store = RedisQuotaStore(client, SystemClock(), timeout_us=PATIENT_MS * 1_000)
    assert (await store.spend("o", [Bucket("org", 5)])).mode is Mode.SHARED


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_server_of_the_right_authority_and_name_is_used(
    server: Server, authority: Authority, host: str
) -> None:
    await server.start(*authority.issue(*LOOPBACK), authority.file)
    client = connect_redis(RedisAddress(host=host, port=server.port, ca=authority.file, timeout_ms=PATIENT_MS))
    assert await redis_answers(client)
    await assert_used(client)
    await client.aclose()


async def test_a_server_of_another_authority_is_refused(server: Server, authority: Authority, tmp_path: Path) -> None:
    await server.start(*authority.issue(*LOOPBACK), authority.file)
    other = Authority(tmp_path, "other")
    for ca in (other.file, None):
        await assert_refused(RedisAddress(port=server.port, ca=ca), "CERTIFICATE_VERIFY_FAILED")


async def test_the_systems_authorities_are_not_trusted_besides_the_one_that_is_given(
    server: Server, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.start(*authority.issue(*LOOPBACK), authority.file)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    client = connect_redis(RedisAddress(port=server.port))
    assert await redis_answers(client)
    await client.aclose()
    await assert_refused(RedisAddress(port=server.port, ca=Authority(tmp_path, "other").file), "VERIFY_FAILED")


async def test_a_server_of_another_name_is_refused(server: Server, authority: Authority) -> None:
    await server.start(*authority.issue(x509.DNSName("redis.example.com")), authority.file)
    for host in ("127.0.0.1", "localhost"):
        await assert_refused(RedisAddress(host=host, port=server.port, ca=authority.file), "mismatch|not valid for")


async def test_an_expired_certificate_is_refused(server: Server, authority: Authority) -> None:
    await server.start(*authority.issue(*LOOPBACK, valid_for=-DAY), authority.file)
    await assert_refused(RedisAddress(port=server.port, ca=authority.file), "expired")


async def test_a_server_of_an_old_version_is_refused(server: Server, authority: Authority) -> None:
    old = ('tls-protocols "TLSv1.1"', "tls-ciphers DEFAULT:@SECLEVEL=0")
    await server.start(*authority.issue(*LOOPBACK), authority.file, *old)
    await assert_refused(RedisAddress(port=server.port, ca=authority.file), "(?i)protocol|handshake|alert|version")


async def test_a_server_in_plain_text_is_refused(tmp_path: Path, authority: Authority) -> None:
    (port,) = free_ports(1)
    process = RedisProcess(tmp_path / "plain", port=port)
    await process.start()
    try:
        await assert_refused(RedisAddress(port=port, ca=authority.file))
        plain = connect_redis(RedisAddress(port=port, tls=False))
        assert await redis_answers(plain)
        await plain.aclose()
    finally:
        process.kill()


async def test_a_sentinel_and_its_master_are_verified_too(
    tmp_path: Path, program: Path, server: Server, authority: Authority
) -> None:
    certificate, key = authority.issue(*LOOPBACK)
    await server.start(certificate, key, authority.file)
    (port,) = free_ports(1)
    watch = [
        f"tls-port {port}", f"tls-cert-file {certificate}", f"tls-key-file {key}",
        f"tls-ca-cert-file {authority.file}", "tls-auth-clients no", "tls-replication yes",
        f"sentinel monitor main 127.0.0.1 {server.port} 1",
    ]  # fmt: skip
    sentinel = RedisProcess(tmp_path / "sentinel", watch, program=program, arguments=["--sentinel"])
    await sentinel.start()
    try:
        address = RedisAddress(
            sentinels=(("localhost", port),), master="main", ca=authority.file, timeout_ms=PATIENT_MS
        )
        client = connect_redis(address)
        await assert_used(client)
        await client.aclose()
        other = Authority(tmp_path, "other").file
        await assert_refused(RedisAddress(sentinels=(("localhost", port),), master="main", ca=other))
    finally:
        sentinel.kill()


async def test_what_a_sentinel_names_off_this_machine_gets_no_plain_text() -> None:
    client = connect_redis(RedisAddress(sentinels=(("127.0.0.1", 1),), master="main", tls=False))
    (connection,) = [client.connection_pool.make_connection()]
    connection.host = "192.0.2.1"
    with pytest.raises(RedisConnectionError, match="loopback"):
        connection._connection_arguments()
    await client.aclose()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_authorities_that_cannot_be_read_are_refused_at_once(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="authorities"):
        connect_redis(RedisAddress(host="redis.example.com", ca=file))
