"""
The papers of security/: threats and controls, read strictly, and what is wrong with what they name.

``security/threats.toml`` has elements on the way of one decision, each with its threats of the six kinds of STRIDE.
``security/controls/*.toml`` have the controls of a standard, by its identifiers and in our words. Each threat that is
stopped and each control that is claimed names the files that do it and the tests that show it, as a claim does
(``tools/claims.py``): a full run of the tests judges them too.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct, field

STRIDE = {
    "S": "Spoofing",
    "T": "Tampering",
    "R": "Repudiation",
    "I": "Information disclosure",
    "D": "Denial of service",
    "E": "Elevation of privilege",
}
"""The six kinds of threats."""
Letter = Literal["S", "T", "R", "I", "D", "E"]
_TEST = re.compile(r"(?P<path>tests/[\w/]+\.py)(?:::(?P<name>test_\w+))?")
# Said by auditors and courts, not by us. A certificate of TLS or of an erasure is another thing.
_FORBIDDEN = re.compile(
    r"\bcertif(?:y|ie[sd]|ication)\w*|\bcompl(?:y|ies|ied|iant|iance)\b|\baccredit\w*", re.IGNORECASE
)


class PaperError(ValueError):
    """A paper breaks its rules."""


class State(StrEnum):
    """How far a control is met."""

    ALIGNED = "aligned"
    PARTLY = "partly"
    YOURS = "yours"
    NOT_MET = "not met"
    NOT_APPLICABLE = "not applicable"


class Shown(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Something that is said, and what shows it.

    Attributes:
        files: that do it, from the root of the repository.
        tests: ``tests/….py`` or ``tests/….py::test_name``; all of them pass in a full run.
        in_ci: the same of tests that need what CI alone makes sure of; they are held there alone.
        open: what is left.
    """

    files: Sequence[str] = ()
    tests: Sequence[str] = ()
    in_ci: Sequence[str] = ()
    open: str = ""

    @property
    def all_tests(self) -> Sequence[str]:
        """Return the tests, wherever they are held."""
        return (*self.tests, *self.in_ci)


class Threat(Shown, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One threat to an element: its kind, what somebody does, and what stops it; nothing does where that is empty."""

    stride: Letter
    threat: str
    stopped: str = ""

    def __post_init__(self) -> None:
        """Refuse what says less than it seems to."""
        if bool(self.stopped) != bool(self.files and self.all_tests):
            raise ValueError(f"`{self.threat}`: what is stopped names files and tests, and nothing else does")
        if not self.stopped and not self.open:
            raise ValueError(f"`{self.threat}`: what is not stopped says what is open")


class Element(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part or hop on the way; of each kind it has a threat, or a reason why there is none."""

    id: str
    name: str
    what: str
    threat: Sequence[Threat]
    none: Mapping[Letter, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse an element that leaves a kind of threat out."""
        named = {one.stride for one in self.threat}
        if named | self.none.keys() != STRIDE.keys() or named & self.none.keys():
            raise ValueError(f"{self.id}: each of {', '.join(STRIDE)} has a threat or a reason why there is none")


class Control(Shown, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One control: its identifier, what it is about, and what the appliance and its operator have to do with it.

    *why* says why one is not applicable.
    """

    id: str
    about: str
    state: State
    ours: str = ""
    yours: str = ""
    why: str = ""

    def __post_init__(self) -> None:
        """Refuse a claim without evidence, and a state that does not fit what is said."""
        claimed = self.state in {State.ALIGNED, State.PARTLY}
        if claimed != bool(self.ours and self.files and self.all_tests):
            raise ValueError(f"{self.id}: what is claimed, and nothing else, says `ours` and names files and tests")
        rest = {
            State.PARTLY: self.yours or self.open,
            State.YOURS: self.yours,
            State.NOT_MET: self.open,
            State.NOT_APPLICABLE: self.why and not (self.yours or self.open),
        }
        if not rest.get(self.state, not self.open):
            raise ValueError(f"{self.id}: `{self.state.value}` does not fit what is said beside it")


class Attacker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody, what they want, what stops them, and what does not."""

    who: str
    wants: str
    stopped: str
    open: str = ""


class Threats(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The threat model."""

    attacker: Sequence[Attacker]
    element: Sequence[Element]


class Controls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The controls of one standard; *covers* says which of them are listed, and how many there are."""

    title: str
    covers: str
    count: int
    control: Sequence[Control]

    def __post_init__(self) -> None:
        """Refuse a list that leaves one out or has one twice."""
        ids = [one.id for one in self.control]
        if len(ids) != self.count or len(set(ids)) != self.count:
            raise ValueError(f"{self.title}: {len(set(ids))} controls of {len(ids)} rows, where {self.count} are said")


Paper = TypeVar("Paper", Threats, Controls)


def read(text: str, kind: type[Paper]) -> Paper:
    """
    Return the paper in *text*, TOML.

    Raises:
        PaperError: a member is missing or unknown, or a row breaks a rule.
    """
    try:
        return msgspec.convert(tomllib.loads(text), kind)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise PaperError(str(error)) from None


def rows(paper: Threats | Controls) -> Iterator[tuple[str, Shown]]:
    """Yield each row of *paper* with its name."""
    if isinstance(paper, Controls):
        yield from ((one.id, one) for one in paper.control)
    else:
        yield from ((f"{element.id}/{one.stride}", one) for element in paper.element for one in element.threat)


def faults(paper: Threats | Controls, root: Path) -> list[str]:
    """Return what is wrong with the files and tests that *paper* names, below *root*."""
    found = []
    for name, row in rows(paper):
        found += [f"{name}: there is no {path}" for path in row.files if not (root / path).is_file()]
        found += [f"{name}: there is no {test}" for test in row.all_tests if not _is_test(test, root)]
    return found


def forbidden_words(text: str) -> list[str]:
    """
    Return the words in *text* that nobody may say of an appliance that no auditor has looked at.

    >>> forbidden_words("aligned, and a TLS certificate"), forbidden_words("Certified and compliant")
    ([], ['Certified', 'compliant'])
    """
    return [found[0] for found in _FORBIDDEN.finditer(text)]


def _is_test(entry: str, root: Path) -> bool:
    found = _TEST.fullmatch(entry)
    if found is None or not (root / found["path"]).is_file():
        return False
    name = found["name"]
    return not name or bool(re.search(rf"def {name}\(", (root / found["path"]).read_text(encoding="utf-8")))
