"""What leaves for witnesses and authorities goes where the operator said, verified, and takes five seconds at most."""

import asyncio
import gzip
from pathlib import Path

import pytest
from governlayer_server.adapters import outgoing
from governlayer_server.adapters.anchors.witness import HttpWitness
from governlayer_server.adapters.outgoing import OutgoingClient, checked_url
from governlayer_server.adapters.tls.contexts import load_pair, server_context
from governlayer_server.domain.errors import ConfigurationError, NoteError, Unavailable
from governlayer_server.ports.anchors import WitnessAnswer

from tests.fakes.canned_http import canned, http
from tests.fakes.tls import Pair, server_pair


async def ok(body: bytes) -> bytes:
    return http(200, b"took " + body)


async def post(url: str, ca: Path | None = None) -> tuple[int, bytes]:
    client = OutgoingClient(url, ca)
    try:
        return await client.post("/add", b"body", {})
    finally:
        await client.close()


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return server_pair(tmp_path / "tls")


async def test_https_of_the_given_authority_is_spoken_to(pair: Pair) -> None:
    context = server_context()
    load_pair(context, pair.certificate, pair.key)
    async with canned(ok, context) as port:
        assert await post(f"https://localhost:{port}", pair.ca) == (200, b"took body")


async def test_https_of_another_authority_or_name_or_date_gets_nothing(pair: Pair, tmp_path: Path) -> None:
    got: list[bytes] = []

    async def listen(body: bytes) -> bytes:
        got.append(body)
        return http(200)

    elsewhere = server_pair(tmp_path / "elsewhere")
    named = server_pair(tmp_path / "named", ["witness.example.com"])
    old = server_pair(tmp_path / "old", expired=True)
    for served, trusted in ((pair, elsewhere.ca), (named, named.ca), (old, old.ca), (pair, None)):
        context = server_context()
        load_pair(context, served.certificate, served.key)
        async with canned(listen, context) as port:
            with pytest.raises(Unavailable):
                await post(f"https://localhost:{port}", trusted)
    assert got == []


async def test_a_redirect_is_an_answer_and_nobody_follows_it() -> None:
    asked = 0

    async def count(_: bytes) -> bytes:
        nonlocal asked
        asked += 1
        return http(200)

    async with canned(count) as elsewhere:

        async def redirect(_: bytes) -> bytes:
            return http(307, b"", f"location: http://127.0.0.1:{elsewhere}/")

        async with canned(redirect) as port:
            assert await post(f"http://127.0.0.1:{port}") == (307, b"")
    assert asked == 0


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with canned(ok) as port:
        assert await post(f"http://127.0.0.1:{port}") == (200, b"took body")


async def test_what_hangs_floods_or_is_no_http_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "_TIMEOUT_S", 0.3)

    async def hang(_: bytes) -> bytes:
        await asyncio.sleep(30)
        return b""

    async def flood(_: bytes) -> bytes:
        return http(200, b"x" * 100_000)

    async def noise(_: bytes) -> bytes:
        return b"\x00\x01\x02\r\n\r\n"

    for answer in (hang, flood, noise):
        async with canned(answer) as port:
            with pytest.raises(Unavailable):
                await post(f"http://127.0.0.1:{port}")
    with pytest.raises(Unavailable):
        await post(f"http://127.0.0.1:{port}")


async def test_what_comes_packed_is_not_unpacked() -> None:
    packed = gzip.compress(bytes(10_000_000))

    async def bomb(_: bytes) -> bytes:
        return http(200, packed, "content-encoding: gzip")

    async with canned(bomb) as port:
        assert await post(f"http://127.0.0.1:{port}") == (200, packed)


async def test_one_request_at_a_time() -> None:
    running, most = 0, 0

    async def count(_: bytes) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return http(200)

    async with canned(count) as port:
        client = OutgoingClient(f"http://127.0.0.1:{port}", None)
        await asyncio.gather(*(client.post("/", b"x", {}) for _ in range(8)))
        await client.close()
    assert most == 1


async def test_a_witness_answers_text_or_nothing() -> None:
    async def conflict(_: bytes) -> bytes:
        return http(409, b"7\n", "content-type: text/x.tlog.size")

    async def binary(_: bytes) -> bytes:
        return http(200, b"\xff\xfe")

    async with canned(conflict) as port:
        client = OutgoingClient(f"http://127.0.0.1:{port}/", None)
        assert await HttpWitness(client).add_checkpoint("old 0\n\n") == WitnessAnswer(status=409, text="7\n")
        await client.close()
    async with canned(binary) as port:
        client = OutgoingClient(f"http://127.0.0.1:{port}", None)
        with pytest.raises(NoteError):
            await HttpWitness(client).add_checkpoint("old 0\n\n")
        await client.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://witness.example.com",
        "ftp://localhost",
        "https://",
        "https://user:secret@witness.example.com",
        "https://witness.example.com/?key=1",
        "https://witness.example.com/#a",
        "https://witness.example.com:99999",
        "https://[::1",
        "witness.example.com",
        "",
    ],
)
def test_a_url_that_is_not_plain_https_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        checked_url(url)
    assert "secret" not in str(refused.value)


def test_urls_of_other_hosts_are_https_and_loopback_may_be_plain() -> None:
    for url in ("https://witness.example.com/a", "http://127.0.0.1:8601", "http://[::1]:8601", "http://localhost"):
        assert checked_url(url + "/") == url
