"""Dumps that only look other: compressed and then damaged, or written otherwise where the specification leaves it open."""

import gzip
import json
from collections.abc import Callable
from random import Random

from tests.crosscheck.dumps import write_lines
from tests.crosscheck.ledgers import spelled
from tests.crosscheck.mutants import Case, Expected, Mutant, Mutation

CHECKPOINT = b'{"checkpoint":'


def gzip_bit_flip(rng: Random, packed: bytes) -> bytes:
    place = rng.choice((rng.randrange(len(packed)), rng.randrange(10), len(packed) - 1 - rng.randrange(8)))
    return packed[:place] + bytes([packed[place] ^ 1 << rng.randrange(8)]) + packed[place + 1 :]


def gzip_cut(rng: Random, packed: bytes) -> bytes:
    return packed[: rng.choice((rng.randrange(len(packed)), len(packed) - rng.randint(1, 8)))]


def gzip_bytes_deleted(rng: Random, packed: bytes) -> bytes:
    start = rng.randrange(len(packed))
    return packed[:start] + packed[start + rng.randint(1, 40) :]


def gzip_garbage_behind(rng: Random, packed: bytes) -> bytes:
    return packed + rng.choice((rng.randbytes(rng.randint(1, 40)), bytes(rng.randint(1, 40)), packed, packed[:20]))


def in_two_gzip_members(rng: Random, case: Case) -> Mutant:
    place = rng.randint(0, len(case.dump))
    return Mutant(gzip.compress(case.dump[:place]) + gzip.compress(case.dump[place:]), Expected.ACCEPTED)


def other_claims(rng: Random, case: Case) -> Mutant:
    """When the dump was made, and the keys that it lists, are claims that nothing rests on (§7)."""
    header = json.loads(case.lines[0])
    header["dump"] |= rng.choice(({"keys": []}, {"created": "1999-12-31T23:59:59.999999Z"}))
    return Mutant(b"".join([spelled(header), *case.lines[1:]]), Expected.ACCEPTED)


def checkpoint_repeated_later(rng: Random, case: Case) -> Mutant:
    """A checkpoint may stand anywhere behind its last record, and more than once (§7)."""
    place = rng.choice([place for place, line in enumerate(case.lines) if line.startswith(CHECKPOINT)])
    behind = [each for each in range(place + 1, len(case.lines)) if not case.lines[each].startswith(b'{"payload":')]
    other = rng.choice(behind)
    return Mutant(b"".join([*case.lines[:other], case.lines[place], *case.lines[other:]]), Expected.ACCEPTED)


def without_last_newline(rng: Random, case: Case) -> Mutant:
    return Mutant(case.dump[:-1], Expected.ACCEPTED)


def fewer_names(rng: Random, case: Case) -> Mutant | None:
    """The same range with less disclosed: its header says so."""
    if not case.cut.names:
        return None
    gone = rng.choice(case.cut.names)
    header = json.loads(case.lines[0])
    header["dump"]["payloads"].remove(gone)
    begin = f'{{"payload":{{"name":"{gone}"'.encode()
    kept = [line for line in write_lines(case.ledger, case.cut)[1:] if not line.startswith(begin)]
    return Mutant(b"".join([spelled(header), *kept]), Expected.ACCEPTED)


def of_gzip(damage: Callable[[Random, bytes], bytes]) -> Mutation:
    return lambda rng, case: Mutant(damage(rng, gzip.compress(case.dump, mtime=0)))


OTHER_SPELLINGS: dict[str, Mutation] = {
    "gzip: bit flipped": of_gzip(gzip_bit_flip),
    "gzip: cut": of_gzip(gzip_cut),
    "gzip: bytes deleted": of_gzip(gzip_bytes_deleted),
    "gzip: garbage behind": of_gzip(gzip_garbage_behind),
    "open: two gzip members": in_two_gzip_members,
    "open: other claims": other_claims,
    "open: checkpoint repeated": checkpoint_repeated_later,
    "open: no last newline": without_last_newline,
    "open: fewer names": fewer_names,
}
