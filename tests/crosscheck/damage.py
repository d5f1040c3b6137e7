"""Blind damage: bytes, lines and members changed by chance, as by a bad disk, a bad tool or a fuzzer."""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from tests.crosscheck.dumps import Ledger
from tests.crosscheck.ledgers import spelled
from tests.crosscheck.mutants import Case, Mutant, Mutation

RECORD = b'{"actor":'


def bit_flip(rng: Random, dump: bytes) -> bytes:
    place = rng.randrange(len(dump))
    return dump[:place] + bytes([dump[place] ^ 1 << rng.randrange(8)]) + dump[place + 1 :]


def byte_replace(rng: Random, dump: bytes) -> bytes:
    place = rng.randrange(len(dump))
    return dump[:place] + bytes([(dump[place] + rng.randint(1, 255)) % 256]) + dump[place + 1 :]


def byte_insert(rng: Random, dump: bytes) -> bytes:
    place = rng.randint(0, len(dump))
    return dump[:place] + rng.choice((b" ", b"\n", b"\r", b"0", b",", b"\\", rng.randbytes(1))) + dump[place:]


def byte_delete(rng: Random, dump: bytes) -> bytes:
    place = rng.randrange(len(dump))
    return dump[:place] + dump[place + 1 :]


def range_delete(rng: Random, dump: bytes) -> bytes:
    start = rng.randrange(len(dump))
    return dump[:start] + dump[start + rng.randint(2, 3_000) :]


def tail_cut_anywhere(rng: Random, dump: bytes) -> bytes:
    return dump[: rng.randrange(len(dump))]


def line_delete(rng: Random, lines: list[bytes]) -> list[bytes]:
    place = rng.randrange(len(lines))
    return lines[:place] + lines[place + 1 :]


def lines_delete(rng: Random, lines: list[bytes]) -> list[bytes]:
    start, end = sorted(rng.sample(range(len(lines) + 1), 2))
    return lines[:start] + lines[end:]


def line_duplicate(rng: Random, lines: list[bytes]) -> list[bytes]:
    place = rng.randrange(len(lines))
    other = place if rng.random() < 0.5 else rng.randrange(len(lines))
    return [*lines[: other + 1], lines[place], *lines[other + 1 :]]


def lines_swap(rng: Random, lines: list[bytes]) -> list[bytes]:
    one, other = rng.sample(range(len(lines)), 2)
    swapped = list(lines)
    swapped[one], swapped[other] = lines[other], lines[one]
    return swapped


def tail_cut_at_line(rng: Random, lines: list[bytes]) -> list[bytes]:
    """All from some line on, but perhaps the trailer."""
    place = rng.randrange(1, len(lines))
    return lines[:place] + rng.choice(([], lines[-1:]))


def head_cut(rng: Random, lines: list[bytes]) -> list[bytes]:
    """The first lines; the header stays, half of the time with the range that is left."""
    records = [place for place, line in enumerate(lines) if line.startswith(RECORD)]
    start = rng.choice(records[1:])
    header = json.loads(lines[0])
    if rng.random() < 0.5:
        header["dump"]["first"] = json.loads(lines[start])["seq"]
    return [spelled(header), *lines[start:]]


def fields_swap(rng: Random, lines: list[bytes]) -> list[bytes]:
    """Two values swapped, of one line or of two, and all written in canonical form again."""
    one = rng.randrange(len(lines))
    other = one if rng.random() < 0.5 else rng.randrange(len(lines))
    values = {place: json.loads(lines[place]) for place in (one, other)}
    (parent, name), (second, key) = rng.choice([*_places(values[one])]), rng.choice([*_places(values[other])])
    first, parent[name] = parent[name], second[key]
    second[key] = first
    return [spelled(values[place]) if place in values else line for place, line in enumerate(lines)]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every leaf inside *value*, as the container and the name or index in it."""
    names = value.items() if isinstance(value, dict) else enumerate(value)
    for name, child in list(names):
        if isinstance(child, dict | list) and child:
            yield from _places(child)
        else:
            yield value, name


def splice(rng: Random, case: Case, source: Ledger) -> Mutant:
    """Some records and their payloads replaced by those of another ledger at the same places."""
    first, last = sorted(rng.choices(range(case.cut.first, case.cut.last + 1), k=2))
    lines = []
    for line in case.lines:
        seq = json.loads(line).get("seq") if line.startswith(RECORD) else None
        lines.append(source.records[seq].canonical + b"\n" if seq is not None and first <= seq <= last else line)
    return Mutant(b"".join(lines))


def of_bytes(damage: Callable[[Random, bytes], bytes]) -> Mutation:
    return lambda rng, case: Mutant(damage(rng, case.dump))


def of_lines(damage: Callable[[Random, list[bytes]], list[bytes]]) -> Mutation:
    return lambda rng, case: Mutant(b"".join(damage(rng, case.lines)))


DAMAGE: dict[str, Mutation] = {
    "bit flipped": of_bytes(bit_flip),
    "byte replaced": of_bytes(byte_replace),
    "byte inserted": of_bytes(byte_insert),
    "byte deleted": of_bytes(byte_delete),
    "range of bytes deleted": of_bytes(range_delete),
    "tail cut at a byte": of_bytes(tail_cut_anywhere),
    "line deleted": of_lines(line_delete),
    "range of lines deleted": of_lines(lines_delete),
    "line duplicated": of_lines(line_duplicate),
    "two lines swapped": of_lines(lines_swap),
    "two fields swapped": of_lines(fields_swap),
    "tail cut at a line": of_lines(tail_cut_at_line),
    "head cut": of_lines(head_cut),
    "splice, same origin": lambda rng, case: splice(rng, case, case.fork),
    "splice, other origin": lambda rng, case: splice(rng, case, case.stranger),
}
