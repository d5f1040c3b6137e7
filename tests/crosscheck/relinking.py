"""What a forger who knows the format does to a ledger: a record changed, and every hash behind it made to fit."""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from random import Random
from typing import Any

from governlayer_server.domain.ledger.chain import genesis_hash
from governlayer_server.domain.ledger.commitment import Payload
from governlayer_server.domain.ledger.record import Record

from tests.crosscheck.dumps import Cut, Ledger
from tests.crosscheck.ledgers import spelled

# A record's members, and its payloads.
Entry = tuple[dict[str, Any], tuple[Payload, ...]]
Spelling = Callable[[dict[str, Any]], bytes]


def entries(ledger: Ledger) -> list[Entry]:
    return [(json.loads(each.canonical), ledger.payloads.get(each.seq, ())) for each in ledger.records]


def relinked(ledger: Ledger, history: Sequence[Entry], spoiled: Mapping[int, Spelling] | None = None) -> Ledger:
    """
    Return the ledger of *history*, with the origin and signers of *ledger*: seq and prev_hash are made to fit.

    Args:
        ledger: whose origin and signers it has.
        history: its records.
        spoiled: records, by seq, that are not spelled as the format asks, yet hashed as they are.
    """
    records: list[Record] = []
    previous = genesis_hash(ledger.origin)
    for seq, (members, _) in enumerate(history):
        spell = (spoiled or {}).get(seq, spelled)
        canonical = spell({**members, "prev_hash": previous.hex(), "seq": seq}).removesuffix(b"\n")
        digest = sha256(canonical).digest()
        records.append(
            Record(seq=seq, type=members["type"], time_us=0, canonical=canonical, hash=digest, prev_hash=previous)
        )
        previous = digest
    payloads = {seq: held for seq, (_, held) in enumerate(history) if held}
    return Ledger(ledger.origin, tuple(records), payloads, ledger.signers, ledger.destroyed)


def changed_at(rng: Random, ledger: Ledger, seq: int) -> Ledger:
    """*ledger* with record *seq* saying something else, and relinked."""
    history = entries(ledger)
    members, held = history[seq]
    change = rng.choice(
        (
            {"actor": {**members["actor"], "id": members["actor"]["id"] + "x"}},
            {"body": {**members["body"], "forged": rng.randint(0, 9)}},
            {"commitments": {**members["commitments"], "another": rng.randbytes(32).hex()}},
            {"type": "scan" if members["type"] != "scan" else "risk"},
        )
    )
    history[seq] = {**members, **change}, held
    return relinked(ledger, history)


def edited(rng: Random, ledger: Ledger, cut: Cut) -> tuple[Ledger, int, int]:
    """
    Return *ledger* with a record of *cut* changed, removed, added or moved, and relinked.

    Returns:
        the ledger, the first seq that differs, and the last seq that a dump of it has to hold.
    """
    seq = rng.randint(cut.first, cut.last - 1)
    history, last = entries(ledger), cut.last
    match rng.choice(("changed", "removed", "added", "moved")):
        case "changed":
            return changed_at(rng, ledger, seq), seq, last
        case "removed":
            del history[seq]
            last -= 1
        case "added":
            history.insert(seq, rng.choice(history))
        case "moved":
            history[seq], history[seq + 1] = history[seq + 1], history[seq]
    forged = relinked(ledger, history)
    return forged, _first_difference(forged, ledger), last


def _first_difference(one: Ledger, other: Ledger) -> int:
    pairs = zip(one.records, other.records, strict=False)
    return next((a.seq for a, b in pairs if a.canonical != b.canonical), len(one.records))


def refitted(cut: Cut, last: int, more: Mapping[int, int] | None = None) -> Cut:
    """*cut* ending at *last*, with a checkpoint there and the older ones; a proof of its first record into that one."""
    older = tuple((after, size) for after, size in cut.checkpoints if after <= last and cut.first < size <= last)
    checkpoints = (*older, *(more or {}).items(), (last, last + 1))
    return Cut(cut.first, last, cut.names, checkpoints, last + 1 if cut.first else None, (), cut.first - 1)
