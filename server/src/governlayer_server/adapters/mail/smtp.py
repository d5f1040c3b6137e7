"""Hands letters to a mail server over TLS, whose certificate is verified: ``ports.sign_in.Mailer``."""

import re
import ssl
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib
from msgspec import Struct

from governlayer_server.domain.errors import ConfigurationError, Unavailable

_TIMEOUT_S = 10.0
_PORTS = {"smtps": 465, "smtp+starttls": 587}
_BARE = re.compile(r"[^\s<>@\"]+@[^\s<>@\"]+")


class SmtpAddress(Struct, frozen=True, kw_only=True):
    """How to reach a mail server; *starttls*: TLS begins with that command, and is required all the same."""

    host: str
    port: int
    starttls: bool
    user: str | None = None
    password: str | None = None
    ca_file: Path | None = None

    def __repr__(self) -> str:
        """No password."""
        return f"SmtpAddress({self.host}:{self.port})"


def smtp_address(url: str, password: str | None, ca_file: str | None) -> SmtpAddress:
    """
    Return the address that *url* names: ``smtps://user@host:465`` or ``smtp+starttls://user@host:587``.

    Args:
        url: without a password, which is a secret of its own.
        password: of *url*'s user.
        ca_file: certificates in PEM to trust in place of the system's.

    Raises:
        ConfigurationError: it is none of these, or only one of user and password is given.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("the URL of the mail server is malformed") from None
    plain = parts.path in {"", "/"} and not parts.query and not parts.fragment and parts.password is None
    if parts.scheme not in _PORTS or not parts.hostname or not plain:
        raise ConfigurationError("the mail server is smtps://[user@]host[:port] or smtp+starttls://[user@]host[:port]")
    if (parts.username is None) != (password is None):
        raise ConfigurationError("give the mail server's user and password, or neither")
    return SmtpAddress(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        starttls=parts.scheme == "smtp+starttls",
        user=None if parts.username is None else unquote(parts.username),
        password=password,
        ca_file=None if ca_file is None else Path(ca_file),
    )


class SmtpMailer:
    """
    Sends one letter per connection.

    Args:
        address: the mail server.
        sender: the address that letters come from.

    Raises:
        ConfigurationError: the certificates to trust cannot be read.
    """

    def __init__(self, address: SmtpAddress, sender: str) -> None:
        self._address = address
        self._sender = sender
        try:
            self._tls = ssl.create_default_context(cafile=address.ca_file)
        except (OSError, ssl.SSLError):
            raise ConfigurationError("the certificates to trust for the mail server cannot be read") from None
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def __repr__(self) -> str:
        """No password."""
        return f"SmtpMailer({self._address!r})"

    async def send(self, address: str, subject: str, text: str) -> None:
        """
        Hand a plain text letter to the mail server.

        Raises:
            Unavailable: it was not taken, or the server's certificate is not valid for its name. Nothing of the letter
                went over a connection without TLS.
        """
        try:
            await aiosmtplib.send(
                self._letter(address, subject, text),
                hostname=self._address.host,
                port=self._address.port,
                username=self._address.user,
                password=self._address.password,
                use_tls=not self._address.starttls,
                start_tls=self._address.starttls,
                tls_context=self._tls,
                timeout=_TIMEOUT_S,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError, LookupError, MessageError):  # the last three: no address
            raise Unavailable("the letter could not be sent") from None

    def _letter(self, address: str, subject: str, text: str) -> EmailMessage:
        letter = EmailMessage()
        letter["From"] = self._sender
        letter["To"] = Address(addr_spec=address)
        letter["Subject"] = subject
        letter.set_content(text)
        return letter


def is_mail_address(text: str) -> bool:
    """Return whether *text* can be the sender of letters: a bare address."""
    return _BARE.fullmatch(text) is not None
