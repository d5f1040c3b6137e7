"""The certificate in service is that of the files, unless they are broken; no handshake meets half a pair."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from governlayer_server.adapters.tls.authority import Authority
from governlayer_server.adapters.tls.contexts import client_context
from governlayer_server.adapters.tls.served import ServedCertificate
from governlayer_server.domain.errors import ConfigurationError

from tests.fakes.tls import Pair, serial_of, serial_of_der, server_pair


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return server_pair(tmp_path / "own")


@pytest.fixture
def served(pair: Pair) -> ServedCertificate:
    return ServedCertificate(pair.certificate, pair.key)


@asynccontextmanager
async def listening(served: ServedCertificate) -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=served.context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def serial(port: int, ca: Path, name: str = "127.0.0.1") -> int:
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(ca), server_hostname=name)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return serial_of_der(der)


async def echoed(port: int, context: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(b"x")
    try:
        return await reader.readexactly(1)
    finally:
        writer.close()


def renew(pair: Pair) -> int:
    Authority.open(pair.ca.parent).renew("server", 10)
    return serial_of(pair.certificate)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])  # with a server name in the handshake, and without
async def test_a_new_certificate_is_shown_and_open_connections_go_on(
    pair: Pair, served: ServedCertificate, name: str
) -> None:
    async with listening(served) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(pair.ca))
        before = serial_of(pair.certificate)
        assert await serial(port, pair.ca, name) == before
        assert served.refresh() is None
        after = renew(pair)
        assert await serial(port, pair.ca, name) == before
        assert "new certificate in service" in (served.refresh() or "")
        assert await serial(port, pair.ca, name) == after != before
        assert served.refresh() is None
        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        writer.close()


async def test_a_session_of_before_the_exchange_is_resumed_or_begun_anew(pair: Pair, served: ServedCertificate) -> None:
    client = client_context(pair.ca)
    async with listening(served) as port:
        for _ in range(2):
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
            writer.close()
        renew(pair)
        served.refresh()
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        writer.close()


BROKEN: dict[str, Callable[[Pair, Pair], object]] = {
    "the key of another": lambda pair, other: pair.key.write_bytes(other.key.read_bytes()),
    "the certificate of another": lambda pair, other: pair.certificate.write_bytes(other.certificate.read_bytes()),
    "half a certificate": lambda pair, _: pair.certificate.write_bytes(pair.certificate.read_bytes()[:100]),
    "an empty key": lambda pair, _: pair.key.write_bytes(b""),
    "no certificate": lambda pair, _: pair.certificate.unlink(),
    "a key open to all": lambda pair, _: pair.key.chmod(0o644),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_broken_new_pair_keeps_the_old_one(
    pair: Pair, served: ServedCertificate, tmp_path: Path, how: str
) -> None:
    before, content = serial_of(pair.certificate), (pair.certificate.read_bytes(), pair.key.read_bytes())
    async with listening(served) as port:
        BROKEN[how](pair, server_pair(tmp_path / "other"))
        line = served.refresh()
        assert line is not None
        assert "old one stays in service" in line
        assert "\n" not in line
        assert served.refresh() is None, "said once"
        assert await serial(port, pair.ca) == before
        pair.certificate.write_bytes(content[0])
        pair.key.write_bytes(content[1])
        pair.key.chmod(0o600)
        after = renew(pair)
        assert "new certificate in service" in (served.refresh() or "")
        assert await serial(port, pair.ca) == after


async def test_a_link_that_is_exchanged_is_noticed(tmp_path: Path) -> None:
    first, second = server_pair(tmp_path / "1"), server_pair(tmp_path / "2")
    link = tmp_path / "current"
    link.symlink_to(first.ca.parent)
    served = ServedCertificate(link / "server.crt", link / "server.key")
    async with listening(served) as port:
        assert await serial(port, first.ca) == serial_of(first.certificate)
        link.unlink()
        link.symlink_to(second.ca.parent)
        assert "new certificate in service" in (served.refresh() or "")
        assert await serial(port, second.ca) == serial_of(second.certificate)


async def test_it_watches_until_cancelled(pair: Pair, served: ServedCertificate) -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    watching = asyncio.create_task(served.watch(said.put_nowait, poll_s=0.01))
    pair.certificate.unlink()
    async with asyncio.timeout(30):
        assert "old one stays" in await said.get()
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_a_client_certificate_stays_required_after_the_exchange(pair: Pair, tmp_path: Path) -> None:
    clients = Authority.create(tmp_path / "clients")
    own = clients.issue_client("app", 10)
    served = ServedCertificate(pair.certificate, pair.key, clients.certificate_file)
    async with listening(served) as port:
        for _ in range(2):
            assert await echoed(port, client_context(pair.ca, *own)) == b"x"
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await echoed(port, client_context(pair.ca))
            renew(pair)
            served.refresh()


def test_it_does_not_start_with_files_that_cannot_be_used(pair: Pair) -> None:
    with pytest.raises(ConfigurationError):
        ServedCertificate(pair.certificate, pair.certificate)
    with pytest.raises(ConfigurationError):
        ServedCertificate(pair.certificate, pair.key, pair.key)
