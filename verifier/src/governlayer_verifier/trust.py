"""What the report says about trust: keys, what was brought from outside, and witnesses."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["pass", "fail", "not_checked"]


def counted(number: int, noun: str) -> str:
    """Return *number* of *noun*, for people."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shown_status(status: str) -> str:
    """Return *status* as reports spell it."""
    return status.upper().replace("_", " ")


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """
    A key that was trusted, and what it signed in this run.

    ``source`` says where the trust comes from. ``after`` is the record that introduced it and ``until`` the one that
    retired it (ledger-v1 §5). ``signed`` counts checkpoints, ``size`` is the largest of them and ``time`` the latest
    that a cosignature states. ``unchecked`` says why its signatures could not be verified.
    """

    name: str
    key_id: str
    algorithm: str
    source: str
    after: int | None
    until: int | None
    signed: int
    size: int | None
    time: str | None
    unchecked: str | None

    def line(self) -> str:
        """Return the key in one line of text."""
        signed = f"signed {counted(self.signed, 'checkpoint')}"
        signed += f", up to size {self.size}" if self.signed else ""
        if self.unchecked is not None:
            signed = f"NOT CHECKED: {self.unchecked}"
        last = f", last at {self.time}" if self.time is not None else ""
        until = f", retired by record {self.until}" if self.until is not None else ""
        return f"key     {self.name}+{self.key_id} ({self.algorithm}, {self.source}{until}): {signed}{last}"


@dataclass(frozen=True, slots=True)
class Outside:
    """A checkpoint or receipt of the user; ``root`` is base64, ``reason`` says why it is no pass."""

    label: str
    seq: int | None
    size: int
    root: str
    status: Outcome
    reason: str | None

    def line(self) -> str:
        """Return it in one line of text."""
        reason = f": {self.reason}" if self.reason is not None else ""
        return f"outside {shown_status(self.status)} {self.label}, size {self.size}{reason}"


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A witness of the trust file that cosigned; ``time`` is None where it states none."""

    name: str
    key_name: str
    key_id: str
    time: str | None
    checked: bool

    def words(self) -> str:
        """Return the witness with its time."""
        when = self.time or "no time stated"
        return f"{self.name} ({when if self.checked else 'not checked'})"


@dataclass(frozen=True, slots=True)
class Quorum:
    """The witnesses of one checkpoint against the quorum of the trust file."""

    label: str
    size: int
    status: Outcome
    cosigners: tuple[Cosigner, ...]

    def line(self) -> str:
        """Return it in one line of text."""
        return f"witness {shown_status(self.status)} {self.label}, size {self.size}: {self.words()}"

    def words(self) -> str:
        """Return who cosigned and when."""
        names = ", ".join(each.words() for each in self.cosigners)
        return f"cosigned by {names}" if names else "no witness of the trust file cosigned it"


@dataclass(frozen=True, slots=True)
class Witnesses:
    """
    The quorum that the trust file asks for, and how checkpoints stand to it.

    ``rule`` is the quorum in words, ``status`` the outcome of all; ``largest_size`` is the largest checkpoint of the
    dump that the quorum cosigned, None without one.
    """

    rule: str
    status: Outcome
    largest_size: int | None
    judged: tuple[Quorum, ...]


@dataclass(frozen=True, slots=True)
class Stamp:
    """
    A time stamp of the user (RFC 3161).

    ``size`` is that of the checkpoint it is over, None where there was none; ``time`` is what it says, in UTC.
    """

    label: str
    size: int | None
    time: str | None
    status: Outcome
    reason: str | None

    def line(self) -> str:
        """Return it in one line of text."""
        size = f", size {self.size}" if self.size is not None else ""
        said = self.reason or self.time
        return f"stamp   {shown_status(self.status)} {self.label}{size}: {said}"


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate of an erasure that the user brought; ``seqs`` are those of the records that it names."""

    label: str
    erasure_id: str
    seqs: tuple[int, ...]
    status: Outcome
    reason: str | None

    def line(self) -> str:
        """Return it in one line of text."""
        reason = f": {self.reason}" if self.reason is not None else ""
        return f"erasure {shown_status(self.status)} {self.label}, record {self.seqs[0]}, {self.erasure_id}{reason}"


@dataclass(frozen=True, slots=True)
class TrustReport:
    """All of it; ``witnesses`` is None where no quorum was asked for."""

    keys: tuple[TrustedKey, ...] = ()
    outside: tuple[Outside, ...] = ()
    witnesses: Witnesses | None = None
    stamps: tuple[Stamp, ...] = ()
    certificates: tuple[Certified, ...] = ()

    def lines(self) -> list[str]:
        """Return all of it as lines of text."""
        witnesses = [f"quorum  {self.witnesses.rule}"] if self.witnesses is not None else []
        witnesses += [each.line() for each in self.witnesses.judged] if self.witnesses is not None else []
        stamps = [each.line() for each in self.stamps]
        certified = [each.line() for each in self.certificates]
        outside = [each.line() for each in self.outside]
        return [*(each.line() for each in self.keys), *outside, *witnesses, *stamps, *certified]
