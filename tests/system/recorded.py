"""What was answered, held against what is recorded."""

import json
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.system.writers import Ack, Writer, acknowledged


def compared(dump: Path, writers: Sequence[Writer]) -> Counter[str]:
    """Hold what was answered against what is recorded."""
    records = _records(dump)
    decisions = {seq: json.loads(line)["body"] for seq, line in records.items() if b'"type":"decision"' in line}
    times_recorded = Counter(body["action"] for body in decisions.values())
    acks = [ack for writer in writers for ack in writer.acks]
    given_up = set[str]().union(*(writer.given_up for writer in writers))
    answered = {ack.action for ack in acks}
    counts = {
        "acknowledged": len(acks),
        "lost": sum(not _stands(ack, records, decisions) for ack in acks),
        "acknowledged at the second try": sum(ack.replayed for ack in acks),
        "given up": len(given_up),
        "given up but recorded": sum(action in times_recorded for action in given_up),
        "recorded twice": sum(times > 1 for times in times_recorded.values()),
        "recorded though never asked": len(times_recorded.keys() - answered - given_up),
        "records": len(records),
    }
    return Counter(counts)


def _records(dump: Path) -> dict[int, bytes]:
    lines = [line for line in dump.read_bytes().splitlines() if line.startswith(b'{"actor":')]
    return {json.loads(line)["seq"]: line for line in lines}


def _stands(ack: Ack, records: dict[int, bytes], decisions: dict[int, dict[str, Any]]) -> bool:
    """Whether the decision is where its answer said, as it said."""
    body = decisions.get(ack.seq)
    return (
        body is not None
        and body["decision_id"] == ack.decision_id
        and body["action"] == ack.action
        and sha256(records[ack.seq]).hexdigest() == ack.hash
    )


def assert_same_answers_again(writers: Sequence[Writer]) -> None:
    """The idempotency keys of before all crashes still give the answers of then."""
    before = acknowledged(writers)
    for writer in writers:
        for ack in (*writer.acks[:10], *writer.acks[-10:]):
            answer = writer.again(ack)
            body = answer.json()
            place = body["ledger"]
            assert (body["decision_id"], place["seq"], place["hash"]) == (ack.decision_id, ack.seq, ack.hash)
            assert answer.header("Idempotency-Replayed") == "true"
    assert acknowledged(writers) == before
