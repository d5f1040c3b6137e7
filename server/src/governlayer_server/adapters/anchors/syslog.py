"""Published notes in the system's log: ``ports.anchors.KeptNotes``, which cannot tell what it has."""

import asyncio
import json
import logging
import re
from logging.handlers import SysLogHandler

from governlayer_server.domain.errors import ConfigurationError, Unavailable
from governlayer_server.domain.network import is_loopback

_HOST_AND_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")


class _Handler(SysLogHandler):
    """Syslog without logging's habit of swallowing errors."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  # called where one is being handled
        raise  # noqa: PLE0704


class SyslogNotes:
    """
    Writes each note as one line, ``{"checkpoint": "<note>"}``, as it stands in a dump.

    Args:
        address: path of a socket such as ``/dev/log``, or ``host:port`` of a daemon on this machine (UDP). What leaves
            the machine is the daemon's to encrypt.

    Raises:
        ConfigurationError: it is neither, or another machine.
    """

    remembers = False

    def __init__(self, address: str) -> None:
        self._address = syslog_address(address)

    async def newest(self, origin: str, incarnation: str = "") -> str | None:  # noqa: ARG002  # it cannot tell
        """Return nothing."""
        return None

    async def keep(self, origin: str, size: int, note: str, incarnation: str = "") -> None:  # noqa: ARG002  # the note says it
        """
        Hand *note* to the log.

        Raises:
            Unavailable: nobody takes it.
        """
        line = json.dumps({"checkpoint": note}, ensure_ascii=False, separators=(",", ":"))
        try:
            await asyncio.to_thread(self._send, line)
        except OSError:
            raise Unavailable("the system's log takes nothing") from None

    def _send(self, line: str) -> None:
        handler = _Handler(self._address, facility=SysLogHandler.LOG_USER)
        handler.ident = "governlayer: "
        try:
            handler.emit(logging.LogRecord("governlayer", logging.INFO, "", 0, line, None, None))
        finally:
            handler.close()


def syslog_address(address: str) -> str | tuple[str, int]:
    """
    Return *address* as the standard library takes it.

    Raises:
        ConfigurationError: it is neither a path nor ``host:port`` of this machine.
    """
    if address.startswith("/"):
        return address
    found = _HOST_AND_PORT.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 65_536:
        raise ConfigurationError("the address of syslog is the path of a socket, or host:port")
    host = found["host"].strip("[]")
    if not is_loopback(host):
        raise ConfigurationError(
            f"{host} is another machine, and syslog is not encrypted: let a daemon on this one forward it over TLS"
        )
    return host, int(found["port"])
