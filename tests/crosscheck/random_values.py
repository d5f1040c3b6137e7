"""Random JSON values inside the limits of ledger-v1 §2.1, from a seeded generator: the same seed, the same values."""

from random import Random
from typing import Any

MAX_INTEGER = 2**53 - 1
# Where spelling, sorting or counting of characters goes wrong: controls, quotes, combining, last of a plane, astral.
ALPHABETS = (
    "abc xyz",
    "0123456789-eE.",
    '\x01\x08\t\n\x0b\x0c\r\x1f"\\/\x7f',
    "éßİıſ…–\u0080\u009f\u07ff\u0800",
    "e\u0301\u200b\u2028\u2029\ufeff\ufffe\uffff\ud7ff\ue000\u202e",
    "\U00010000\U0001f600\U0010ffff",
    "{}[],:'\"</script>",
)
INTEGERS = (0, 1, -1, 9, 10, -10, 2**31, -(2**31), 10**15, 2**53 - 2, MAX_INTEGER, -MAX_INTEGER)
NAME_CHARACTERS = "".join(map(chr, range(1, 128)))


def text(rng: Random, longest: int = 10) -> str:
    """At most *longest* characters, now and then of several alphabets."""
    alphabet = "".join(ALPHABETS) if rng.random() < 0.2 else rng.choice(ALPHABETS)
    return "".join(rng.choices(alphabet, k=rng.randint(0, longest)))


def integer(rng: Random) -> int:
    return rng.choice(INTEGERS) if rng.random() < 0.5 else rng.randint(-MAX_INTEGER, MAX_INTEGER)


def leaf(rng: Random) -> Any:
    kind = rng.random()
    if kind < 0.4:
        return text(rng)
    return integer(rng) if kind < 0.8 else rng.choice((None, True, False, [], {}))


def value(rng: Random, depth: int) -> Any:
    """A value of at most *depth* levels below its own."""
    kind = rng.random()
    if depth <= 1 or kind < 0.6:
        return leaf(rng) if depth else text(rng)
    if kind < 0.8:
        return [value(rng, depth - 1) for _ in range(rng.randint(0, 3))]
    return members(rng, depth - 1)


def members(rng: Random, depth: int) -> dict[str, Any]:
    """An object of at most *depth* levels below its own."""
    return {name(rng): value(rng, depth) for _ in range(rng.randint(0, 3))}


def name(rng: Random) -> str:
    """A member name: any ASCII but U+0000, or a plain word."""
    if rng.random() < 0.7:
        return rng.choice(("decision", "risk", "reason_code", "a", "b", "zz", "A", ""))
    return "".join(rng.choices(NAME_CHARACTERS, k=rng.randint(0, 8)))
