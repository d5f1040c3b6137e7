"""Values for the members of a record, just inside and just outside of the grammar of ledger-v1 §2."""

from collections.abc import Callable
from random import Random
from typing import Any

HASH = "0123456789abcdef" * 4
NUMBERS = (
    *("0", "-0", "1", "-1", "01", "-01", "+1", "00", "1.0", "1.", ".5", "1e0", "1E2", "1e-1", "0e0", "-", "--1", "1_0"),
    *("9007199254740991", "-9007199254740991", "9007199254740992", "-9007199254740992", "9007199254740993"),
    *(
        "9" * 17,
        "1" + "0" * 400,
        "1" + "0" * 5_000,
        "1e400",
        "-1e400",
        "5e-324",
        "0.1",
        "123456789012345678901234567890",
    ),
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "0x10",
        "١",
        "1١",
        "１",
        "true",
        "True",
        "null",
        "None",
        "undefined",
        "1 ",
    ),
)
OTHER_TYPES = (None, True, False, 0, 1, "", "x", [], {}, [1], {"a": 1}, "RAW1.5", "RAW1.0", "RAW-0")


def any_of(*values: Any) -> Callable[[Random, Any], Any]:
    """One of *values*, or a value of another type."""
    return lambda rng, _: rng.choice(values) if rng.random() < 0.8 else rng.choice(OTHER_TYPES)


def actor(rng: Random, value: Any) -> Any:
    kind = any_of("user", "api_key", "system", "User", "user ", "root", "", "api-key", "user\n")
    return rng.choice(
        (
            {**value, "kind": kind(rng, None)},
            {**value, "id": any_of("x", "é", "\0", "\ud800", "x" * 300)(rng, None)},
            {"id": value["id"]},
            {"kind": value["kind"]},
            {**value, "name": "x"},
            rng.choice(OTHER_TYPES),
        )
    )


def time(rng: Random, value: str) -> Any:
    day, clock = value.split("T")
    return any_of(
        *(value, value.lower(), value[:-1], value[:-2] + "Z", value[:-1] + "0Z", value[:-1] + "+00:00", value + "\n"),
        *(value.replace("T", " "), value.replace(".", ","), " " + value, value[:19] + "Z", value[:-1] + "Zx"),
        *(f"{day}T24:00:00.000000Z", f"{day}T23:59:60.000000Z", f"{day}T25{clock[2:]}", f"{day}T00:60:00.000000Z"),
        *(f"{each}T{clock}" for each in ("2023-02-29", "2024-02-29", "1900-02-29", "2000-02-29", "2026-02-30")),
        *(f"{each}T{clock}" for each in ("0000-01-01", "0001-01-01", "9999-12-31", "2026-13-01", "2026-00-10")),
        *(
            f"{each}T{clock}"
            for each in ("2026-01-00", "2026-1-01", "٢٠٢٦-01-01", "２026-01-01", "-026-01-01", "2026-W01-1")
        ),
        *("1969-12-31T23:59:59.999999Z", "2026-01-01T00:00:00.00000٠Z", "20260101T000000.000000Z"),
    )(rng, None)


def commitments(rng: Random, value: Any) -> Any:
    names = ("a", "_", "z" * 32, "z" * 33, "", "A", "a1", "a.b", "a-b", "é", "a\n", " a", "a\0", "ſ")
    hashes = (HASH, HASH.upper(), HASH[1:], HASH + "0", "", "g" * 64, HASH + "\n", "٠" * 64, " " + HASH[1:])
    held = {rng.choice(names): any_of(HASH, HASH, *hashes)(rng, None)}
    many = {chr(97 + number): HASH for number in range(rng.choice((15, 16, 17)))}
    return rng.choice((held, held, many, rng.choice(OTHER_TYPES)))


MEMBER_VALUES: dict[str, Callable[[Random, Any], Any]] = {
    "actor": actor,
    "body": any_of({}, {"a": []}, {"a": {}}),
    "commitments": commitments,
    "prev_hash": any_of(HASH, HASH.upper(), HASH[1:], HASH + "0", "", "g" * 64, HASH + "\n", "٠" * 64, "0x" + HASH[2:]),
    "seq": any_of(0, 1, -1, 2**53 - 1, 2**53, 2**63, 2**64, "1", "RAW1e0", "RAW01", "RAW-0", "RAW1.0"),
    "time": time,
    "type": any_of(
        *(
            "a",
            "_",
            "a.b",
            "a_b.c_d",
            "a" * 64,
            "a" * 65,
            "a." * 31 + "aa",
            "a." * 32 + "a",
            "decision",
            ".",
            "a.",
            ".a",
        ),
        *("a..b", "A", "a-b", "a1", "é", "ſ", "a\n", "\na", "a b", "a.\n", "a\0", "а"),
    ),
    "v": any_of(1, 1, 2, 0, -1, "1", "RAW1.0", "RAW1e0", "RAW01", "RAW-1"),
}
