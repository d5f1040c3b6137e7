"""Step 7 of ledger-v1 §8: disclosed payloads against the commitments of their record (§6, §7)."""

import hmac
from collections.abc import Sequence
from typing import NamedTuple

from governlayer_verifier.dump import Payload
from governlayer_verifier.erasure import question
from governlayer_verifier.findings import Findings, Step
from governlayer_verifier.record import Facts


class Given(NamedTuple):
    """A payload line, reduced: the commitment that its nonce and text make."""

    seq: int
    name: str
    commitment: str


class Opened(NamedTuple):
    """The record whose payload lines may follow, and the names of those that did."""

    seq: int | None
    commitments: dict[str, str]
    given: list[str]


def reduce(payload: Payload) -> Given:
    """Return *payload* without its text (ledger-v1 §6)."""
    return Given(payload.seq, payload.name, hmac.digest(payload.nonce, payload.text, "sha256").hex())


class PayloadCheck:
    """
    The record whose payload lines may follow, and which of them are still missing.

    A block of lines does not know the record before it (*follows*): payload lines that belong to that one are only
    kept, in ``leading``, until a line of another kind ends them.
    """

    def __init__(self, findings: Findings, names: Sequence[str], *, follows: bool = False) -> None:
        self._findings = findings
        self._index = {name: index for index, name in enumerate(names)}
        self.leading: list[tuple[int, Given]] = []
        self.follows = follows
        self.opened: Opened | None = None
        self.questions = bytearray()
        self.count = 0

    def open(self, facts: Facts) -> None:
        """Expect the payloads of a record from the next line on."""
        if self._index:
            self.opened = Opened(facts.seq, facts.commitments, [])

    def take(self, given: Given, number: int) -> None:
        """
        Check one payload line.

        Args:
            given: the line, reduced.
            number: of the line, from 1.
        """
        if self.follows:
            self.leading.append((number, given))
            return
        self.count += 1
        fault = self._fault_of_place(given)
        if fault is None:
            self._take_in_place(given, number)
        else:
            self._findings.fail(*fault, seq=given.seq, line=number)

    def _fault_of_place(self, given: Given) -> tuple[Step, str] | None:
        name = given.name
        if name not in self._index:
            return Step.FORMAT, f"payload {name} is not among those that the header discloses"
        if self.opened is None or given.seq != self.opened.seq:
            return Step.PAYLOAD, f"payload {name} does not stand directly after its record"
        return None

    def _take_in_place(self, given: Given, number: int) -> None:
        if self.opened is None:
            return
        fail, (seq, name, found) = self._findings.fail, given
        if self.opened.given and name <= self.opened.given[-1]:
            fail(Step.FORMAT, f"payload {name} is repeated or out of name order", seq=seq, line=number)
        self.opened.given.append(name)
        commitment = self.opened.commitments.get(name)
        if commitment is None:
            fail(Step.PAYLOAD, f"the record does not commit to {name}", seq=seq, line=number)
        elif found != commitment:
            what = f"payload {name} does not match its commitment"
            fail(Step.PAYLOAD, what, seq=seq, line=number, expected=commitment, found=found)

    def close(self) -> None:
        """End the payloads of the current record; what is missing waits for an erasure record (step 11)."""
        self.follows = False
        opened, self.opened = self.opened, None
        if opened is not None and opened.seq is not None:
            for name in opened.commitments:
                if name in self._index:
                    self.questions += question(opened.seq, self._index[name], present=name in opened.given)
