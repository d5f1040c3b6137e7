"""Speak to HOST PORT in the clear, in one of three languages, and print what comes back as `repr`; nothing on a refusal."""

import socket
import struct
import sys

_PARAMETERS = b"user\0governlayer_app\0database\0governlayer\0\0"
_SAID = {
    "http": b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nX-Said: %s\r\n\r\n",
    # A startup packet of protocol 3.0, without the SSLRequest before it.
    "postgresql": struct.pack("!ii", len(_PARAMETERS) + 8, 196_608) + _PARAMETERS,
    "redis": b"PING\r\n",
}
language, host, port, said = sys.argv[1:]
text = _SAID[language]
with socket.create_connection((host, int(port)), timeout=5) as wire:
    wire.sendall(text % said.encode() if b"%s" in text else text)
    try:
        print(repr(wire.recv(4096)))
    except (ConnectionError, TimeoutError):
        print(repr(b""))
