"""A fast way to see that a record line is sound: shapes, learned from records that passed the careful check.

A shape is a regular expression made out of records that ``canonical`` and ``record`` found without a fault: their
member names, the order of these, the nesting and the punctuation stand in it as they are, and each value is replaced by
spellings of its kind that are canonical whatever they say:

- a string by characters from U+0020 on without quote and backslash, which JCS writes as they are;
- an integer by at most 15 digits, without leading zero or "-0", so below 2^53;
- true and false by either; a list by any number of items like those seen in its place.

So a line that matches is byte for byte the canonical form of what it parses to, nested no deeper than a record that the
shape was learned from. Hex digits and the calendar, which the expression leaves open, are looked at in ``Shape.read``;
the length is for the caller to look at. Whatever does not match, for good reasons or bad, takes the careful way, which
alone finds faults.
"""

import re
from typing import Any

from governlayer_verifier.chain import is_hex
from governlayer_verifier.record import ACTOR_KINDS, DECISION, TIME_PATTERN, Facts, is_moment

# Making an expression takes longer than many careful checks; it pays for records that are like many others.
_MOST_LEARNED = 64
_LONGEST_LEARNED = 4096
# What a string may not hold is written, not what it may: of that, `re` goes through every character, at each use.
_STRING = r'"[^\x00-\x1f"\\\ud800-\udfff]*+"'
_INTEGER = r"(?:-?[1-9][0-9]{0,14}+|0)"
_PLAIN_NAME = re.compile(r"[\w.:/@ -]*", re.ASCII)
_HASH = r'"([^"]{64})"'


class UnlikeError(ValueError):
    """One shape cannot stand for these records."""


class Shape:
    """The shape of *records*, which are sound and of one type."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self.records = records
        self._type: str = records[0]["type"]
        self._names = _names_of([each["commitments"] for each in records])
        kinds = "|".join(sorted(ACTOR_KINDS))
        bodies = [each["body"] for each in records]
        body = _object(bodies, captured=DECISION)
        if DECISION not in bodies[0]:
            body += "()"
        commitments = ",".join(f'"{name}":{_HASH}' for name in self._names)
        self._match = re.compile(
            rf'\{{"actor":\{{"id":{_STRING},"kind":"(?:{kinds})"\}},"body":{body},'
            rf'"commitments":\{{{commitments}\}},"prev_hash":{_HASH},"seq":(0|[1-9][0-9]{{0,14}}+),'
            rf'"time":"({TIME_PATTERN})","type":"{re.escape(self._type)}","v":1\}}',
            re.ASCII,
        ).fullmatch

    def read(self, text: str) -> Facts | None:
        """Return the facts of *text*, of its body only what was decided, if it is a sound record of this shape."""
        match = self._match(text)
        if match is None:
            return None
        # Commitments, then prev_hash; what was decided stands in quotes, or is no string.
        decision, *hashes, seq, time = match.groups()
        if not is_hex("".join(hashes)) or not is_moment(time):
            return None
        commitments = dict(zip(self._names, hashes, strict=False))
        return Facts(int(seq), time, hashes[-1], self._type, commitments, {DECISION: decision[1:-1]})


class Shapes:
    """The shapes met so far; at most 64 times one is made, so that no dump can keep the verifier learning."""

    def __init__(self) -> None:
        self._by_ending: dict[str, list[Shape]] = {}
        self._learned = 0
        self._last: Shape | None = None

    def read(self, text: str) -> Facts | None:
        """Return the facts of the record line *text*, as ``Shape.read``; None where no shape shows it to be sound."""
        # Mostly a record is like the one before.
        facts = None if self._last is None else self._last.read(text)
        if facts is not None:
            return facts
        for shape in self._by_ending.get(_ending(text), ()):
            facts = shape.read(text)
            if facts is not None:
                self._last = shape
                return facts
        return None

    def learn(self, text: str, record: dict[str, Any]) -> None:
        """Learn from a record without a fault; *text* is its line."""
        if len(text) > _LONGEST_LEARNED or self._learned == _MOST_LEARNED:
            return
        self._learned += 1
        known = self._by_ending.setdefault(_ending(text), [])
        for index, shape in enumerate(known):
            try:
                wider = Shape([*shape.records, record])
            except UnlikeError:
                continue
            known[index] = wider
            return
        try:
            known.append(Shape([record]))
        except UnlikeError:
            return


def _ending(text: str) -> str:
    """Return what follows the time: a hint at which shapes to try, nothing more."""
    return text[text.rfind(',"type":') :]


def _pattern(values: list[Any]) -> str:
    """Return the expression for values of the kinds of *values*, which stood in one place."""
    kinds = {type(value) for value in values}
    options = [_OPTIONS[kind] for kind in kinds if kind in _OPTIONS]
    if dict in kinds:
        options.append(_object([value for value in values if type(value) is dict]))
    if list in kinds:
        items = [item for value in values if type(value) is list for item in value]
        item = _pattern(items) if items else ""
        options.append(rf"\[(?:{item}(?:,{item})*+)?+\]" if items else r"\[\]")
    return options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"


def _object(values: list[dict[str, Any]], captured: str | None = None) -> str:
    """Return the expression for objects like *values*, with a group around the value of the member *captured*."""
    members = []
    for name in _names_of(values):
        # A name with a quote in it would stand in the shape as if it were several members, in whatever order.
        if _PLAIN_NAME.fullmatch(name) is None:
            raise UnlikeError
        pattern = _pattern([each[name] for each in values])
        members.append(f'"{re.escape(name)}":' + (f"({pattern})" if name == captured else pattern))
    return rf"\{{{','.join(members)}\}}"


def _names_of(values: list[dict[str, Any]]) -> tuple[str, ...]:
    names = {tuple(each) for each in values}
    if len(names) > 1:
        # Alternatives that begin alike, nested, would make matching take exponentially long.
        raise UnlikeError
    return names.pop()


_OPTIONS = {str: _STRING, int: _INTEGER, bool: "(?:true|false)", type(None): "null"}
