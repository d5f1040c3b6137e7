"""Dumps of any length, written by the server's domain code, for benchmarks of those who read them."""

import random
import uuid
from collections.abc import Iterator
from pathlib import Path

from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.domain.ledger.chain import Head, empty_head, genesis_hash
from governlayer_server.domain.ledger.checkpoint import checkpoint_text, signed_note
from governlayer_server.domain.ledger.dump import checkpoint_line, end_line, header_line
from governlayer_server.domain.ledger.growth import extend
from governlayer_server.domain.ledger.record import Actor, ActorKind, Draft
from governlayer_server.domain.ledger.tree import root
from governlayer_server.domain.times import time_text

NAME = "gl.example.com"
ORIGIN = f"{NAME}/ledgers/0198c5c0-7f00-7000-8000-000000000001"
START_US = 1_790_000_000_000_000
ACTOR = Actor(id="0198c5c0-7f00-7000-8000-00000000000a", kind=ActorKind.API_KEY)
OUTCOMES = ("allow", "deny", "redact", "require_approval")


def write_dump(path: Path, records: int) -> str:
    """Write a dump of *records* decisions, without payloads; return the verifier key of its checkpoint."""
    signer = Ed25519Signer(NAME, bytes(range(32)))
    with path.open("wb") as file:
        file.write(
            header_line(
                created=time_text(START_US),
                first=0,
                last=records - 1,
                origin=ORIGIN,
                genesis_hash=genesis_hash(ORIGIN).hex(),
                keys=[signer.vkey],
                names=[],
            )
        )
        head = empty_head(ORIGIN)
        for draft in drafts(records):
            record, head = extend(head, draft, START_US + head.size * 1_000)
            file.write(record.canonical + b"\n")
        file.write(checkpoint_line(signed(signer, head)))
        file.write(end_line(head.hash.hex(), records))
    return signer.vkey


def signed(signer: Ed25519Signer, head: Head) -> str:
    text = checkpoint_text(head.origin, head.size, root(head.edge))
    return signed_note(text, [signer.line(text)])


def drafts(records: int) -> Iterator[Draft]:
    """Decisions with commitments to four payloads; every tenth record is an export instead."""
    chance = random.Random(0)
    for number in range(records):
        if number % 10 == 9:
            yield Draft(
                type="export", actor=ACTOR, body={"first": 0, "format": "gldump", "last": number - 1, "payloads": []}
            )
        else:
            commitments = {name: chance.randbytes(32).hex() for name in ("arguments", "content", "context", "findings")}
            yield Draft(type="decision", actor=ACTOR, body=decision_body(chance), commitments=commitments)


def decision_body(chance: random.Random) -> dict[str, object]:
    """The members of ``domain.decision_record``, with values that vary as they do in practice."""
    outcome, score = chance.choice(OUTCOMES), chance.randrange(101)
    findings = [
        {"count": chance.randrange(1, 5), "detector": kind, "severity": "medium", "type": kind}
        for kind in ("email", "phone", "secret")[: chance.randrange(4)]
    ]
    return {
        "action": "mail.write",
        "agent": f"agent-{chance.randrange(50)}",
        "decision": outcome,
        "decision_id": str(uuid.UUID(bytes=chance.randbytes(16), version=4)),
        "determined_by": "policy",
        "enforced": chance.random() < 0.9,
        "findings": findings,
        "mode": "enforce",
        "obligations": ["redact"] if outcome == "redact" else [],
        "policies": [{"effect": "permit", "id": outcome, "outcome": outcome, "version": 7}],
        "policies_count": 1,
        "policy_set": {"hash": "ab" * 32, "version": 7},
        "reason_code": f"policy_{outcome}",
        "resource_type": chance.choice([None, "document"]),
        "risk": {
            "level": "high" if score >= 70 else "low",
            "method": "glrs-1",
            "score": score,
            "vector": "GLRS:1/D:P/R:P/S:X/G:N/V:N/I:C/U:N/K:Y/A:N/F:3.5/T:P/M:N",
        },
        "scan": "auto",
        "stage": "tool_call",
        "system": None,
        "tool": "smtp",
    }
