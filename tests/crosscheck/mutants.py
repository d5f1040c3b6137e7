"""What a mutation starts from, what it gives, and what its author knows about it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from random import Random

from tests.crosscheck.dumps import Cut, Ledger, write_lines
from tests.crosscheck.random_ledgers import ORIGIN, random_cut, random_ledger

STRANGE_ORIGIN = ORIGIN + "2"
LEAST_RECORDS = 4


@dataclass(frozen=True)
class Case:
    """A clean dump, and other ledgers to take false parts from."""

    ledger: Ledger
    cut: Cut
    # Another history under the same origin and key, and a ledger of another origin.
    fork: Ledger
    stranger: Ledger

    @cached_property
    def lines(self) -> list[bytes]:
        return write_lines(self.ledger, self.cut)

    @cached_property
    def dump(self) -> bytes:
        return b"".join(self.lines)

    @property
    def keys(self) -> list[str]:
        return self.ledger.trusted(self.cut.first)


class Expected(StrEnum):
    """What the kind of a mutation knows of its mutants."""

    REFUSED = "refused"
    # Nothing inside the dump contradicts it: the report says what it cannot exclude, and a checkpoint kept elsewhere
    # refuses it.
    SAID = "said"
    # The specification lets a dump be written so.
    ACCEPTED = "accepted"


@dataclass(frozen=True)
class Mutant:
    """A dump, perhaps compressed, that is not the clean one."""

    dump: bytes
    expected: Expected = Expected.REFUSED
    # A checkpoint that was kept elsewhere; of the end of the clean dump where None.
    outside: str | None = None
    # Receipts that are brought, of which one is false.
    receipts: tuple[str, ...] = ()


# None where the dump holds nothing that this kind could change.
Mutation = Callable[[Random, Case], Mutant | None]


def random_case(rng: Random) -> Case:
    """A case of at least four records, every third with a dump that starts later."""
    partial = rng.random() < 1 / 3
    while True:
        ledger = random_ledger(rng)
        cut = random_cut(rng, ledger, partial=partial)
        if cut.last - cut.first + 1 >= LEAST_RECORDS:
            return Case(ledger, cut, _like(rng, ledger, ORIGIN), _like(rng, ledger, STRANGE_ORIGIN))


def _like(rng: Random, ledger: Ledger, origin: str) -> Ledger:
    """A ledger of *origin* at least as long as *ledger*, signed by its first key."""
    while True:
        other = random_ledger(rng, origin, size=len(ledger.records) + 24)
        if len(other.records) >= len(ledger.records):
            return Ledger(other.origin, other.records, other.payloads, ledger.signers[:1], other.destroyed)
