"""The server's certificate, exchanged while it serves: new handshakes get the new one, open connections go on."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from governlayer_server.adapters.tls.contexts import authorities, load_pair, server_context
from governlayer_server.domain.errors import ConfigurationError

_POLL_S = 2.0
_Seen = tuple[tuple[int, int, int], ...]


class ServedCertificate:
    """
    What the server shows, kept at what the files hold.

    Args:
        certificate: the certificate and its chain (PEM).
        key: its private key (PEM).
        client_ca: when given, clients must show a certificate signed by one of these authorities. It is read once:
            sessions begun under an authority could be resumed after its removal, so a new file needs a restart.

    Raises:
        ConfigurationError: the files cannot be used (``contexts.load_pair``).
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        self._certificate, self._key = certificate, key
        self._client_ca = None if client_ca is None else authorities(client_ca)
        self._seen = self._look()
        #: For the listening socket; stays the same when the certificate changes.
        self.context = self._current = self._load()
        self.context.sni_callback = self._show_current

    async def watch(self, say: Callable[[str], object], poll_s: float = _POLL_S) -> NoReturn:
        """
        Look at the files every *poll_s* seconds until cancelled, and take what is new.

        A new pair that cannot be used changes nothing: the old one stays in service, and *say* gets one line.
        """
        while True:
            await asyncio.sleep(poll_s)
            if (line := self.refresh()) is not None:
                say(line)

    def refresh(self) -> str | None:
        """Take the pair in the files if it is another than last time; return a line on what came of it, or None."""
        seen = self._look()
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            self._current = self._load()
        except ConfigurationError as error:
            return f"the new certificate is not taken, the old one stays in service: {error}"
        return f"new certificate in service: {self._certificate}"

    def _load(self) -> ssl.SSLContext:
        context = server_context(self._client_ca)
        load_pair(context, self._certificate, self._key)
        return context

    def _show_current(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        # Called in every handshake, with a server name or without: whole contexts change places, so that no client
        # ever meets a certificate without its key.
        connection.context = self._current

    def _look(self) -> _Seen:
        """Return what changes when a file does, also behind links (Kubernetes exchanges a link)."""
        return tuple(_mark(file) for file in (self._certificate, self._key))


def _mark(file: Path) -> tuple[int, int, int]:
    try:
        status = file.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
