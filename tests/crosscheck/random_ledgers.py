"""Random ledgers as the server writes them, and random dumps of them, from a seeded generator."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.domain.ledger.canonical import MAX_BYTES
from governlayer_server.domain.ledger.chain import Head, empty_head
from governlayer_server.domain.ledger.commitment import Payload, commitments
from governlayer_server.domain.ledger.growth import extend
from governlayer_server.domain.ledger.record import SYSTEM, Actor, ActorKind, Draft, Record

from tests.crosscheck.dumps import NAME, Cut, Ledger, vkey
from tests.crosscheck.random_values import members, text

ORIGIN = f"{NAME}/ledgers/mutated"
KINDS = ("decision", "decision", "decision.outcome", "scan", "risk", "export", "new.in_a.later_version", "a" * 64)
PAYLOAD_NAMES = ("arguments", "content", "context", "findings", "_", "z" * 32)
EVERY_NAME = ("*",)
START_US = 1_795_456_800_000_000


@dataclass
class Author:
    """Adds records one after the other, each by chance."""

    rng: Random
    origin: str
    head: Head = field(init=False)
    now_us: int = START_US
    records: list[Record] = field(default_factory=list)
    payloads: dict[int, tuple[Payload, ...]] = field(default_factory=dict)
    destroyed: dict[int, tuple[Payload, ...]] = field(default_factory=dict)
    signers: list[tuple[int, Ed25519Signer]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.head = empty_head(self.origin)
        self.signers.append((-1, self._new_signer()))

    def ledger(self) -> Ledger:
        return Ledger(self.origin, tuple(self.records), self.payloads, tuple(self.signers), self.destroyed)

    def add(self) -> None:
        chance = self.rng.random()
        if chance < 0.1 and self.records:
            self._erase()
        elif chance < 0.13:
            self._rotate()
        elif chance < 0.16:
            self._fill_up()
        else:
            self.append(self.rng.choice(KINDS), members(self.rng, 6), self._some_payloads())

    def append(
        self, kind: str, body: dict[str, Any], payloads: Sequence[Payload] = (), actor: Actor | None = None
    ) -> None:
        actor = actor or Actor(id=text(self.rng), kind=self.rng.choice(list(ActorKind)))
        draft = Draft(type=kind, actor=actor, body=body, commitments=commitments(tuple(payloads)))
        self.now_us += self.rng.choice((0, 1, -5_000_000, 1_234_567, 86_400_000_000))
        record, self.head = extend(self.head, draft, self.now_us)
        self.records.append(record)
        if payloads:
            self.payloads[record.seq] = tuple(payloads)

    def _some_payloads(self) -> list[Payload]:
        names = sorted(self.rng.sample(PAYLOAD_NAMES, self.rng.choice((0, 0, 1, 2, 6))))
        longest = 2_000 if self.rng.random() < 0.05 else 30
        return [Payload(name=name, nonce=self.rng.randbytes(32), text=text(self.rng, longest)) for name in names]

    def _fill_up(self) -> None:
        """A record of as many bytes as are allowed, or a few less."""
        wide = "é" * self.rng.randint(0, 8)
        record, _ = extend(self.head, Draft(type="scan", actor=SYSTEM, body={"a": "", "b": wide}), self.now_us)
        spare = MAX_BYTES - len(record.canonical)
        self.append("scan", {"a": "x" * (spare - self.rng.randint(0, 2)), "b": wide}, actor=SYSTEM)

    def _erase(self) -> None:
        size = len(self.records)
        firsts = sorted(self.rng.sample(range(size), min(size, self.rng.randint(1, 2))))
        ranges = [[first, min(size - 1, first + self.rng.randint(0, 2))] for first in firsts]
        few = tuple(sorted(self.rng.sample(PAYLOAD_NAMES, 2)))
        names = self.rng.choice((EVERY_NAME, few))
        for seq in {seq for first, last in ranges for seq in range(first, last + 1)} & self.payloads.keys():
            self._destroy(seq, names)
        kind = self.rng.choice(("erasure", "retention"))
        self.append(kind, {"basis": text(self.rng), "names": list(names), "ranges": ranges})

    def _destroy(self, seq: int, names: Sequence[str]) -> None:
        held = self.payloads[seq]
        gone = tuple(each for each in held if names == EVERY_NAME or each.name in names)
        self.payloads[seq] = tuple(each for each in held if each not in gone)
        self.destroyed[seq] = self.destroyed.get(seq, ()) + gone

    def _rotate(self) -> None:
        old, new = self.signers[-1][1], self._new_signer()
        self.signers.append((len(self.records), new))
        self.append("ledger.key", {"event": "introduced", "vkey": vkey(new)})
        self.append("decision", {})
        self.append("ledger.key", {"event": "retired", "vkey": vkey(old)})

    def _new_signer(self) -> Ed25519Signer:
        return Ed25519Signer(NAME, self.rng.randbytes(32))


def random_ledger(rng: Random, origin: str = ORIGIN, size: int = 24) -> Ledger:
    """A ledger of about *size* records at most."""
    author = Author(rng, origin)
    for _ in range(rng.randint(0, size)):
        author.add()
    return author.ledger()


def random_cut(rng: Random, ledger: Ledger, *, partial: bool) -> Cut:
    """A part of *ledger*, with enough beside it that every step of §8 can be checked."""
    size = len(ledger.records)
    first = rng.randint(1, size - 1) if partial and size > 1 else 0
    last = rng.randint(first, size - 1) if size and rng.random() < 0.5 else size - 1
    names = tuple(sorted(rng.sample(PAYLOAD_NAMES, rng.randint(0, len(PAYLOAD_NAMES)))))
    if last < first:
        return Cut(first, last, names)
    last = _reached(ledger, first, last, names)
    return _proven(rng, ledger, Cut(first, last, names)) if first else _whole(rng, ledger, Cut(first, last, names))


def _reached(ledger: Ledger, first: int, last: int, names: Sequence[str]) -> int:
    """*last*, or the end where what is missing up to there is only named by a later record (§8 step 11)."""
    for seq in range(first, last + 1):
        held = {each.name for each in ledger.payloads.get(seq, ())}
        if any(name in names and name not in held for name in committed(ledger.records[seq])):
            return len(ledger.records) - 1
    return last


def committed(record: Record) -> list[str]:
    """The payload names that *record* commits to."""
    return [name for name in PAYLOAD_NAMES if f'"{name}":"'.encode() in record.canonical.partition(b'"commitments"')[2]]


def _sizes(rng: Random, ledger: Ledger, cut: Cut) -> set[int]:
    """Sizes inside the dump: its end, those that the keys' succession needs (§5), and some more."""
    inside = range(cut.first, cut.last + 1)
    needed = {introduced + 1 for introduced, _ in ledger.signers if introduced in inside}
    more = rng.sample(inside, min(len(inside), rng.randint(0, 3)))
    return {cut.last + 1, *needed, *(seq + 1 for seq in more)}


def _whole(rng: Random, ledger: Ledger, cut: Cut) -> Cut:
    sizes = sorted(_sizes(rng, ledger, cut) | ({0} if rng.random() < 0.05 else set()))
    return Cut(cut.first, cut.last, cut.names, tuple((rng.randint(size - 1, cut.last), size) for size in sizes))


def _proven(rng: Random, ledger: Ledger, cut: Cut) -> Cut:
    end, after = cut.last + 1, rng.randint(cut.first - 1, cut.last)
    checkpoints = [(rng.randint(size - 1, cut.last), size) for size in sorted(_sizes(rng, ledger, cut) - {end})]
    consistencies = []
    beyond = rng.randint(end, len(ledger.records)) if rng.random() < 0.5 else end
    if any(cut.last < introduced < beyond - 1 for introduced, _ in ledger.signers):
        beyond = end
    if beyond > end:
        consistencies.append((end, beyond))
    if rng.random() < 0.3:
        older = rng.randint(1, cut.first)
        checkpoints.append((cut.last, older))
        consistencies += [(older, end)] if older < cut.first else []
    # A key that the last record introduces needs the checkpoint right behind it.
    introduced_last = any(introduced == cut.last for introduced, _ in ledger.signers)
    included_in = end if introduced_last else rng.choice((end, beyond))
    if included_in != beyond:
        checkpoints.append((cut.last, included_in))
    checkpoints.append((cut.last, beyond))
    return Cut(cut.first, cut.last, cut.names, tuple(checkpoints), included_in, tuple(consistencies), after)
