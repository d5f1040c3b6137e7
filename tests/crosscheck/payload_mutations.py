"""Disclosed payloads changed, withheld, or disclosed although an erasure record says that they are gone."""

import json
from dataclasses import replace
from random import Random
from typing import Any

from tests.crosscheck.dumps import write_dump
from tests.crosscheck.ledgers import spelled
from tests.crosscheck.mutants import Case, Mutant, Mutation

PAYLOAD = b'{"payload":'


def texts_swapped(rng: Random, case: Case) -> Mutant | None:
    places = _payload_lines(case)
    if len(places) < 2:
        return None
    one, other = rng.sample(places, 2)
    first, second = _payload(case, one), _payload(case, other)
    return _with(case, {one: {**first, "text": second["text"]}, other: {**second, "text": first["text"]}})


def text_changed(rng: Random, case: Case) -> Mutant | None:
    return _changed(rng, case, lambda payload: {"text": payload["text"] + rng.choice((" ", "\n", "x", "\u0301"))})


def nonce_changed(rng: Random, case: Case) -> Mutant | None:
    return _changed(rng, case, lambda _: {"nonce": rng.randbytes(32).hex()})


def name_changed(rng: Random, case: Case) -> Mutant | None:
    return _changed(rng, case, lambda payload: {"name": rng.choice(sorted({*case.cut.names, "x"} - {payload["name"]}))})


def moved_to_another_record(rng: Random, case: Case) -> Mutant | None:
    return _changed(rng, case, lambda payload: {"seq": payload["seq"] + rng.choice((1, -1 if payload["seq"] else 2))})


def withheld(rng: Random, case: Case) -> Mutant | None:
    places = _payload_lines(case)
    if not places:
        return None
    gone = rng.choice(places)
    return Mutant(b"".join(case.lines[:gone] + case.lines[gone + 1 :]))


def brought_back(rng: Random, case: Case) -> Mutant | None:
    """A copy of an erased payload, which still matches its commitment, is disclosed."""
    erased = [
        (seq, payload)
        for seq, payloads in case.ledger.destroyed.items()
        for payload in payloads
        if case.cut.first <= seq <= case.cut.last and payload.name in case.cut.names
    ]
    if not erased:
        return None
    seq, payload = rng.choice(erased)
    held = tuple(sorted((*case.ledger.payloads[seq], payload), key=lambda each: each.name))
    return Mutant(write_dump(replace(case.ledger, payloads={**case.ledger.payloads, seq: held}), case.cut))


def _changed(rng: Random, case: Case, change: Any) -> Mutant | None:
    places = _payload_lines(case)
    if not places:
        return None
    place = rng.choice(places)
    payload = _payload(case, place)
    return _with(case, {place: {**payload, **change(payload)}})


def _with(case: Case, payloads: dict[int, Any]) -> Mutant | None:
    lines = list(case.lines)
    for place, payload in payloads.items():
        lines[place] = spelled({"payload": payload})
    return Mutant(b"".join(lines))


def _payload(case: Case, place: int) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(case.lines[place])["payload"]
    return payload


def _payload_lines(case: Case) -> list[int]:
    return [place for place, line in enumerate(case.lines) if line.startswith(PAYLOAD)]


PAYLOAD_MUTATIONS: dict[str, Mutation] = {
    "payload texts swapped": texts_swapped,
    "payload text changed": text_changed,
    "nonce changed": nonce_changed,
    "payload under another name": name_changed,
    "payload at another record": moved_to_another_record,
    "payload withheld": withheld,
    "erased payload brought back": brought_back,
}
