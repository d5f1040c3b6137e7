"""Step 7 of ledger-v1 §8: disclosed payloads against the commitments of their record (§6, §7)."""

import hmac

from governlayer_verifier.dump import Header, Payload
from governlayer_verifier.erasure import ErasureCheck
from governlayer_verifier.findings import Findings, Step
from governlayer_verifier.record import Facts


class PayloadCheck:
    """The record whose payload lines may follow, and which of them are still missing."""

    def __init__(self, findings: Findings, header: Header, erasure: ErasureCheck) -> None:
        self._findings = findings
        self._disclosed = frozenset(header.payloads)
        self._erasure = erasure
        self._seq: int | None = None
        self._commitments: dict[str, str] = {}
        self._given: list[str] = []
        self.count = 0

    def open(self, facts: Facts) -> None:
        """Expect the payloads of a record from the next line on."""
        self._seq, self._commitments = facts.seq, facts.commitments

    def take(self, payload: Payload, number: int) -> None:
        """
        Check one payload line.

        Args:
            payload: its members.
            number: of the line in the dump, from 1.
        """
        self.count += 1
        fail, name = self._findings.fail, payload.name
        if name not in self._disclosed:
            what = f"payload {name} is not among those that the header discloses"
            fail(Step.FORMAT, what, seq=payload.seq, line=number)
            return
        # 7 Payload
        if payload.seq != self._seq:
            what = f"payload {name} does not stand directly after its record"
            fail(Step.PAYLOAD, what, seq=payload.seq, line=number)
            return
        if self._given and name <= self._given[-1]:
            what = f"payload {name} is repeated or out of name order"
            fail(Step.FORMAT, what, seq=payload.seq, line=number)
        self._given.append(name)
        commitment = self._commitments.get(name)
        if commitment is None:
            fail(Step.PAYLOAD, f"the record does not commit to {name}", seq=payload.seq, line=number)
            return
        found = hmac.digest(payload.nonce, payload.text, "sha256").hex()
        if found != commitment:
            what = f"payload {name} does not match its commitment"
            fail(Step.PAYLOAD, what, seq=payload.seq, line=number, expected=commitment, found=found)

    def close(self) -> None:
        """End the payloads of the current record; what is missing waits for an erasure record (step 11)."""
        if self._seq is not None and self._disclosed:
            for name in self._commitments:
                if name in self._disclosed:
                    self._erasure.note(self._seq, name, present=name in self._given)
        self._seq = None
        self._commitments = {}
        if self._given:
            self._given = []
