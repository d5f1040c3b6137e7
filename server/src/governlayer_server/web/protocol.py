"""
One connection: uvicorn's protocol with limits on what a client may make it wait for and keep.

Refused here, before the application: what is not HTTP (400), a head of more than 32 KiB, or as much after it that is no
body (431), and a head or a body that takes too long (408). The answers are problem documents like all others, and the
connection ends.
"""

from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 32_768
_HEAD_S = 5.0
_BODY_S = 15.0
Refuse = Callable[[str], tuple[int, list[tuple[bytes, bytes]], bytes]]


class Protocol(HttpToolsProtocol):
    """
    uvicorn's protocol within limits.

    Args:
        refuse: gives status, headers and body of the answer for a code of ``problems.KINDS``.
        given: uvicorn's own arguments.
    """

    def __init__(self, refuse: Refuse, **given: Any) -> None:
        super().__init__(**given)
        self._refuse = refuse
        self._unfinished_head_bytes = 0
        self._bytes_without_body = 0
        self._in_head = True
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Give the client its time for the first head."""
        super().connection_made(transport)
        self._expect(_HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._expect(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse a head that does not end, and trailers or chunk extensions that do not."""
        self._bytes_without_body += len(data)
        super().data_received(data)
        if self._in_head:
            self._unfinished_head_bytes += len(data)
        # The parser keeps a trailer until it is whole.
        if max(self._unfinished_head_bytes, self._bytes_without_body) > MAX_HEAD_BYTES:
            self._end("head_too_large")

    def on_message_begin(self) -> None:
        """Give the client its time for the head of the next request."""
        super().on_message_begin()
        self._in_head = True
        self._expect(_HEAD_S)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header of the head; trailers (RFC 9112 §7.1.2) are passed over, there is no end to them."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the application on the request, and give the client its time for the body."""
        self._in_head = False
        self._unfinished_head_bytes = self._bytes_without_body = 0
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > MAX_HEAD_BYTES:
            self._end("head_too_large")
        if not self.transport.is_closing():
            self._expect(_BODY_S)
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass the body on, unless the request has been refused."""
        self._bytes_without_body = 0
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the clock: the rest is the application's time."""
        self._expect(None)
        self._bytes_without_body = 0
        if not self.transport.is_closing():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's words, the problem document says more
        """Answer what is not HTTP."""
        self._end("bad_request")

    def _expect(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._end, "too_slow")

    def _end(self, code: str) -> None:
        self._expect(None)
        # None before the first request, whatever uvicorn's annotation says.
        cycle: RequestResponseCycle | None = self.cycle
        served = cycle is None or cycle.response_complete
        if cycle and not served and not cycle.more_body:
            # An earlier, whole request is being served: its answer is the last of this connection.
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if (served or (cycle and not cycle.response_started)) and not self._is_idle(code):
            self._answer(code)
        self.transport.close()

    def _is_idle(self, code: str) -> bool:
        """Whether there is nothing to answer: closed already, or opened and never used."""
        unused = code == "too_slow" and self._in_head and not self._unfinished_head_bytes
        return unused or self.transport.is_closing()

    def _answer(self, code: str) -> None:
        status, headers, body = self._refuse(code)
        lines = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers, (b"connection", b"close")):
            lines.append(b"%s: %s\r\n" % (name, value))
        self.transport.write(b"".join((*lines, b"\r\n", body)))
