"""
What the verifier reads as a record, against what the server would write: line by line the same answer.

    python -m tests.crosscheck.differential --count 1000000 --seed 1

Prints a table. Exit status 1: they disagree on a line.

The verifier accepts a line if it finds no fault in it in steps 1 and 3 of ledger-v1 §8. The server's answer comes from
its writer: the line is a record if the writer, given the facts in it, gives these very bytes.
"""

import argparse
import io
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import Pool
from random import Random

import governlayer_verifier
import msgspec
import rfc8785
from governlayer_server.domain.errors import LedgerFormatError
from governlayer_server.domain.ledger.canonical import canonical_bytes
from governlayer_server.domain.ledger.dump import end_line, header_line
from governlayer_server.domain.ledger.growth import Prepared
from governlayer_server.domain.ledger.record import SYSTEM, Draft
from governlayer_server.domain.ledger.tree import HASH_BYTES
from governlayer_server.domain.times import parse_time, time_text

from tests.crosscheck.dumps import CREATED
from tests.crosscheck.random_ledgers import ORIGIN, random_ledger
from tests.crosscheck.record_lines import KINDS

# A report keeps the first 100 failures of a step.
BATCH_LINES = 100
# Lines of 16 KiB take far more time than all others, and differ in little from each other.
LONG_BYTES = 4_000
LONG_SHARE = 0.25
SHORT_KINDS = [kind for kind in KINDS if kind != "length"]


@dataclass(frozen=True)
class Answer:
    """What both sides say of a line."""

    kind: str
    line: bytes
    read: bool
    written: bool

    @property
    def agreed(self) -> bool:
        return self.read == self.written and (self.read or self.kind != "as written")


def would_write(line: bytes) -> bool:
    """Whether the server's writer, given the facts that *line* holds, gives *line*."""
    try:
        value = json.loads(line.decode())
        # The types of a draft are a promise of its callers, which mypy holds.
        draft = msgspec.convert({name: value[name] for name in Draft.__struct_fields__}, Draft)
        prev_hash, time = bytes.fromhex(value["prev_hash"]), time_text(parse_time(value["time"])).encode()
        if type(value["seq"]) is not int or value["seq"] < 0 or len(prev_hash) != HASH_BYTES:
            return False
        return Prepared(draft).at(value["seq"], prev_hash, time) == canonical_bytes(value) == line
    except (LookupError, OverflowError, RecursionError, TypeError, ValueError, msgspec.MsgspecError, LedgerFormatError):
        return False


def are_read(lines: Sequence[bytes]) -> list[bool]:
    """Which of at most 100 lines the verifier reads as records."""
    header = header_line(
        created=CREATED, first=0, last=len(lines) - 1, origin=ORIGIN, genesis_hash="0" * 64, keys=[], names=[]
    )
    dump = b"".join([header, *(line + b"\n" for line in lines), end_line("0" * 64, len(lines))])
    report = governlayer_verifier.verify(io.BytesIO(dump))
    refused = {failure.line for step in (1, 3) for failure in report.step(step).failures}
    return [number not in refused for number in range(2, len(lines) + 2)]


def compare(seed: str) -> list[Answer]:
    """Both answers to 100 lines, made from records that the server wrote."""
    rng = Random(seed)
    records = [each.canonical for each in random_ledger(rng, size=12).records][:BATCH_LINES]
    made = [("as written", record) for record in records]
    bases = [record for record in records if len(record) < LONG_BYTES] or [EXAMPLE]
    while len(made) < BATCH_LINES:
        kind = rng.choice(list(KINDS) if rng.random() < LONG_SHARE else SHORT_KINDS)
        record = rng.choice(bases)
        made.append((kind, KINDS[kind](rng, json.loads(record)).replace(b"\n", b"")))
    read = are_read([line for _, line in made])
    return [
        Answer(kind, line, ok and spells_the_same(line), would_write(line))
        for (kind, line), ok in zip(made, read, strict=True)
    ]


def spells_the_same(line: bytes) -> bool:
    """Whether a third implementation of RFC 8785 gives *line* back; of what the verifier reads it always should."""
    return rfc8785.dumps(json.loads(line)) == line


EXAMPLE = Prepared(Draft(type="scan", actor=SYSTEM, body={})).at(0, bytes(32), CREATED.encode())


def run(count: int, seed: int, processes: int) -> int:
    table: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    apart: list[Answer] = []
    seeds = (f"{seed}/{number}" for number in range(-(-count // BATCH_LINES)))
    with Pool(processes) as pool:
        for answers in pool.imap(compare, seeds, chunksize=20):
            for each in answers:
                said = ("accepted" if each.read else "refused") if each.agreed else "DISAGREED"
                table[each.kind][said] += 1
            apart += [each for each in answers if not each.agreed]
    print_table(table)
    for each in apart[:20]:
        print(f"DISAGREED  read {each.read}, written {each.written}: {each.line[:400]!r}")
    return 1 if apart else 0


def print_table(table: dict[str, Counter[str]]) -> None:
    columns = ("accepted", "refused", "DISAGREED")
    print(f"{'kind':<20}{'lines':>10}" + "".join(f"{column:>11}" for column in columns))
    for kind, said in [*table.items(), ("all", sum(table.values(), Counter()))]:
        print(f"{kind:<20}{said.total():>10}" + "".join(f"{said[column]:>11}" for column in columns))


def main() -> int:
    parser = argparse.ArgumentParser(description="The verifier's reading of records against the server's writing.")
    parser.add_argument("--count", type=int, default=1_000_000, help="how many lines")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    return run(options.count, options.seed, options.processes)


if __name__ == "__main__":
    sys.exit(main())
