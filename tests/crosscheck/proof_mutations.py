"""Proof lines of dumps that start later, and receipts, changed or put in a false place."""

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from tests.crosscheck.dumps import WITNESS, Cut, Ledger, write_dump, write_lines
from tests.crosscheck.ledgers import spelled
from tests.crosscheck.mutants import Case, Mutant, Mutation
from tests.crosscheck.relinking import changed_at, refitted

CHECKPOINT = b'{"checkpoint":'
PROOFS = (b'{"inclusion":', b'{"consistency":')


def hash_changed(rng: Random, case: Case) -> Mutant | None:
    return _changed(rng, case, lambda proof: {"hashes": _with_other_hash(rng, proof["hashes"])})


def hash_left_out(rng: Random, case: Case) -> Mutant | None:
    return _changed(rng, case, lambda proof: {"hashes": proof["hashes"][:-1]})


def size_changed(rng: Random, case: Case) -> Mutant | None:
    def change(proof: dict[str, Any]) -> dict[str, Any]:
        name = rng.choice(sorted({"from", "to", "seq", "size"} & proof.keys()))
        return {name: proof[name] + rng.choice((1, 2, -1))}

    return _changed(rng, case, change)


def proof_deleted(rng: Random, case: Case) -> Mutant | None:
    places = _proof_lines(case)
    if not places:
        return None
    gone = rng.choice(places)
    return Mutant(b"".join(case.lines[:gone] + case.lines[gone + 1 :]))


def records_unproven(rng: Random, case: Case) -> Mutant | None:
    """Genuine checkpoints only of before the dump begins, and forged records: nothing ties the one to the other."""
    if not case.cut.first:
        return None
    forged = changed_at(rng, case.ledger, rng.randint(case.cut.first, case.cut.last))
    cut = replace(refitted(case.cut, case.cut.last), checkpoints=((case.cut.last, rng.randint(1, case.cut.first)),))
    return Mutant(write_dump(forged, cut, {size: case.ledger.note(size) for _, size in cut.checkpoints}))


def proven_only_in_part(rng: Random, case: Case) -> Mutant | None:
    """Genuine proofs and a genuine checkpoint for the first record, and forged records behind it."""
    first, size = case.cut.first, len(case.ledger.records)
    if not first:
        return None
    last = rng.randint(first + 1, size - 2)
    forged = changed_at(rng, case.ledger, rng.randint(first + 1, last))
    proven = Cut(first, last, case.cut.names, ((last, size),), size, ((first + 1, size),))
    genuine, false = write_lines(case.ledger, proven), write_lines(forged, proven)
    return Mutant(
        b"".join(a if a.startswith((*PROOFS, CHECKPOINT)) else b for a, b in zip(genuine, false, strict=True))
    )


def _with_other_hash(rng: Random, hashes: list[str]) -> list[str]:
    place = rng.randrange(len(hashes))
    letter = "B" if hashes[place][0] != "B" else "C"
    return [*hashes[:place], letter + hashes[place][1:], *hashes[place + 1 :]]


def _changed(rng: Random, case: Case, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Mutant | None:
    places = [place for place in _proof_lines(case) if b'"hashes":[]' not in case.lines[place]]
    if not places:
        return None
    place = rng.choice(places)
    ((kind, proof),) = json.loads(case.lines[place]).items()
    line = spelled({kind: {**proof, **change(proof)}})
    return Mutant(b"".join([*case.lines[:place], line, *case.lines[place + 1 :]]))


def _proof_lines(case: Case) -> list[int]:
    return [place for place, line in enumerate(case.lines) if line.startswith(PROOFS)]


def receipt_of(rng: Random, case: Case, source: Ledger) -> str:
    """A receipt for a record of the dump's range, of *source*."""
    seq = rng.randint(case.cut.first, case.cut.last)
    return source.receipt(seq, rng.randint(seq + 1, case.cut.last + 1))


def receipt_damaged(rng: Random, case: Case) -> Mutant:
    receipt = receipt_of(rng, case, case.ledger)
    # The signature of a witness that the reader does not know is ignored.
    place = rng.randrange(len(receipt.partition(f"\n— {WITNESS.name}")[0]))
    letter = chr((ord(receipt[place]) + rng.randint(1, 90)) % 128)
    return Mutant(case.dump, receipts=(receipt[:place] + letter + receipt[place + 1 :],))


def receipt_of_the_fork(rng: Random, case: Case) -> Mutant:
    return Mutant(case.dump, receipts=(receipt_of(rng, case, case.fork),))


def receipt_of_another_origin(rng: Random, case: Case) -> Mutant:
    return Mutant(case.dump, receipts=(receipt_of(rng, case, case.stranger),))


def receipt_of_another_record(rng: Random, case: Case) -> Mutant:
    """The index of another record over the record and the proof of this one."""
    receipt = receipt_of(rng, case, case.ledger)
    index = int(receipt.partition("\nindex ")[2].partition("\n")[0])
    other = rng.choice([seq for seq in range(case.cut.first, case.cut.last + 1) if seq != index])
    return Mutant(case.dump, receipts=(receipt.replace(f"\nindex {index}\n", f"\nindex {other}\n"),))


PROOF_MUTATIONS: dict[str, Mutation] = {
    "proof: hash changed": hash_changed,
    "proof: hash left out": hash_left_out,
    "proof: size or seq changed": size_changed,
    "proof: line deleted": proof_deleted,
    "proof: forged records unproven": records_unproven,
    "proof: forged records half proven": proven_only_in_part,
    "receipt damaged": receipt_damaged,
    "receipt of a fork": receipt_of_the_fork,
    "receipt of another origin": receipt_of_another_origin,
    "receipt of another record": receipt_of_another_record,
}
