"""Arguments of an action as texts with JSON pointers (RFC 6901), and the way back after redaction."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from governlayer_server.domain.scan.finding import Finding
from governlayer_server.domain.scan.redact import redact
from governlayer_server.domain.scan.scanner import ScanText

_LONG_FROM = 10**11
_FLOAT_BELOW = 10**19  # no card, account or telephone number is longer
_Places = Mapping[tuple[str, bool], Sequence[Finding]]


def argument_texts(arguments: Mapping[str, object]) -> tuple[ScanText, ...]:
    """
    Return every string in *arguments* with its pointer: values, and names of members with ``in_name`` set.

    Numbers of 12 and more digits are read too (``long_number``): a card may be given as one.

    Args:
        arguments: as decoded from JSON, no deeper than the API admits (64).
    """
    return tuple(_texts(arguments, ""))


def _texts(value: object, pointer: str) -> Iterator[ScanText]:
    if isinstance(value, str):
        yield ScanText(text=value, pointer=pointer)
    elif (digits := long_number(value)) is not None:
        yield ScanText(text=digits, pointer=pointer)
    elif isinstance(value, Mapping):
        for name, member in value.items():
            below = f"{pointer}/{_escaped(name)}"
            yield ScanText(text=name, pointer=below, in_name=True)
            yield from _texts(member, below)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _texts(item, f"{pointer}/{index}")


def long_number(value: object) -> str | None:
    """Return *value* in decimal if it is a whole number of 12 digits or more, which may be a card; else None."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _FLOAT_BELOW:
        value = int(value)
    if isinstance(value, int) and abs(value) >= _LONG_FROM:
        return str(value)
    return None


def redact_arguments(arguments: Mapping[str, object], findings: Sequence[Finding]) -> dict[str, object]:
    """
    Return a copy of *arguments* with the *findings* redacted in values and names; the original is untouched.

    A number with a finding becomes a string. Two names that become the same are told apart by a number: ``[EMAIL]``,
    ``[EMAIL] 2``.
    """
    places = _by_place(findings)
    redacted = _redacted(arguments, "", places)
    return redacted if isinstance(redacted, dict) else {}


def _redacted(value: object, pointer: str, places: _Places) -> object:
    if isinstance(value, str):
        return redact(value, places.get((pointer, False), ()))
    if (digits := long_number(value)) is not None:
        found = places.get((pointer, False), ())
        return redact(digits, found) if found else value
    if isinstance(value, Mapping):
        members: dict[str, object] = {}
        for name, member in value.items():
            below = f"{pointer}/{_escaped(name)}"
            spoken = redact(name, places.get((below, True), ()))
            members[_free(spoken, members)] = _redacted(member, below, places)
        return members
    if isinstance(value, list | tuple):
        return [_redacted(item, f"{pointer}/{index}", places) for index, item in enumerate(value)]
    return value


def publishable(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """
    Return the *findings* with pointers fit for answers and records.

    A pointer spells the names it passes. A name that holds a finding is redacted in every pointer.
    """
    in_names = {place: found for place, found in _by_place(findings).items() if place[1]}
    if not in_names:
        return tuple(findings)
    return tuple(msgspec.structs.replace(finding, pointer=_spoken(finding.pointer, in_names)) for finding in findings)


def _spoken(pointer: str | None, in_names: _Places) -> str | None:
    if pointer is None:
        return None
    passed = spoken = ""
    for token in pointer.split("/")[1:]:
        passed = f"{passed}/{token}"
        name = token.replace("~1", "/").replace("~0", "~")
        spoken = f"{spoken}/{_escaped(redact(name, in_names.get((passed, True), ())))}"
    return spoken


def _by_place(findings: Sequence[Finding]) -> dict[tuple[str, bool], list[Finding]]:
    places: dict[tuple[str, bool], list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.pointer is not None:
            places[finding.pointer, finding.in_name].append(finding)
    return dict(places)


def _free(name: str, taken: Mapping[str, object]) -> str:
    """Return *name*, with a number behind it if another member has it already."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} {number}"
    return free


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
