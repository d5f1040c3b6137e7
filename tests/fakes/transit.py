"""The transit engine of Vault and OpenBao, as far as its HTTP API is needed here, with keys of its own."""

import base64
import json
import os
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.fakes.canned_http import handled, http

TOKEN = "hvs.CANARY-token"
_REQUEST = re.compile(r"POST /v1/([^ ]+)/(encrypt|decrypt|rewrap)/([^/ ]+) HTTP/1\.1")
_CIPHERTEXT = re.compile(r"vault:v([0-9]+):(.+)")


class Refused(Exception):
    """An answer with another status than 200."""

    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(status)
        self.answer = http(status, json.dumps({"errors": errors}).encode())


def _new_key() -> AESGCM:
    return AESGCM(os.urandom(32))


@dataclass
class Transit:
    """One engine with one key; what is asked of it is counted."""

    mount: str = "transit"
    key: str = "governlayer"
    namespace: str | None = None
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    versions: list[AESGCM] = field(default_factory=lambda: [_new_key()])
    min_decryption_version: int = 1
    is_sealed: bool = False
    may: set[str] = field(default_factory=lambda: {"encrypt", "decrypt", "rewrap"})
    asked: list[str] = field(default_factory=list)

    def rotate(self) -> None:
        """What `vault write -f transit/keys/governlayer/rotate` does."""
        self.versions.append(_new_key())

    def encrypt(self, plaintext: bytes) -> str:
        nonce = os.urandom(12)
        sealed = nonce + self.versions[-1].encrypt(nonce, plaintext, None)
        return f"vault:v{len(self.versions)}:{base64.b64encode(sealed).decode()}"

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
        """Inside, the port where the engine answers."""
        async with handled(self._handle, tls) as port:
            yield port

    async def _handle(self, head: str, body: bytes) -> bytes:
        try:
            data = {**self._data(head, json.loads(body)), "more": None}
            return http(200, json.dumps({"request_id": "1", "data": data, "warnings": None}).encode())
        except Refused as refused:
            return refused.answer

    def _data(self, head: str, body: Mapping[str, str]) -> Mapping[str, object]:
        if self.is_sealed:
            raise Refused(503, "Vault is sealed")
        first, *lines = head.strip().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        found = _REQUEST.fullmatch(first)
        if found is None or (found[1], fields.get("x-vault-namespace")) != (self.mount, self.namespace):
            raise Refused(404)
        self.asked.append(found[2])
        if fields.get("x-vault-token") not in self.tokens or found[2] not in self.may:
            raise Refused(403, "permission denied")
        if found[3] != self.key:
            raise Refused(400, "encryption key not found")
        return self._act(found[2], body)

    def _act(self, act: str, body: Mapping[str, str]) -> Mapping[str, object]:
        if act == "decrypt":
            return {"plaintext": base64.b64encode(self._decrypt(body["ciphertext"])).decode()}
        plaintext = base64.b64decode(body["plaintext"]) if act == "encrypt" else self._decrypt(body["ciphertext"])
        return {"ciphertext": self.encrypt(plaintext), "key_version": len(self.versions)}

    def _decrypt(self, ciphertext: str) -> bytes:
        found = _CIPHERTEXT.fullmatch(ciphertext)
        version = int(found[1]) if found else 0
        if found is None or not 0 < version <= len(self.versions):
            raise Refused(400, "invalid ciphertext: no prefix")
        if version < self.min_decryption_version:
            raise Refused(400, "ciphertext or signature version is disallowed by policy (too old)")
        sealed = base64.b64decode(found[2])
        try:
            return self.versions[version - 1].decrypt(sealed[:12], sealed[12:], None)
        except InvalidTag:
            raise Refused(400, "cipher: message authentication failed") from None
