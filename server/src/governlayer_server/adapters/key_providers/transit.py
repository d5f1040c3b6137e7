"""
Keys that the transit engine of Vault or OpenBao opens: ``ports.key_providers.KeyProvider``.

The file holds a ciphertext, ``vault:v1:…``. It is opened once, and the key stays in memory, so that no decision waits
for the server. The API: https://developer.hashicorp.com/vault/api-docs/secret/transit.
"""

import asyncio
import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from governlayer_server.adapters.key_providers.file import PROJECTED, read_line
from governlayer_server.adapters.key_providers.texts import KeyText, ReadTexts, checked_key, spell_key
from governlayer_server.adapters.outgoing import OutgoingClient
from governlayer_server.domain.errors import ConfigurationError, Unavailable

_CIPHERTEXT = re.compile(r"vault:v[1-9][0-9]{0,8}:[A-Za-z0-9+/=]{1,2000}")
_OK, _BAD_REQUEST, _FORBIDDEN, _NOT_FOUND = 200, 400, 403, 404
# Redirects of a standby, a node that lags behind (412), too many requests (429): another time it may answer.
_LATER = {301, 302, 303, 307, 308, 412, 429}


class TransitAddress(Struct, frozen=True, kw_only=True):
    """
    Which key of which server.

    Attributes:
        url: ``https://…``; plain HTTP for loopback only.
        key: name of the transit key.
        token: file of the token; read at each request, because agents renew it.
        mount: path of the engine.
        ca: certificates (PEM) that alone are trusted; None: those of the system.
        namespace: of Vault Enterprise or OpenBao, if it is in one.
    """

    url: str
    key: str
    token: Path
    mount: str = "transit"
    ca: Path | None = None
    namespace: str | None = None


class _Answer(Struct, frozen=True):
    """What transit answers; of what stands beside ``data``, and of most of what stands in it, nothing is needed."""

    data: Mapping[str, object]


class TransitKeys:
    """
    Reads ciphertexts and has them opened.

    Args:
        address: of the transit key.
        read: finds the ciphertexts.
    """

    name = "transit"

    def __init__(self, address: TransitAddress, read: ReadTexts) -> None:
        self._address = address
        self._read = read
        self._opened: dict[str, bytes] = {}

    def __repr__(self) -> str:
        """No keys."""
        return f"TransitKeys({self._address.url!r}, {self._address.key!r})"

    async def keys(self) -> Sequence[bytes]:
        """
        Return the keys of the ciphertexts that are there now; the server is asked for those not seen before.

        Raises:
            ConfigurationError: a file is missing or no ciphertext, or the server refuses the token or the ciphertext.
            Unavailable: it is away or sealed.
        """
        texts = await asyncio.to_thread(self._read)
        self._opened = {one.text: self._opened.get(one.text) or await self._open(one) for one in texts}
        return list(dict.fromkeys(self._opened.values()))

    async def protect(self, key: bytes) -> str:
        """
        Return the ciphertext of *key*, which has been seen to open.

        Raises:
            ConfigurationError: the server refuses to close or to open it.
            Unavailable: it is away or sealed.
        """
        return await self._opening("encrypt", {"plaintext": spell_key(key)}, key)

    async def rewrap(self, text: str) -> str:
        """
        Return the ciphertext *text* under the newest version of the transit key; it has been seen to open to the same.

        Raises:
            ConfigurationError: *text* is no ciphertext, or the server refuses.
            Unavailable: it is away or sealed.
        """
        key = await self._open(KeyText(place="the ciphertext before", text=text))
        return await self._opening("rewrap", {"ciphertext": text}, key)

    async def _open(self, kept: KeyText) -> bytes:
        if not _CIPHERTEXT.fullmatch(kept.text):
            raise ConfigurationError(f"{kept.place} must hold a ciphertext of transit, vault:v1:…")
        plaintext = await self._ask("decrypt", kept.place, {"ciphertext": kept.text}, "plaintext")
        try:
            return checked_key(f"the key in {kept.place}", base64.b64decode(plaintext, validate=True))
        except ValueError:
            raise self._unlike(kept.place) from None

    async def _opening(self, act: str, body: Mapping[str, str], key: bytes) -> str:
        """Return the ciphertext that *act* makes, if it opens to *key*."""
        text = await self._ask(act, "a key", body, "ciphertext")
        if await self._open(KeyText(place="the new ciphertext", text=text)) != key:
            raise ConfigurationError(f"{self._whole} does not give back what it was given")
        return text

    async def _ask(self, act: str, place: str, body: Mapping[str, str], member: str) -> str:
        """Return *member* of the answer to one request; *place* names for people what it is about."""
        path = f"/v1/{self._address.mount}/{act}/{self._address.key}"
        client = OutgoingClient(self._address.url, self._address.ca)
        try:
            status, answer = await client.post(path, msgspec.json.encode(body), await self._headers())
        except Unavailable as error:
            raise Unavailable(f"{self._whole} is not reached: {error}") from None
        finally:
            await client.close()
        if status != _OK:
            raise self._refused(status, act, place)
        try:
            found = msgspec.json.decode(answer, type=_Answer).data.get(member)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._unlike(place) from None
        if not isinstance(found, str):
            raise self._unlike(place)
        return found

    async def _headers(self) -> Mapping[str, str]:
        token = await asyncio.to_thread(read_line, self._address.token, PROJECTED)
        if token is None:
            raise ConfigurationError(f"the token's file {self._address.token} is missing")
        named = {} if self._address.namespace is None else {"x-vault-namespace": self._address.namespace}
        return {"content-type": "application/json", "x-vault-request": "true", "x-vault-token": token, **named}

    def _refused(self, status: int, act: str, place: str) -> ConfigurationError | Unavailable:
        """Return the error for an answer that is none; what the server says of it is not repeated."""
        if status >= 500 or status in _LATER:
            return Unavailable(f"{self._whole} is sealed, a standby or overloaded (status {status})")
        if status == _FORBIDDEN:
            return ConfigurationError(
                f"{self._whole} refuses to {act} with the token in {self._address.token}: expired, or its policy lacks "
                f"`update` on {self._address.mount}/{act}/{self._address.key}"
            )
        if status == _NOT_FOUND:
            return ConfigurationError(f"{self._whole} does not exist: check mount, name and namespace")
        if status == _BAD_REQUEST:
            return ConfigurationError(
                f"{self._whole} does not {act} {place}: made by another transit key, damaged, or older than its "
                "min_decryption_version"
            )
        return ConfigurationError(f"{self._whole} refuses to {act} {place} (status {status})")

    def _unlike(self, place: str) -> ConfigurationError:
        return ConfigurationError(f"{self._whole} answers for {place} what transit never answers")

    @property
    def _whole(self) -> str:
        return f"the transit key {self._address.mount}/{self._address.key} at {self._address.url}"
