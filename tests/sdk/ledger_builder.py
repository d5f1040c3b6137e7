"""A ledger built from the specification alone (ledger-v1 §2 to §5), for the tests: it writes, the SDK judges."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DEPLOYMENT = "governlayer.test"
ORIGIN = f"{DEPLOYMENT}/ledgers/0198c5c0-7f00-7000-8000-000000000001"
BEGAN = datetime(2026, 11, 26, tzinfo=UTC)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Key:
    """An Ed25519 key under the deployment's name."""

    def __init__(self, seed: int, name: str = DEPLOYMENT) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        public = b"\x01" + self._private.public_key().public_bytes_raw()
        self.name = name
        self.id = sha256(name.encode() + b"\n" + public)[:4]
        self.vkey = f"{name}+{self.id.hex()}+{b64(public)}"

    def line(self, text: str) -> str:
        return f"— {self.name} {b64(self.id + self._private.sign(text.encode()))}\n"


def tree_root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    half = split(len(leaves))
    return sha256(b"\x01" + tree_root(leaves[:half]) + tree_root(leaves[half:]))


def split(size: int) -> int:
    half = 1
    while half * 2 < size:
        half *= 2
    return half


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962 §2.1.1."""
    if len(leaves) == 1:
        return []
    half = split(len(leaves))
    if index < half:
        return [*path(index, leaves[:half]), tree_root(leaves[half:])]
    return [*path(index - half, leaves[half:]), tree_root(leaves[:half])]


def subproof(old: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962 §2.1.2; with *whole* it is PROOF."""
    if old == len(leaves):
        return [] if whole else [tree_root(leaves)]
    half = split(len(leaves))
    if old <= half:
        return [*subproof(old, leaves[:half], whole=whole), tree_root(leaves[half:])]
    return [*subproof(old - half, leaves[half:], whole=False), tree_root(leaves[:half])]


class LedgerBuilder:
    """One ledger. *signing* are the keys that sign its checkpoints now."""

    def __init__(self, *signing: Key, origin: str = ORIGIN, now: datetime = BEGAN) -> None:
        self.signing: list[Key] = list(signing or [Key(1)])
        self.origin = origin
        self.records: list[bytes] = []
        self.now = now

    def twin(self, size: int) -> LedgerBuilder:
        """Return a ledger with the first *size* records of this one, which goes on by itself."""
        other = copy.copy(self)
        other.records = self.records[:size]
        other.signing = list(self.signing)
        return other

    @property
    def size(self) -> int:
        return len(self.records)

    @property
    def head(self) -> str:
        if self.records:
            return sha256(self.records[-1]).hex()
        seed = sha256(b"GOVERNLAYER_GENESIS").hex()
        genesis = {"canonicalization": "RFC8785", "hash": "SHA-256", "origin": self.origin, "prev_hash": seed}
        return sha256(canonical({**genesis, "type": "genesis", "v": 1})).hex()

    def leaves(self, size: int) -> list[bytes]:
        return [sha256(b"\x00" + record) for record in self.records[:size]]

    def append(self, record_type: str, body: dict[str, Any], **changes: Any) -> int:
        """Append a record and return its seq; *changes* replace members of it."""
        self.now += timedelta(seconds=1)
        members = {
            "actor": {"id": "0198c5c0-7f00-7000-8000-0000000000aa", "kind": "api_key"},
            "body": body,
            "commitments": {"content": "0a" * 32},
            "prev_hash": self.head,
            "seq": self.size,
            "time": self.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": record_type,
            "v": 1,
        }
        self.records.append(canonical({**members, **changes}))
        return self.size - 1

    def grow(self, records: int) -> None:
        for _ in range(records):
            self.append("scan", {"findings": []})

    def text(self, size: int) -> str:
        return f"{self.origin}\n{size}\n{b64(tree_root(self.leaves(size)))}\n"

    def note(self, size: int, *signing: Key) -> str:
        text = self.text(size)
        return text + "\n" + "".join(key.line(text) for key in signing or self.signing)

    def receipt(self, seq: int, size: int | None = None, *signing: Key) -> str:
        size = size or seq + 1
        lines = ["c2sp.org/tlog-proof@v1", f"extra {b64(self.records[seq])}", f"index {seq}"]
        lines += [b64(node) for node in path(seq, self.leaves(size))]
        return "\n".join(lines) + "\n\n" + self.note(size, *signing)

    def consistency(self, old: int, new: int) -> dict[str, Any]:
        hashes = subproof(old, self.leaves(new)) if 0 < old < new else []
        return {"from": old, "to": new, "hashes": [b64(node) for node in hashes]}

    def decide(self, question: dict[str, Any], decision_id: str, decision: str = "allow") -> dict[str, Any]:
        """Record a decision about *question* and return the answer (api.md §4)."""
        answer = judged(question, decision_id, decision)
        seq = self.append("decision", decision_body(question, answer))
        record = json.loads(self.records[seq])
        place = {"origin": self.origin, "seq": seq, "hash": sha256(self.records[seq]).hex()}
        answer["ledger"] = {**place, "prev_hash": record["prev_hash"], "time": record["time"]}
        if question["options"]["receipt"]:
            answer["receipt"] = self.receipt(seq)
        return answer


def judged(question: dict[str, Any], decision_id: str, decision: str) -> dict[str, Any]:
    mode = question["options"]["mode"]
    finding = {"detector": "pii", "version": "1", "type": "email", "severity": "medium", "confidence": 90}
    return {
        "decision_id": decision_id,
        "decision": decision,
        "enforced": mode == "enforce",
        "mode": mode,
        "reason_code": "permitted",
        "reason": "a policy permits it",
        "determined_by": "policy",
        "policies": [{"id": f"p{n}", "version": n, "effect": "permit", "outcome": "allow"} for n in range(1, 35)],
        "policy_set": {"version": 7, "hash": "ab" * 32},
        "obligations": [{"type": kind, "target": "", "params": {}} for kind in ("notify", "log", "log")],
        "risk": {"score": 12, "level": "low", "method": "glrs-1", "vector": "GLRS:1/D:P", "contributions": []},
        "scan": {"findings": [finding, {**finding, "severity": "high"}, finding]},
        "action_digest": "cd" * 32,
        "timings_us": {"total": 900},
    }


def decision_body(question: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    tool = question["action"].get("tool")
    scan = question["options"]["scan"]
    same = ("decision", "decision_id", "determined_by", "enforced", "mode", "policy_set", "reason_code")
    return {
        **{name: answer[name] for name in same},
        "action": question["action"]["name"],
        "agent": question["agent"]["id"],
        "findings": [
            {"count": 1, "detector": "pii", "severity": "high", "type": "email"},
            {"count": 2, "detector": "pii", "severity": "medium", "type": "email"},
        ],
        "obligations": ["log", "notify"],
        "policies": answer["policies"][:32],
        "policies_count": 34,
        "resource_type": question.get("resource", {}).get("type"),
        "risk": {name: answer["risk"][name] for name in ("level", "method", "score", "vector")},
        "scan": scan if isinstance(scan, str) else "chosen",
        "stage": question["stage"],
        "system": question.get("system", {}).get("id"),
        "tool": tool["name"] if tool else None,
        "a_member_of_a_later_server": True,
    }
