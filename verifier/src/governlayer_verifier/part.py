"""What a block of lines tells by itself, without what stands before it; ``join`` puts the parts together."""

from dataclasses import dataclass, field
from typing import NamedTuple

from governlayer_verifier.activity import Activity
from governlayer_verifier.findings import Findings
from governlayer_verifier.payloads import Given, Opened
from governlayer_verifier.record import Facts
from governlayer_verifier.records import Chain


class Rules(NamedTuple):
    """What a block is checked by beside its own bytes: the payload names of the header, and ``--quick``."""

    names: tuple[str, ...]
    quick: bool


class Leading(NamedTuple):
    """A record that can only be held against the one before it where that is known."""

    number: int
    facts: Facts
    digest: str


class Handed(NamedTuple):
    """
    A line whose meaning depends on its place: a checkpoint, a proof, the trailer, or a record of a type in ``MEANT``.

    ``records`` counts those of the block up to here, the line itself included where it is one.
    """

    number: int
    records: int
    is_record: bool
    text: str


@dataclass(slots=True)
class Part:
    """
    The outcome of one block; line numbers are counted from its first line, which is 1.

    ``chain`` is what the next record must follow, None while only ``leading`` records were met. ``closes`` says
    whether a line ended the payloads of the record before the block; ``opened`` is that of the block's last record.
    ``start`` is the seq of its first record, for which ``tiles`` were computed.
    """

    lines: int = 0
    records: int = 0
    payloads: int = 0
    findings: Findings = field(default_factory=Findings)
    leading: list[Leading] = field(default_factory=list)
    chain: Chain | None = None
    leading_payloads: list[tuple[int, Given]] = field(default_factory=list)
    closes: bool = False
    opened: Opened | None = None
    questions: bytes = b""
    start: int = 0
    leaves: bytes = b""
    tiles: bytes = b""
    handed: list[Handed] = field(default_factory=list)
    activity: Activity = field(default_factory=Activity)
