"""Witnesses and post-quantum logs for the tests: an own reading of c2sp.org/tlog-cosignature and tlog-policy."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from tests.verifier.ledger_writer import KEY, b64

TIME_S = 1_767_225_600
TIME = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Ed25519Cosigner:
    """Signs cosignature/v1."""

    name: str
    seed: bytes
    time_s: int = TIME_S

    @property
    def data(self) -> bytes:
        return b"\x04" + Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self.data).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64(self.data)}"

    def blob(self, text: str) -> bytes:
        message = f"cosignature/v1\ntime {self.time_s}\n{text}".encode()
        return self.time_s.to_bytes(8, "big") + Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)

    def line(self, text: str) -> str:
        return f"— {self.name} {b64(self.key_id + self.blob(text))}\n"


@dataclass(frozen=True)
class MlDsaCosigner(Ed25519Cosigner):
    """Signs the subtree/v1 structure."""

    @cached_property
    def _private(self) -> MLDSA44PrivateKey:
        return MLDSA44PrivateKey.from_seed_bytes(self.seed)

    @property
    def data(self) -> bytes:
        return b"\x06" + self._private.public_key().public_bytes_raw()

    def message(self, text: str) -> bytes:
        origin, size, root = text.split("\n")[:3]
        parts = [
            b"subtree/v1\n\x00",
            len(self.name.encode()).to_bytes(1, "big"),
            self.name.encode(),
            self.time_s.to_bytes(8, "big"),
            len(origin).to_bytes(1, "big"),
            origin.encode(),
            (0).to_bytes(8, "big"),
            int(size).to_bytes(8, "big"),
            base64.b64decode(root),
        ]
        return b"".join(parts)

    def blob(self, text: str) -> bytes:
        return self.time_s.to_bytes(8, "big") + self._private.sign(self.message(text))


W1 = Ed25519Cosigner("witness.example.com/w1", bytes([1]) * 32)
W2 = Ed25519Cosigner("witness.example.com/w2", bytes([2]) * 32)
W3 = Ed25519Cosigner("witness.example.com/w3", bytes([3]) * 32)
PQ = MlDsaCosigner("witness.example.com/pq", bytes([4]) * 32)
LOG_PQ = MlDsaCosigner("gl.example.com", bytes([5]) * 32)


def trust(*lines: str) -> bytes:
    """A trust file that names the log, three witnesses and *lines*."""
    witnesses = [f"witness {name} {each.vkey}" for name, each in (("w1", W1), ("w2", W2), ("w3", W3))]
    return "\n".join([f"log {KEY.vkey}", *witnesses, *lines, ""]).encode()
