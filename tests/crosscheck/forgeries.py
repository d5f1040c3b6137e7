"""Forgeries: what somebody does who knows the format, has the server's code, and perhaps even its key."""

import json
from dataclasses import replace
from random import Random

from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.domain.ledger.record import Record

from tests.crosscheck.dumps import NAME, Cut, Ledger, vkey, write_dump
from tests.crosscheck.mutants import Case, Expected, Mutant, Mutation
from tests.crosscheck.random_ledgers import random_cut
from tests.crosscheck.relinking import Entry, changed_at, edited, entries, refitted, relinked

ERASING = ("erasure", "retention")


def evil_signer(rng: Random) -> Ed25519Signer:
    """A key that nobody trusts, half of the time under the name of the one that they do."""
    return Ed25519Signer(rng.choice((NAME, "gl.example.org")), rng.randbytes(32))


def cut_at_checkpoint(rng: Random, case: Case) -> Mutant:
    """Trailer and header repaired, and a genuine checkpoint at the end: an honest dump of an older state."""
    last = rng.randint(case.cut.first, case.cut.last - 1)
    return Mutant(write_dump(case.ledger, refitted(case.cut, last)), Expected.SAID)


def cut_elsewhere(rng: Random, case: Case) -> Mutant:
    """Trailer and header repaired, but no checkpoint is at the end."""
    cut = refitted(case.cut, rng.randint(case.cut.first, case.cut.last - 1))
    return Mutant(write_dump(case.ledger, replace(cut, checkpoints=cut.checkpoints[:-1])))


def relinked_checkpoints_kept(rng: Random, case: Case) -> Mutant | None:
    forged, _, last = edited(rng, case.ledger, case.cut)
    cut = refitted(case.cut, last)
    return _changed(case, forged, cut, {size: case.ledger.note(size) for _, size in cut.checkpoints})


def relinked_checkpoints_dropped(rng: Random, case: Case) -> Mutant | None:
    forged, seq, last = edited(rng, case.ledger, case.cut)
    cut = refitted(case.cut, last)
    kept = tuple((after, size) for after, size in cut.checkpoints if size <= seq)
    return _changed(case, forged, replace(cut, checkpoints=kept), {})


def relinked_signed_by_another(rng: Random, case: Case) -> Mutant | None:
    forged, seq, last = edited(rng, case.ledger, case.cut)
    cut, evil = refitted(case.cut, last), evil_signer(rng)
    return _changed(case, forged, cut, {size: forged.note(size, evil) for _, size in cut.checkpoints if size > seq})


def relinked_signed_by_the_key(rng: Random, case: Case) -> Mutant:
    """An insider with the signing key: only what was kept elsewhere tells."""
    seq = rng.randint(case.cut.first, case.cut.last)
    forged = changed_at(rng, case.ledger, seq)
    outside = case.ledger.note(rng.randint(seq + 1, case.cut.last + 1))
    return Mutant(write_dump(forged, case.cut), Expected.SAID, outside)


def _changed(case: Case, forged: Ledger, cut: Cut, notes: dict[int, str]) -> Mutant | None:
    """The dump of *forged*, unless its records happen to be those of the ledger."""
    part = slice(cut.first, cut.last + 1)
    if [each.canonical for each in forged.records[part]] == [each.canonical for each in case.ledger.records[part]]:
        return None
    return Mutant(write_dump(forged, cut, notes))


def rewritten_signed_by_another(rng: Random, case: Case) -> Mutant:
    forged = replace(case.fork, signers=((-1, evil_signer(rng)),))
    return Mutant(write_dump(forged, random_cut(rng, forged, partial=False)))


def rewritten_signed_by_the_key(rng: Random, case: Case) -> Mutant:
    return Mutant(write_dump(case.fork, random_cut(rng, case.fork, partial=False)), Expected.SAID)


def other_ledger(rng: Random, case: Case) -> Mutant:
    """A clean dump, only of another ledger than was asked for."""
    return Mutant(write_dump(case.stranger, random_cut(rng, case.stranger, partial=False)))


def checkpoint_of_another_size(rng: Random, case: Case) -> Mutant:
    """The genuine checkpoint of some other size, in the place of the last one."""
    size = case.cut.checkpoints[-1][1]
    other = rng.choice([each for each in range(1, len(case.ledger.records) + 1) if each != size])
    return Mutant(write_dump(case.ledger, case.cut, {size: case.ledger.note(other)}))


def checkpoint_of_the_fork(rng: Random, case: Case) -> Mutant:
    """The same origin, size and key, but the root of another history."""
    size = rng.choice([size for _, size in case.cut.checkpoints if size])
    return Mutant(write_dump(case.ledger, case.cut, {size: case.fork.note(size, case.ledger.signer(size))}))


def checkpoint_of_another_origin(rng: Random, case: Case) -> Mutant:
    size = rng.choice([size for _, size in case.cut.checkpoints if size])
    return Mutant(write_dump(case.ledger, case.cut, {size: case.stranger.note(size, case.ledger.signer(size))}))


def key_slipped_in(rng: Random, case: Case) -> Mutant:
    """Records after the end: one introduces another key, and that key signs what follows."""
    evil, end = evil_signer(rng), case.cut.last + 1
    members = json.loads(case.ledger.records[case.cut.last].canonical)
    added = [{**members, "commitments": {}, "type": "ledger.key", "body": {"event": "introduced", "vkey": vkey(evil)}}]
    added += [{**members, "commitments": {}, "type": "scan", "body": {}}] * rng.randint(1, 3)
    history: list[Entry] = [*entries(case.ledger)[:end], *((each, ()) for each in added)]
    forged, last = relinked(case.ledger, history), end + len(added) - 1
    cut = refitted(case.cut, last, {case.cut.last: end} if rng.random() < 0.5 else None)
    return Mutant(write_dump(forged, cut, {last + 1: forged.note(last + 1, evil)}))


def key_slipped_in_before(rng: Random, case: Case) -> Mutant:
    """A record is changed into one that introduces another key, and that key signs from there on."""
    evil, seq, history = evil_signer(rng), rng.randint(case.cut.first, case.cut.last), entries(case.ledger)
    members, held = history[seq]
    body = {"event": "introduced", "vkey": vkey(evil)}
    history[seq] = {**members, "type": "ledger.key", "body": body}, held
    forged, cut = relinked(case.ledger, history), refitted(case.cut, case.cut.last)
    return Mutant(write_dump(forged, cut, {size: forged.note(size, evil) for _, size in cut.checkpoints if size > seq}))


def retired_key_signs(rng: Random, case: Case) -> Mutant | None:
    """A key that a record retired goes on signing."""
    retired = [signer for at, signer in _retired(case.ledger) if case.cut.first <= at <= case.cut.last]
    if not retired:
        return None
    last = case.cut.last
    cut = refitted(case.cut, last)
    return Mutant(write_dump(case.ledger, cut, {last + 1: case.ledger.note(last + 1, rng.choice(retired))}))


def _retired(ledger: Ledger) -> list[tuple[int, Ed25519Signer]]:
    """The signers that are out of service, and the seq of the record that says so."""
    keys = {vkey(signer): signer for _, signer in ledger.signers}
    bodies = [(each.seq, json.loads(each.canonical)["body"]) for each in ledger.records if each.type == "ledger.key"]
    return [(seq, keys[body["vkey"]]) for seq, body in bodies if body["event"] == "retired"]


def erasure_removed(rng: Random, case: Case) -> Mutant | None:
    """The record that accounts for missing payloads is gone, and the rest relinked."""
    erasing = [each.seq for each in _erasing(case)]
    if not erasing:
        return None
    history = entries(case.ledger)
    del history[rng.choice(erasing)]
    cut = refitted(case.cut, case.cut.last - 1)
    return _changed(
        case, relinked(case.ledger, history), cut, {size: case.ledger.note(size) for _, size in cut.checkpoints}
    )


def erasure_line_deleted(rng: Random, case: Case) -> Mutant | None:
    lines = [each.canonical + b"\n" for each in _erasing(case)]
    if not lines:
        return None
    gone = rng.choice(lines)
    return Mutant(b"".join(line for line in case.lines if line != gone))


def _erasing(case: Case) -> list[Record]:
    part = case.ledger.records[case.cut.first : case.cut.last + 1]
    return [each for each in part if each.type in ERASING]


FORGERIES: dict[str, Mutation] = {
    "tail cut at a checkpoint, repaired": cut_at_checkpoint,
    "tail cut elsewhere, repaired": cut_elsewhere,
    "relinked, checkpoints kept": relinked_checkpoints_kept,
    "relinked, checkpoints dropped": relinked_checkpoints_dropped,
    "relinked, signed by another key": relinked_signed_by_another,
    "relinked, signed by the key": relinked_signed_by_the_key,
    "rewritten, signed by another key": rewritten_signed_by_another,
    "rewritten, signed by the key": rewritten_signed_by_the_key,
    "another ledger": other_ledger,
    "checkpoint of another size": checkpoint_of_another_size,
    "checkpoint of a fork": checkpoint_of_the_fork,
    "checkpoint of another origin": checkpoint_of_another_origin,
    "key slipped in at the end": key_slipped_in,
    "key slipped in before": key_slipped_in_before,
    "retired key signs": retired_key_signs,
    "erasure removed, relinked": erasure_removed,
    "erasure line deleted": erasure_line_deleted,
}
