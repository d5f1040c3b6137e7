"""PostgreSQL over TLS: verified in full or not reached at all, and nothing worth reading leaves before."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from governlayer_server.adapters.postgres.address import PostgresTls
from governlayer_server.adapters.postgres.database import connect
from governlayer_server.adapters.tls.authority import Authority
from governlayer_server.domain.errors import ConfigurationError, LedgerUnavailable
from governlayer_server.settings import PREFIX, encode_secret

from tests.fakes.debian import PASSWORD, USER, DebianPostgres, address_at, program
from tests.fakes.tls import Pair, self_signed, server_pair

SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # PostgreSQL, "Message Formats"


@asynccontextmanager
async def recorded(port: int) -> AsyncIterator[tuple[int, bytearray]]:
    """Yield a port in front of *port*, and all that a client sends there."""
    seen, passing = bytearray(), set[asyncio.Task[None]]()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, into: bytearray | None) -> None:
        try:
            while data := await reader.read(65_536):
                if into is not None:
                    into += data
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, far_writer, seen), pump(far_reader, writer, None))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen
        # The server behind cannot stop while one of its connections is half way into TLS.
        if passing:
            await asyncio.wait(passing, timeout=10)


async def tls_of(port: int, tls: PostgresTls | None, host: str = "localhost") -> tuple[bool, str | None]:
    """Return whether the server says that our connection is encrypted, and by which version."""
    database = await connect(address_at(port, tls, host))
    try:
        async with database.connection() as connection:
            row = await connection.fetchrow("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    finally:
        await database.close()
    return row["ssl"], row["version"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_good_certificate_connects(debian_postgres: DebianPostgres, tmp_path: Path, host: str) -> None:
    pair = server_pair(tmp_path)
    with debian_postgres.serving(pair) as port:
        async with recorded(port) as (front, seen):
            assert await tls_of(front, PostgresTls(ca=pair.ca), host) == (True, "TLSv1.3")
        assert seen.startswith(SSL_REQUEST)
        assert USER.encode() not in seen
        assert PASSWORD.encode() not in seen


BAD: dict[str, tuple[Callable[[Path], Pair], str]] = {
    "another authority": (lambda at: server_pair(at)._replace(ca=server_pair(at / "other").ca), "unable to get local issuer|self-signed|self signed|signature failure"),
    "another name": (lambda at: server_pair(at, ["db.example.com", "10.0.0.1"]), "Hostname mismatch"),
    "expired": (lambda at: server_pair(at, expired=True), "certificate has expired"),
    "self-signed": (self_signed, "self-signed certificate|self signed certificate"),
}  # fmt: skip


@pytest.mark.parametrize("why", BAD)
async def test_a_bad_certificate_is_refused_before_anything_is_sent(
    debian_postgres: DebianPostgres, tmp_path: Path, why: str
) -> None:
    make, message = BAD[why]
    pair = make(tmp_path)
    with debian_postgres.serving(pair._replace(ca=tmp_path / "ca.crt")) as port:
        async with recorded(port) as (front, seen):
            with pytest.raises(ConfigurationError, match=f"is not trusted, nothing was sent: .*({message})") as refused:
                await tls_of(front, PostgresTls(ca=pair.ca))
    assert PASSWORD not in str(refused.value)
    assert_nothing_readable(seen)


async def test_without_an_authority_of_ours_the_systems_roots_decide(
    debian_postgres: DebianPostgres, tmp_path: Path
) -> None:
    with (
        debian_postgres.serving(server_pair(tmp_path)) as port,
        pytest.raises(ConfigurationError, match="is not trusted"),
    ):
        await tls_of(port, PostgresTls())


async def test_a_server_without_tls_is_refused_before_anything_is_sent(
    debian_postgres: DebianPostgres, tmp_path: Path
) -> None:
    with debian_postgres.serving(None) as port:
        async with recorded(port) as (front, seen):
            with pytest.raises(ConfigurationError, match="does not offer TLS, nothing was sent"):
                await tls_of(front, PostgresTls(ca=server_pair(tmp_path).ca))
        assert bytes(seen) == SSL_REQUEST
        assert await tls_of(port, None) == (False, None)


def assert_nothing_readable(seen: bytearray) -> None:
    assert seen.startswith(SSL_REQUEST)
    assert USER.encode() not in seen
    assert PASSWORD.encode() not in seen
    assert b"governlayer" not in seen


@pytest.mark.parametrize(
    "variables",
    [{"PGSSLMODE": "disable"}, {"PGSSLMODE": "prefer"}, {"PGSSLNEGOTIATION": "direct"}, {"PGSSLMINPROTOCOLVERSION": "TLSv1"}],
)  # fmt: skip
async def test_no_variable_of_libpq_weakens_it(
    debian_postgres: DebianPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    pair, other = server_pair(tmp_path / "own"), server_pair(tmp_path / "other")
    with debian_postgres.serving(pair) as port:
        assert (await tls_of(port, PostgresTls(ca=pair.ca)))[0]
        with pytest.raises(ConfigurationError, match="is not trusted"):
            await tls_of(port, PostgresTls(ca=other.ca))
    with debian_postgres.serving(None) as port, pytest.raises(ConfigurationError, match="does not offer TLS"):
        await tls_of(port, PostgresTls(ca=pair.ca))


async def test_a_server_that_speaks_only_old_tls_is_refused(debian_postgres: DebianPostgres, tmp_path: Path) -> None:
    pair = server_pair(tmp_path)
    old = ("ssl_min_protocol_version=TLSv1", "ssl_max_protocol_version=TLSv1.1")
    with (
        debian_postgres.serving(pair, "all all all scram-sha-256", *old) as port,
        pytest.raises(ConfigurationError, match="do not agree on TLS"),
    ):
        await tls_of(port, PostgresTls(ca=pair.ca))


async def test_a_server_that_wants_a_client_certificate_gets_ours(
    debian_postgres: DebianPostgres, tmp_path: Path
) -> None:
    pair = server_pair(tmp_path)
    authority = Authority.open(tmp_path)
    certificate, key = authority.issue_client(USER, 10)
    other = authority.issue_client("somebody", 10)
    with debian_postgres.serving(pair, "all all all scram-sha-256 clientcert=verify-full") as port:
        assert (await tls_of(port, PostgresTls(ca=pair.ca, certificate=certificate, key=key)))[0]
        for shown in (PostgresTls(ca=pair.ca), PostgresTls(ca=pair.ca, certificate=other[0], key=other[1])):
            with pytest.raises(LedgerUnavailable):
                await tls_of(port, shown)


async def test_without_an_answer_it_is_unavailable(tmp_path: Path) -> None:
    pair = server_pair(tmp_path)
    with pytest.raises(LedgerUnavailable):
        await tls_of(1, PostgresTls(ca=pair.ca))


def test_migrate_goes_over_tls_and_says_what_is_wrong_in_one_line(
    debian_postgres: DebianPostgres, tmp_path: Path
) -> None:
    pair, other = server_pair(tmp_path / "own"), server_pair(tmp_path / "other")

    def migrate(port: int, **changes: str) -> subprocess.CompletedProcess[str]:
        secret = encode_secret(bytes(range(32)))
        values = {
            "DATABASE_HOST": "localhost", "DATABASE_PORT": str(port), "DATABASE_NAME": "postgres", "DATABASE_USER": USER,
            "DATABASE_PASSWORD": PASSWORD, "KEY_ENCRYPTION_KEY": secret, "PEPPER": secret, "POLICIES": "/dev/null",
            "JWT_SECRET": encode_secret(bytes(range(64))),
            "DATABASE_CA": str(pair.ca), **changes,
        }  # fmt: skip
        environment = {PREFIX + name: value for name, value in values.items()}
        return subprocess.run(
            [Path(sys.executable).parent / "governlayer", "migrate", "--plan"],
            env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    with debian_postgres.serving(pair) as port:
        done = migrate(port)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        refused = migrate(port, DATABASE_CA=str(other.ca))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"governlayer: PostgreSQL on localhost port {port} is not trusted")
    assert refused.stderr.count("\n") == 1
    with debian_postgres.serving(None) as port:
        refused = migrate(port)
    assert refused.stderr == f"governlayer: PostgreSQL on localhost port {port} does not offer TLS, nothing was sent\n"


def test_without_debians_servers_it_is_said_loudly_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="NOT TESTED: this needs Debian's no-such-program"):
        program("no-such-program")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"tools/debian_servers\.sh"):
        program("no-such-program")
