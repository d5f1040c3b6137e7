"""
Mutants of random dumps against the verifier: how many of each kind, and what became of them.

    python -m tests.crosscheck.mutate --count 10000 --seed 1
    python -m tests.crosscheck.mutate --clean 1000 --seed 1

Prints a table. Exit status 1: a mutant escaped, or a clean dump was refused.

    FAIL      the verifier refused it (or could not read it)
    said      only a checkpoint from outside can tell: the report said so in words, and refused it with that checkpoint
    identity  it says what the clean dump says, by the rules in oracle.py, or is written as the specification allows
    ESCAPE    anything else
"""

import argparse
import io
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import Pool
from random import Random
from typing import TypeVar

import governlayer_verifier
from governlayer_verifier.reader import decompressed

from tests.crosscheck.broken_rules import BROKEN_RULES
from tests.crosscheck.damage import DAMAGE
from tests.crosscheck.dumps import Cut, Ledger, write_dump
from tests.crosscheck.forgeries import FORGERIES
from tests.crosscheck.mutants import Case, Expected, Mutant, Mutation, random_case
from tests.crosscheck.oracle import means_the_same
from tests.crosscheck.other_spellings import OTHER_SPELLINGS
from tests.crosscheck.payload_mutations import PAYLOAD_MUTATIONS
from tests.crosscheck.proof_mutations import PROOF_MUTATIONS
from tests.crosscheck.random_ledgers import random_cut, random_ledger

MUTATIONS: dict[str, Mutation] = {
    **DAMAGE,
    **PAYLOAD_MUTATIONS,
    **PROOF_MUTATIONS,
    **FORGERIES,
    **BROKEN_RULES,
    **OTHER_SPELLINGS,
}
SAYS_SO = "cannot be excluded"
T = TypeVar("T")


class Outcome(StrEnum):
    FAIL = "FAIL"
    SAID = "said"
    IDENTITY = "identity"
    ESCAPE = "ESCAPE"


@dataclass(frozen=True)
class Judged:
    """One mutant; *where* names the seed that makes it again."""

    kind: str
    outcome: Outcome
    where: str


def verdict(case: Case, dump: bytes, **outside: Sequence[str]) -> governlayer_verifier.Report | None:
    """What the verifier says of *dump*; None where it, or what is brought from outside, cannot be read."""
    try:
        stream = decompressed(io.BytesIO(dump))
        return governlayer_verifier.verify(stream, keys=case.keys, origin=case.ledger.origin, **outside)
    except (governlayer_verifier.ArgumentError, governlayer_verifier.InputError):
        return None


def status(report: governlayer_verifier.Report | None, blind_to: int | None) -> str:
    """The verdict; with *blind_to*, that of a verifier which does not look at this step."""
    if report is None or blind_to is None:
        return "invalid" if report is None else report.verdict
    statuses = {each.status for each in report.steps if each.step != blind_to}
    return "invalid" if "fail" in statuses else "incomplete" if "not_checked" in statuses else "valid"


def judge(case: Case, mutant: Mutant, blind_to: int | None = None) -> Outcome:
    """
    Return what became of *mutant*.

    Args:
        case: the clean dump.
        mutant: the other one.
        blind_to: a step of §8 that does not count, to see that it is needed.
    """
    report = verdict(case, mutant.dump, receipts=mutant.receipts)
    said = status(report, blind_to)
    if mutant.expected is Expected.ACCEPTED:
        return Outcome.IDENTITY if said == "valid" else Outcome.ESCAPE
    if report is None or said == "invalid":
        return Outcome.FAIL
    if mutant.expected is Expected.REFUSED and not mutant.receipts and means_the_same(case, mutant.dump):
        return Outcome.IDENTITY
    # A dump that starts later and lost a proof: the report calls itself incomplete, which is no success either.
    unproven = case.cut.first > 0 and said == "incomplete"
    if (unproven or mutant.expected is Expected.SAID) and SAYS_SO in report.as_text():
        outside = mutant.outside or case.ledger.note(case.cut.last + 1)
        again = status(verdict(case, mutant.dump, checkpoints=[outside]), blind_to)
        return Outcome.SAID if again == "invalid" or (unproven and again == "incomplete") else Outcome.ESCAPE
    return Outcome.ESCAPE


def judge_all(seed: str) -> list[Judged]:
    """Judge one mutant of every kind that applies to the case of *seed*."""
    case = random_case(Random(seed))
    mutants = ((kind, mutation(Random(f"{seed} {kind}"), case)) for kind, mutation in MUTATIONS.items())
    return [Judged(kind, judge(case, mutant), seed) for kind, mutant in mutants if mutant is not None]


def refused_clean(seed: str) -> str | None:
    """The report of the clean dump of *seed* where the verifier does not accept it, with all that can be brought."""
    rng = Random(seed)
    ledger = random_ledger(rng)
    cut = random_cut(rng, ledger, partial=rng.random() < 0.5)
    outside = _outside(rng, ledger, cut) if cut.last >= cut.first else {}
    stream = io.BytesIO(write_dump(ledger, cut))
    report = governlayer_verifier.verify(stream, keys=ledger.trusted(cut.first), origin=ledger.origin, **outside)
    return None if report.verdict == "valid" else f"{seed}: {cut}\n{report.as_text()}"


def _outside(rng: Random, ledger: Ledger, cut: Cut) -> dict[str, list[str]]:
    """A checkpoint of some size inside the dump, and a receipt under it."""
    size = rng.randint(cut.first + 1, cut.last + 1)
    return {"checkpoints": [ledger.note(size)], "receipts": [ledger.receipt(rng.randint(cut.first, size - 1), size)]}


def mutate(count: int, seed: int, processes: int) -> int:
    table: dict[str, Counter[Outcome]] = {kind: Counter() for kind in MUTATIONS}
    escapes = []
    for done, each in enumerate(flat(judge_all, seed, processes)):
        if done == count:
            break
        table[each.kind][each.outcome] += 1
        if each.outcome is Outcome.ESCAPE:
            escapes.append(each)
    print_table(table)
    for each in escapes[:20]:
        print(f"ESCAPE  {each.kind!r} with the seed {each.where!r}")
    return 1 if escapes else 0


def flat(work: Callable[[str], list[T]], seed: int, processes: int) -> Iterator[T]:
    """The results of *work* for ever new seeds, in order."""
    with Pool(processes) as pool:
        batch = 0
        while True:
            seeds = [f"{seed}/{number}" for number in range(batch, batch + 100)]
            for results in pool.imap(work, seeds, chunksize=5):
                yield from results
            batch += 100


def print_table(table: dict[str, Counter[Outcome]]) -> None:
    print(f"{'kind':<36}{'count':>8}" + "".join(f"{outcome:>10}" for outcome in Outcome))
    for kind, outcomes in [*table.items(), ("all", sum(table.values(), Counter()))]:
        print(f"{kind:<36}{outcomes.total():>8}" + "".join(f"{outcomes[outcome]:>10}" for outcome in Outcome))


def accept_clean(count: int, seed: int, processes: int) -> int:
    seeds = [f"{seed}/{number}" for number in range(count)]
    with Pool(processes) as pool:
        refused = [each for each in pool.imap(refused_clean, seeds, chunksize=10) if each is not None]
    print(f"{count} clean dumps, {count - len(refused)} accepted, {len(refused)} refused")
    for report in refused[:5]:
        print(report)
    return 1 if refused else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutants of random dumps against the verifier.")
    parser.add_argument("--count", type=int, default=10_000, help="how many mutants")
    parser.add_argument("--clean", type=int, help="verify so many clean dumps instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.clean is not None:
        return accept_clean(options.clean, options.seed, options.processes)
    return mutate(options.count, options.seed, options.processes)


if __name__ == "__main__":
    sys.exit(main())
