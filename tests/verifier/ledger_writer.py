"""Writes ledgers and dumps for the tests: an own small reading of ledger-v1, sharing nothing with the verifier.

Canonical bytes come from the package rfc8785, the tree from the recursive definition of RFC 6962, signatures from
the package cryptography.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "gl.example.com/ledgers/test"


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word, over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree_root(leaves[:k]) + tree_root(leaves[k:])).digest()


def inclusion_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if index < k:
        return [*inclusion_path(index, leaves[:k]), tree_root(leaves[k:])]
    return [*inclusion_path(index - k, leaves[k:]), tree_root(leaves[:k])]


def consistency_path(size1: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.2."""

    def sub(m: int, part: Sequence[bytes], whole: bool) -> list[bytes]:
        if m == len(part):
            return [] if whole else [tree_root(part)]
        k = 1 << (len(part) - 1).bit_length() - 1
        if m <= k:
            return [*sub(m, part[:k], whole), tree_root(part[k:])]
        return [*sub(m - k, part[k:], whole=False), tree_root(part[:k])]

    return sub(size1, leaves, whole=True)


@dataclass(frozen=True)
class Signer:
    """A key with its name."""

    name: str
    seed: bytes

    @property
    def public(self) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n\x01" + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64(bytes([1]) + self.public)}"

    def line(self, text: str) -> str:
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return f"— {self.name} {b64(self.key_id + signature)}\n"


KEY = Signer("gl.example.com", bytes(range(32)))
SECOND_KEY = Signer("gl.example.com", bytes(range(1, 33)))
THIRD_KEY = Signer("gl.example.com", bytes(range(2, 34)))


def sign_note(origin: str, size: int, root: bytes, *signers: Signer) -> str:
    text = f"{origin}\n{size}\n{b64(root)}\n"
    return text + "\n" + "".join(signer.line(text) for signer in signers)


@dataclass
class Ledger:
    """Records as they would be stored, payloads apart, and dumps of any range of them."""

    origin: str = ORIGIN
    lines: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    payloads: dict[tuple[int, str], tuple[bytes, str]] = field(default_factory=dict)

    @property
    def genesis(self) -> str:
        block: dict[str, Any] = {
            "canonicalization": "RFC8785",
            "hash": "SHA-256",
            "origin": self.origin,
            "type": "genesis",
            "v": 1,
        }
        block["prev_hash"] = hashlib.sha256(b"GOVERNLAYER_GENESIS").hexdigest()
        return hashlib.sha256(rfc8785.dumps(block)).hexdigest()

    def head(self, size: int) -> str:
        return hashlib.sha256(self.lines[size - 1]).hexdigest() if size else self.genesis

    def add(
        self, kind: str = "decision", body: Any = None, payloads: dict[str, str] | None = None, **other: Any
    ) -> int:
        """Append a record, return its seq; *other* overrides members, to write broken ones."""
        seq = len(self.lines)
        commitments = {}
        for name, text in (payloads or {}).items():
            nonce = hashlib.sha256(f"{seq} {name}".encode()).digest()
            self.payloads[seq, name] = nonce, text
            commitments[name] = hmac.digest(nonce, text.encode(), "sha256").hex()
        record = {
            "actor": {"id": "key_1", "kind": "api_key"},
            "body": {"decision": "allow"} if body is None else body,
            "commitments": commitments,
            "prev_hash": self.head(seq),
            "seq": seq,
            "time": f"2026-11-23T{seq // 3600 % 24:02}:{seq // 60 % 60:02}:{seq % 60:02}.000000Z",
            "type": kind,
            "v": 1,
            **other,
        }
        self.add_line(rfc8785.dumps(record))
        return seq

    def add_line(self, line: bytes) -> None:
        self.lines.append(line)
        self.leaves.append(hashlib.sha256(b"\0" + line).digest())

    def note(self, size: int, *signers: Signer) -> str:
        return sign_note(self.origin, size, tree_root(self.leaves[:size]), *(signers or (KEY,)))

    def receipt(self, index: int, size: int, *signers: Signer) -> str:
        path = "".join(b64(each) + "\n" for each in inclusion_path(index, self.leaves[:size]))
        extra = b64(self.lines[index])
        return f"c2sp.org/tlog-proof@v1\nextra {extra}\nindex {index}\n{path}\n{self.note(size, *signers)}"

    def inclusion(self, seq: int, size: int) -> bytes:
        hashes = [b64(each) for each in inclusion_path(seq, self.leaves[:size])]
        return to_line({"inclusion": {"hashes": hashes, "seq": seq, "size": size}})

    def consistency(self, size1: int, size2: int) -> bytes:
        hashes = [b64(each) for each in consistency_path(size1, self.leaves[:size2])]
        return to_line({"consistency": {"from": size1, "hashes": hashes, "to": size2}})

    def checkpoint(self, size: int, *signers: Signer) -> bytes:
        return to_line({"checkpoint": self.note(size, *signers)})

    def header(self, first: int, last: int, names: Sequence[str] = ()) -> bytes:
        body = {
            "created": "2026-12-08T00:56:07.000000Z",
            "first": first,
            "genesis_hash": self.genesis,
            "keys": [KEY.vkey],
            "last": last,
            "origin": self.origin,
            "payloads": sorted(names),
            "v": 1,
        }
        return to_line({"dump": body})

    def record_lines(self, first: int, last: int, names: Sequence[str] = ()) -> list[bytes]:
        out = []
        for seq in range(first, last + 1):
            out.append(self.lines[seq])
            for name in sorted(names):
                if (seq, name) in self.payloads:
                    nonce, text = self.payloads[seq, name]
                    out.append(to_line({"payload": {"name": name, "nonce": nonce.hex(), "seq": seq, "text": text}}))
        return out

    def end(self, first: int, last: int) -> bytes:
        return to_line({"end": {"head_hash": self.head(last + 1), "records": last - first + 1}})

    def dump(
        self,
        first: int = 0,
        last: int | None = None,
        *,
        names: Sequence[str] = (),
        extra: Sequence[bytes] | None = None,
    ) -> bytes:
        """A dump of the range; *extra* are the lines before the trailer, a checkpoint of its size where None."""
        last = len(self.lines) - 1 if last is None else last
        if extra is None:
            extra = [self.checkpoint(last + 1)] if last >= 0 else []
        lines = [self.header(first, last, names), *self.record_lines(first, last, names), *extra, self.end(first, last)]
        return b"".join(line + b"\n" for line in lines)


def to_line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sample_ledger(records: int = 20) -> Ledger:
    """Records of which every third commits to content and every sixth also to context."""
    ledger = Ledger()
    for seq in range(records):
        payloads = {"content": f"content {seq} ✓"} if seq % 3 == 0 else {}
        if seq % 6 == 0:
            payloads["context"] = f'{{"seq": {seq}}}'
        ledger.add(body={"decision": "deny", "risk": {"score": seq}}, payloads=payloads)
    return ledger
