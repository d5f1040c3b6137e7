"""A server on loopback that answers each request with what a function makes of it, over TLS or not."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Answer = Callable[[bytes], Awaitable[bytes]]
# Of the head, as it was sent, and the body.
Handle = Callable[[str, bytes], Awaitable[bytes]]


def http(status: int, body: bytes = b"", *headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def canned(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Inside, the port where *answer* is served."""

    async def handle(_: str, body: bytes) -> bytes:
        return await answer(body)

    async with handled(handle, tls) as port:
        yield port


@asynccontextmanager
async def handled(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Inside, the port where *handle* answers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().partition("content-length:")[2].partition("\r")[0] or 0)
                writer.write(await handle(head, await reader.readexactly(length)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
