"""The vectors of ledger-v1, as the tests read them."""

import base64
import json
from pathlib import Path
from typing import Any

from governlayer_server.adapters.crypto.signer import Ed25519Signer, KeysInService
from governlayer_server.domain.ledger.record import Actor, ActorKind, Draft

from tests.fakes.clock import FakeClock

FOLDER = Path(__file__).parents[1] / "vectors" / "ledger-v1"


def read_json(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def dump_lines(name: str) -> list[bytes]:
    return (FOLDER / "dumps" / name).read_bytes().splitlines(keepends=True)


def record_lines(name: str) -> list[bytes]:
    return [line[:-1] for line in dump_lines(name) if line.startswith(b'{"actor":')]


def vector_key() -> Ed25519Signer:
    """The signing key of the vectors; its seed is public."""
    index = read_json("index.json")
    return Ed25519Signer(index["key_name"], bytes.fromhex(index["test_private_seed_hex"]))


def vector_signer() -> KeysInService:
    return KeysInService([vector_key()], FakeClock())


def draft_of(line: bytes) -> Draft:
    """What was said before the record had a place."""
    record = json.loads(line)
    actor = Actor(id=record["actor"]["id"], kind=ActorKind(record["actor"]["kind"]))
    return Draft(type=record["type"], actor=actor, body=record["body"], commitments=record["commitments"])


def decoded(texts: list[str]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(text) for text in texts)
