"""Lines that are records, and lines that are almost records: every rule of ledger-v1 §2 and §2.1 kept or just broken."""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from tests.crosscheck.member_values import MEMBER_VALUES, NUMBERS
from tests.crosscheck.random_values import text

MAX_BYTES = 16_384
Members = dict[str, Any]


class Raw(str):
    """JSON text that is put in as it stands."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object whose members stand in this order, and perhaps twice."""


def spell(value: Any) -> str:
    """JSON without white space, members in the order that they have."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, dict | Pairs):
        pairs = value.items() if isinstance(value, dict) else value
        return "{" + ",".join(f"{spell(name)}:{spell(member)}" for name, member in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(spell, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def line(value: Any) -> bytes:
    # A lone surrogate becomes the three bytes that are not UTF-8.
    return spell(value).encode("utf-8", "surrogatepass")


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every value inside *value*, as the container and the name or index in it."""
    for name, child in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, name
        if isinstance(child, dict | list):
            yield from places(child)


def objects(value: Any) -> list[tuple[Any, Any]]:
    return [(parent, name) for parent, name in places(value) if isinstance(parent[name], dict)]


def put(rng: Random, record: Members, value: Any) -> bytes:
    """The line of *record* with *value* somewhere in its body, or as the id of its actor."""
    if rng.random() < 0.2:
        record["actor"]["id"] = value
    else:
        inside = [place for place in places(record) if place[0] not in (record, record["actor"])]
        parent, name = rng.choice([*inside, (record["body"], "b")])
        parent[name] = value
    record["body"] = _sorted(record["body"])
    return line(record)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def as_written(_: Random, record: Members) -> bytes:
    return line(record)


def white_space(rng: Random, record: Members) -> bytes:
    spelled = spell(record)
    spots = [0, len(spelled), *(at for at, each in enumerate(spelled[:300], 1) if each in ',:{}"[]')]
    spot = rng.choice(spots)
    return (spelled[:spot] + rng.choice((" ", "\t", "\r", "\x0b", "\xa0", "\ufeff")) + spelled[spot:]).encode()


def escape(rng: Random, record: Members) -> bytes:
    """One character of a string spelled in one of its ways."""
    code = rng.choice((0, 1, 8, 9, 10, 12, 13, 31, 34, 47, 92, 97, 127, 233, 0x2028, 0xD7FF, 0xD800, 0xDFFF, 0xFFFF))
    pair = rng.choice((r"\ud83d\ude00", "😀", r"\ud83d", r"\ude00\ud83d", r"\uD83D\uDE00"))
    letter = {8: r"\b", 9: r"\t", 10: r"\n", 12: r"\f", 13: r"\r", 34: r"\"", 47: r"\/", 92: r"\\"}.get(code, r"\x")
    plain = chr(code) if code != 10 else r"\n"
    spelling = rng.choice((f"\\u{code:04x}", f"\\u{code:04X}", f"\\U{code:04x}", letter, plain, pair))
    return put(rng, record, Raw(f'"{_inside(rng)}{spelling}{_inside(rng)}"'))


def _inside(rng: Random) -> str:
    return json.dumps(text(rng, 4), ensure_ascii=False)[1:-1]


def number(rng: Random, record: Members) -> bytes:
    return put(rng, record, Raw(rng.choice(NUMBERS)))


def order(rng: Random, record: Members) -> bytes:
    """The members of an object in another order, now and then in the same."""
    parent, name = rng.choice([({"": record}, ""), *objects(record)])
    pairs = Pairs(parent[name].items())
    rng.shuffle(pairs)
    if parent[name] is record:
        return line(pairs)
    parent[name] = pairs
    return line(record)


def twice(rng: Random, record: Members) -> bytes:
    """A member a second time, with the same value or with another."""
    parent, name = rng.choice([({"": record}, ""), *objects(record)])
    pairs = Pairs(parent[name].items())
    pairs.insert(rng.randint(0, len(pairs)), rng.choice(pairs) if pairs and rng.random() < 0.5 else ("v", 1))
    if parent[name] is record:
        return line(pairs)
    parent[name] = pairs
    return line(record)


def member_names(rng: Random, record: Members) -> bytes:
    """A member more, less or renamed; names that are not ASCII or spelled with escapes."""
    names = ["zz", "a", "", "é", "\0", "\ud800", "\x7f", "V", Raw(r'"\u0061"'), Raw(r'"\u0000"'), Raw(r'"\ud83d"')]
    parent, _ = rng.choice([(record, ""), *((parent[name], "") for parent, name in objects(record))])
    value = parent.pop(rng.choice(sorted(parent))) if parent and rng.random() < 0.5 else 1
    if rng.random() < 0.7:
        parent[rng.choice(names)] = value
    return line({name: record[name] for name in sorted(record)})


def member_values(rng: Random, record: Members) -> bytes:
    """A member of another type, or just inside or just outside of its grammar."""
    name = rng.choice(sorted(MEMBER_VALUES))
    value = MEMBER_VALUES[name](rng, record[name])
    record[name] = Raw(value) if isinstance(value, str) and value.startswith("RAW") else value
    return line(record).replace(b"RAW", b"")


def depth(rng: Random, record: Members) -> bytes:
    """Seven to ten levels, the record being the first; sometimes thousands."""
    levels = rng.choice((4, 5, 6, 6, 6, 7, 7, 7, 8, 2_000))
    begin, end = rng.choice((("[", "]"), ('{"a":', "}")))
    inside = rng.choice(("{}", "[]"))
    return line({**record, "body": {"b": Raw(begin * (levels - 1) + inside + end * (levels - 1))}})


def length(rng: Random, record: Members) -> bytes:
    """About as many bytes as are allowed, of one to four bytes a character."""
    wanted = MAX_BYTES + rng.choice((-1, 0, 0, 1, 1, 2))
    record["body"] = {"a": rng.choice(("é", "\U0001f600", "–", "x")) * rng.randint(0, 3_000), "b": ""}
    return line({**record, "body": {**record["body"], "b": "x" * (wanted - len(line(record)))}})


def other_bytes(rng: Random, record: Members) -> bytes:
    """A byte flipped, left out or put in."""
    spelled = line(record)
    at = rng.randrange(len(spelled))
    middle = rng.choice((bytes([spelled[at] ^ 1 << rng.randrange(8)]), b"", spelled[at : at + 1] + rng.randbytes(1)))
    return spelled[:at] + middle + spelled[at + 1 :]


def not_utf_8(rng: Random, record: Members) -> bytes:
    bad = rng.choice((b"\xff", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\xbd\xed\xb8\x80", b"\xf4\x90\x80\x80", b"\xc3"))
    return line({**record, "body": {"a": "HERE"}}).replace(b"HERE", bad)


def not_an_object(rng: Random, record: Members) -> bytes:
    spelled = spell(record)
    return rng.choice(
        (
            *("", "{}", "[]", "null", "1", '"x"', "{", "[" * 3_000, '{"actor":', '{"actor":{}}', "NaN"),
            *(spelled[:-1], spelled + spelled, spelled + "}", spelled[:-1] + ",}", f"[{spelled}]", "\ufeff" + spelled),
            *(spelled.replace('"', "'"), spelled + "//", "/**/" + spelled, spelled + "\0", json.dumps(spelled)),
        )
    ).encode()


KINDS: dict[str, Callable[[Random, Members], bytes]] = {
    "as written": as_written,
    "white space": white_space,
    "escape": escape,
    "number": number,
    "order of members": order,
    "member twice": twice,
    "member names": member_names,
    "member values": member_values,
    "depth": depth,
    "length": length,
    "other bytes": other_bytes,
    "not UTF-8": not_utf_8,
    "not an object": not_an_object,
}
