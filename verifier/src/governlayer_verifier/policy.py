"""The trust file: c2sp.org/tlog-policy, which logs sign and which witnesses must have cosigned.

    log     <vkey> [<url>]                              trusted like --key
    witness <name> <vkey> [<url>]
    group   <name> all|any|<k> <witness or group>...
    quorum  <witness or group>|none                     exactly one

Items stand apart by spaces and tabs; a line that begins with # says nothing. A name is used after its own line only
and stands in one group at most, so that a witness counts once.
"""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from governlayer_verifier.errors import FormatError
from governlayer_verifier.note import VerifierKey, parse_log_key, parse_witness_key

MAX_OF_A_KIND = 256
_NONE = "none"
_ITEMS = re.compile(r"[^ \t]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Log:
    """A log's key, and the line of the trust file that names it."""

    key: VerifierKey
    line: int


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness's key, under the name that the trust file gives it."""

    name: str
    key: VerifierKey


@dataclass(frozen=True, slots=True)
class Group:
    """Holds where ``threshold`` of its members do."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A trust file; ``quorum`` is None where it asks for no witness."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str | None

    def is_met(self, cosigners: AbstractSet[str]) -> bool:
        """Return whether the witnesses named *cosigners* make up the quorum."""
        held = {each.name for each in self.witnesses if each.name in cosigners}
        # A group names only what stands before it.
        for group in self.groups:
            if sum(member in held for member in group.members) >= group.threshold:
                held.add(group.name)
        return self.quorum is None or self.quorum in held

    def rule(self) -> str:
        """Return the quorum for people, from the top down."""
        groups = {group.name: group for group in self.groups}
        waiting, said = [self.quorum or _NONE], []
        for name in waiting:
            if name in groups:
                group = groups[name]
                said.append(f"{name}: {group.threshold} of {', '.join(group.members)}")
                waiting += group.members
        return "; ".join(said) or waiting[0]


def parse_policy(content: bytes) -> Policy:
    """
    Return the trust file *content* (c2sp.org/tlog-policy).

    Args:
        content: the bytes of the file; those above 0x7F mean nothing, as the format says.

    Raises:
        FormatError: a line breaks the grammar; the message names it. Nothing of the file is used.
    """
    builder = _Builder()
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    if lines.pop() != "":
        raise FormatError(f"line {len(lines) + 1}: it does not end in a newline")
    for number, line in enumerate(lines, 1):
        try:
            builder.take(line, number)
        except FormatError as error:
            raise FormatError(f"line {number}: {error}") from None
    return builder.policy(len(lines))


class _Builder:
    def __init__(self) -> None:
        self._logs: list[Log] = []
        self._witnesses: list[Witness] = []
        self._groups: list[Group] = []
        self._quorum: str | None = None
        self._names: set[str] = {_NONE}
        self._members: set[str] = set()

    def take(self, line: str, number: int) -> None:
        if _CONTROL.search(line):
            raise FormatError("it holds a control character")
        items = _ITEMS.findall(line)
        if not items or items[0].startswith("#"):
            return
        match items:
            case ["log", vkey] | ["log", vkey, _]:
                self._log(vkey, number)
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                self._witness(name, vkey)
            case ["group", name, threshold, *members] if members:
                self._group(name, threshold, tuple(members))
            case ["quorum", name]:
                self._set_quorum(name)
            case ["log" | "witness" | "group" | "quorum" as kind, *_]:
                raise FormatError(f"a {kind} line has other items than that")
            case _:
                raise FormatError("it begins with none of log, witness, group and quorum")

    def policy(self, lines: int) -> Policy:
        if self._quorum is None:
            raise FormatError(f"line {lines}: the file ends without a quorum line")
        quorum = None if self._quorum == _NONE else self._quorum
        return Policy(tuple(self._logs), tuple(self._witnesses), tuple(self._groups), quorum)

    def _log(self, vkey: str, number: int) -> None:
        key = parse_log_key(vkey)
        _refuse_duplicate("log", key, [each.key for each in self._logs])
        self._logs.append(Log(key, number))

    def _witness(self, name: str, vkey: str) -> None:
        key = parse_witness_key(vkey)
        _refuse_duplicate("witness", key, [each.key for each in self._witnesses])
        self._define(name)
        self._witnesses.append(Witness(name, key))

    def _group(self, name: str, threshold: str, members: tuple[str, ...]) -> None:
        if len(self._groups) >= MAX_OF_A_KIND:
            raise FormatError(f"more than {MAX_OF_A_KIND} groups")
        for member in members:
            if member == _NONE or member not in self._names:
                raise FormatError("a member of the group is not defined above")
            if member in self._members:
                raise FormatError("a member of the group stands in a group already")
            self._members.add(member)
        self._define(name)
        self._groups.append(Group(name, _threshold(threshold, len(members)), members))

    def _define(self, name: str) -> None:
        if name in self._names:
            raise FormatError("the name is taken")
        self._names.add(name)

    def _set_quorum(self, name: str) -> None:
        if self._quorum is not None:
            raise FormatError("a second quorum line")
        if name not in self._names:
            raise FormatError("the quorum is not defined above")
        self._quorum = name


def _refuse_duplicate(kind: str, key: VerifierKey, keys: list[VerifierKey]) -> None:
    if len(keys) >= MAX_OF_A_KIND:
        raise FormatError(f"more than {MAX_OF_A_KIND} {kind} lines")
    if any(key.public_key == each.public_key for each in keys):
        raise FormatError(f"another {kind} line has the same public key")


def _threshold(text: str, members: int) -> int:
    if text in ("all", "any"):
        return members if text == "all" else 1
    if _THRESHOLD.fullmatch(text) is None or int(text) > members:
        raise FormatError(f"the threshold is not all, any or 1 to {members}, the number of members")
    return int(text)
