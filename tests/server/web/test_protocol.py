"""One connection: what a client may send without end is not kept, and ends."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from governlayer_server.web.protocol import MAX_HEAD_BYTES, Protocol
from uvicorn.config import Config
from uvicorn.server import ServerState

HEAD = b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
READ_BYTES = 65_536
MANY_READS = 100


class Wire(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Connection:
    """A protocol on a wire, with an application that reads the whole body and remembers what it saw."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.seen: list[tuple[list[tuple[bytes, bytes]], bytes]] = []
        self.protocol = Protocol(
            lambda code: (431 if code == "head_too_large" else 400, [], code.encode()),
            config=Config(self.application, interface="asgi3", loop="none", ws="none", lifespan="off", log_config=None),
            server_state=ServerState(),
            app_state={},
        )
        self.protocol.connection_made(self.wire)

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        self.seen.append((list(scope["headers"]), body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def feed(self, *reads: bytes) -> None:
        """Give the protocol what came off the wire, read by read, until it closes."""
        for data in reads:
            if self.wire.closed:
                return
            self.protocol.data_received(data)
            await asyncio.sleep(0)

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


@asynccontextmanager
async def connected() -> AsyncIterator[Connection]:
    connection = Connection()
    try:
        yield connection
    finally:
        connection.wire.closed = True
        connection.protocol.connection_lost(None)
        await connection.settle()


def reads(unit: bytes, count: int = MANY_READS) -> Iterator[bytes]:
    yield from [(unit * (READ_BYTES // len(unit) + 1))[:READ_BYTES]] * count


async def test_trailers_are_no_headers() -> None:
    async with connected() as connection:
        trailers = b"X-API-Key: gl_other\r\nContent-Type: text/plain\r\nHost: other\r\n"
        await connection.feed(HEAD, b"3\r\nabc\r\n0\r\n", trailers + b"\r\n")
        await connection.settle()
        assert connection.seen == [([(b"host", b"h"), (b"transfer-encoding", b"chunked")], b"abc")]
        assert len(connection.protocol.headers) == 2
        assert connection.wire.written.startswith(b"HTTP/1.1 200 ")
        # The next request of the connection has its own headers again.
        await connection.feed(b"GET /y HTTP/1.1\r\nHost: i\r\nX-Own: 1\r\n\r\n")
        await connection.settle()
        assert connection.seen[1:] == [([(b"host", b"i"), (b"x-own", b"1")], b"")]


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        (b"0\r\n", b"X-Trailer: y\r\n"),
        (b"0\r\n", b"X: 1\r\n"),
        (b"0\r\nX-Trailer: ", b"y"),
        (b"0\r\n", b"y"),
        (b"3;a=", b"y"),
        (b"3;", b"y=z;"),
    ],
    ids=["trailers", "short-trailers", "one-value", "one-name", "one-extension", "extensions"],
)
@pytest.mark.parametrize("answered", [False, True])
async def test_what_has_no_end_is_ended_and_not_kept(start: bytes, unit: bytes, answered: bool) -> None:
    async with connected() as connection:
        if answered:
            await connection.feed(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await connection.settle()
        await connection.feed(HEAD, start)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        fed = 0
        for data in reads(unit):
            if connection.wire.closed:
                break
            await connection.feed(data)
            fed += 1
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert connection.wire.closed
        assert fed * READ_BYTES <= MAX_HEAD_BYTES + READ_BYTES
        assert after - before < 10 * READ_BYTES
        assert b"HTTP/1.1 431 " in connection.wire.written
        assert len(connection.seen) == answered


async def test_trailers_within_the_limit_do_not_end_the_request() -> None:
    async with connected() as connection:
        await connection.feed(HEAD, b"3\r\nabc\r\n0\r\n", *[b"X-T: " + b"y" * 1_000 + b"\r\n"] * 30, b"\r\n")
        await connection.settle()
        assert [body for _, body in connection.seen] == [b"abc"]
        assert not connection.wire.closed


async def test_a_large_body_in_the_smallest_chunks_comes_through() -> None:
    async with connected() as connection:
        body = b"x" * 100_000
        chunks = b"1\r\nx\r\n" * len(body) + b"0\r\n\r\n"
        parts = [chunks[at : at + 1_001] for at in range(0, len(chunks), 1_001)]
        await connection.feed(HEAD, *parts)
        await connection.settle()
        assert [len(one) for _, one in connection.seen] == [len(body)]


@pytest.mark.parametrize("read_bytes", [1, 1_000, READ_BYTES])
async def test_a_body_of_known_length_comes_through(read_bytes: int) -> None:
    size = min(1_000_000, 40_000 * read_bytes)
    async with connected() as connection:
        whole = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
        await connection.feed(*(whole[at : at + read_bytes] for at in range(0, len(whole), read_bytes)))
        await connection.settle()
        assert [len(one) for _, one in connection.seen] == [size]
        assert not connection.wire.closed


async def test_empty_lines_between_requests_end_too() -> None:
    async with connected() as connection:
        await connection.feed(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await connection.settle()
        await connection.feed(*reads(b"\r\n"))
        assert connection.wire.closed


async def test_a_head_without_an_end_is_refused() -> None:
    async with connected() as connection:
        await connection.feed(b"GET / HTTP/1.1\r\nX: ", *reads(b"y"))
        assert connection.wire.closed
        assert connection.wire.written.startswith(b"HTTP/1.1 431 ")
        assert connection.seen == []


async def test_requests_of_one_connection_are_not_counted_together() -> None:
    async with connected() as connection:
        request = b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 20_000 + b"\r\n\r\n"
        for _ in range(10):
            await connection.feed(*(request[at : at + 5_000] for at in range(0, len(request), 5_000)))
            await connection.settle()
        assert len(connection.seen) == 10
        assert not connection.wire.closed
