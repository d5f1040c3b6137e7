"""Write all that crosses any interface of this network to a file, until it is ended."""

import socket
import sys
from pathlib import Path

_EVERYTHING = 0x0003
with (
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(_EVERYTHING)) as wire,
    Path(sys.argv[1]).open("wb") as to,
):
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    print("listening", flush=True)
    while True:
        to.write(wire.recv(65_536))
        to.flush()
