"""Step 10 of ledger-v1 §8: RFC 3161 time stamps over checkpoints, which the user brings.

A time stamp is over the SHA-256 of a checkpoint's text, up to and including the newline before the empty line. It
belongs to whichever checkpoint has that text, of the dump or from outside.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from governlayer_verifier.errors import ArgumentError, FormatError
from governlayer_verifier.findings import Findings, Step
from governlayer_verifier.note import Checkpoint
from governlayer_verifier.rfc3161 import Token, UnavailableError, parse_certificates, parse_token
from governlayer_verifier.trust import Outcome, Stamp

_T = TypeVar("_T")
_NO_AUTHORITY = "no certificate of a time stamp authority was given (--tsa-ca)"
_NO_CHECKPOINT = "it is of no checkpoint in the dump or from outside: bring that one with --checkpoint"


@dataclass(frozen=True, slots=True)
class Stamps:
    """The time stamps that the user brings, and whom they trust; ``lacking`` says why they cannot be read."""

    count: int
    tokens: tuple[Token, ...]
    authorities: tuple[Any, ...]
    lacking: str | None


def parse_stamps(tokens: Sequence[bytes], certificates: Sequence[bytes]) -> Stamps:
    """
    Return what the user brings, parsed.

    Args:
        tokens: RFC 3161 answers, DER.
        certificates: of authorities, PEM.

    Raises:
        ArgumentError: one is malformed. Where nothing here can read them, none is read.
    """
    try:
        parsed = tuple(_parsed("timestamp", parse_token, tokens))
        authorities = tuple(chain.from_iterable(_parsed("certificate file", parse_certificates, certificates)))
    except UnavailableError as error:
        return Stamps(len(tokens), (), (), str(error))
    return Stamps(len(tokens), parsed, authorities, None)


def _parsed(what: str, parser: Callable[[bytes], _T], contents: Sequence[bytes]) -> Iterator[_T]:
    for number, content in enumerate(contents, 1):
        try:
            yield parser(content)
        except FormatError as error:
            raise ArgumentError(f"{what} {number}: {error}") from None


class TimestampCheck:
    """The time stamps of a run, waiting for their checkpoints."""

    def __init__(self, findings: Findings, stamps: Stamps) -> None:
        self._findings = findings
        self._stamps = stamps
        self._wanted = {each.imprint for each in stamps.tokens}
        self._sizes: dict[bytes, int] = {}

    @property
    def is_asked(self) -> bool:
        """Whether the user brings a time stamp."""
        return self._stamps.count > 0

    def take(self, checkpoint: Checkpoint) -> None:
        """Take note of a checkpoint of this ledger, if a time stamp is over it."""
        if self._wanted:
            imprint = hashlib.sha256(checkpoint.text).digest()
            if imprint in self._wanted:
                self._sizes[imprint] = checkpoint.size

    def finish(self) -> tuple[Stamp, ...]:
        """Judge every time stamp, after the last checkpoint."""
        if self._stamps.lacking is not None and self.is_asked:
            self._findings.cannot(Step.RECEIPTS, self._stamps.lacking)
            numbers = range(1, self._stamps.count + 1)
            return tuple(
                Stamp(f"time stamp {each}", None, None, "not_checked", self._stamps.lacking) for each in numbers
            )
        return tuple(self._judge(f"time stamp {number}", each) for number, each in enumerate(self._stamps.tokens, 1))

    def _judge(self, label: str, token: Token) -> Stamp:
        size = self._sizes.get(token.imprint)
        status, reason = self._outcome(token, size)
        if status == "fail":
            seq = size - 1 if size else None
            self._findings.fail(Step.RECEIPTS, f"{label} is not by a trusted authority: {reason}", seq=seq)
        elif status == "not_checked":
            self._findings.cannot(Step.RECEIPTS, f"{label}: {reason}")
        return Stamp(label, size, token.time, status, reason)

    def _outcome(self, token: Token, size: int | None) -> tuple[Outcome, str | None]:
        if not self._stamps.authorities:
            return "not_checked", _NO_AUTHORITY
        fault = token.fault(self._stamps.authorities)
        if fault is not None:
            return "fail", fault
        return ("pass", None) if size is not None else ("not_checked", _NO_CHECKPOINT)
