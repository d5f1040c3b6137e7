"""
One rule broken and all else in order, down to the signatures of the trusted key.

Hashes and signatures say nothing against such a dump, so each of these rules has to be looked at for itself.
"""

import json
from random import Random
from typing import Any

from tests.crosscheck.dumps import write_dump, write_lines
from tests.crosscheck.ledgers import spelled
from tests.crosscheck.mutants import Case, Mutant, Mutation
from tests.crosscheck.relinking import Spelling, entries, relinked


def spoiled(rng: Random, case: Case, spelling: Spelling) -> Mutant:
    """A record behind the first of the dump is spelled so, and everything behind it is made to fit and signed."""
    seq = rng.randint(case.cut.first + 1, case.cut.last)
    return Mutant(write_dump(relinked(case.ledger, entries(case.ledger), {seq: spelling}), case.cut))


def not_canonical(rng: Random, case: Case) -> Mutant:
    return spoiled(rng, case, rng.choice((_spaced, _repeated, _reversed, _escaped)))


def _spaced(members: dict[str, Any]) -> bytes:
    return spelled(members).replace(b'"seq":', b'"seq": ')


def _repeated(members: dict[str, Any]) -> bytes:
    return spelled(members).replace(b',"v":1}', b',"v":1,"v":1}')


def _reversed(members: dict[str, Any]) -> bytes:
    names = ["actor", *sorted(set(members) - {"actor"}, reverse=True)]
    return json.dumps({name: members[name] for name in names}, separators=(",", ":"), ensure_ascii=False).encode()


def _escaped(members: dict[str, Any]) -> bytes:
    return spelled(members).replace(b'"v":1', b'"\\u0076":1')


def not_a_record(rng: Random, case: Case) -> Mutant:
    """Canonical JSON, but not with exactly the members of §2."""
    other = rng.choice(
        (
            {"zz": 1},
            {"v": 2},
            {"v": True},
            {"type": "Decision"},
            {"type": "a" * 65},
            {"time": "2999-02-30T00:00:00.000000Z"},
            {"actor": {"id": "x", "kind": "root"}},
            {"actor": {"id": "x", "kind": "user", "name": "Ann"}},
            {"commitments": {"A": "0" * 64}},
            {"commitments": {"a": "F" * 64}},
            {"body": []},
            {"body": {"a": 2**53}},
            {"body": {"é": 1}},
            {"body": {"a": "\0"}},
            {"body": {"a": "x" * 17_000}},
            {"body": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}}},
        )
    )
    return spoiled(rng, case, lambda members: spelled({**members, **other}))


def seq_wrong(rng: Random, case: Case) -> Mutant:
    off = rng.choice((1, 2, 1_000))
    return spoiled(rng, case, lambda members: spelled({**members, "seq": members["seq"] + off}))


def link_wrong(rng: Random, case: Case) -> Mutant:
    wrong = rng.randbytes(32).hex()
    return spoiled(rng, case, lambda members: spelled({**members, "prev_hash": wrong}))


def time_backwards(rng: Random, case: Case) -> Mutant:
    return spoiled(rng, case, lambda members: spelled({**members, "time": "1969-12-31T23:59:59.999999Z"}))


def erased_before(rng: Random, case: Case) -> Mutant | None:
    """A payload is withheld, and the record that names it as erased stands before it (§8 step 11)."""
    disclosed = [seq for seq in range(case.cut.first + 1, case.cut.last + 1) if _disclosed(case, seq)]
    if not disclosed:
        return None
    seq = rng.choice(disclosed)
    body = {"basis": "", "names": ["*"], "ranges": [[seq, seq]]}
    history = entries(case.ledger)
    before = rng.randrange(case.cut.first, seq)
    history[before] = {**history[before][0], "commitments": {}, "type": "erasure", "body": body}, ()
    history[seq] = history[seq][0], ()
    return Mutant(write_dump(relinked(case.ledger, history), case.cut))


def _disclosed(case: Case, seq: int) -> bool:
    return any(payload.name in case.cut.names for payload in case.ledger.payloads.get(seq, ()))


def trailer_wrong(rng: Random, case: Case) -> Mutant:
    lines = write_lines(case.ledger, case.cut)
    end = json.loads(lines[-1])["end"]
    wrong = rng.choice(({"head_hash": rng.randbytes(32).hex()}, {"records": end["records"] + rng.choice((1, -1))}))
    return Mutant(b"".join([*lines[:-1], spelled({"end": {**end, **wrong}})]))


def genesis_wrong(rng: Random, case: Case) -> Mutant:
    lines = write_lines(case.ledger, case.cut)
    header = json.loads(lines[0])
    header["dump"]["genesis_hash"] = rng.choice((rng.randbytes(32), case.stranger.heads[0].hash)).hex()
    return Mutant(b"".join([spelled(header), *lines[1:]]))


BROKEN_RULES: dict[str, Mutation] = {
    "signed, but not canonical": not_canonical,
    "signed, but not a record of §2": not_a_record,
    "signed, but seq wrong": seq_wrong,
    "signed, but link wrong": link_wrong,
    "signed, but time backwards": time_backwards,
    "signed, but erased before": erased_before,
    "trailer wrong": trailer_wrong,
    "genesis hash wrong": genesis_wrong,
}
