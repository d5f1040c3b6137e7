"""Steps 3 to 6 and 12 of ledger-v1 §8: each record by itself and against the one before it."""

from hashlib import sha256

from governlayer_verifier.canonical import decode_utf8, read_canonical
from governlayer_verifier.dump import End, Header
from governlayer_verifier.errors import FormatError
from governlayer_verifier.findings import Findings, Step
from governlayer_verifier.record import Facts, facts_of, fault_of


class RecordCheck:
    """The chain so far: the seq, hash and time that the next record must follow."""

    def __init__(self, findings: Findings, header: Header) -> None:
        self._findings = findings
        self._header = header
        self._next_seq = header.first
        # What record `first` links to is known only where it is the genesis.
        self.head_hash = header.genesis_hash if header.first == 0 else None
        self._time = ""
        self.count = 0

    def take(self, line: bytes, number: int) -> Facts | None:
        """
        Check one record line and return its facts, None where it is no strict JSON (step 1 fails).

        Args:
            line: without its newline.
            number: of the line in the dump, from 1.
        """
        try:
            value, fault = read_canonical(decode_utf8(line))
        except FormatError as error:
            self._findings.fail(Step.FORMAT, str(error), line=number)
            return None
        # 3 Canonical
        if fault is None:
            fault = fault_of(value)
        facts = facts_of(value, sound=fault is None)
        if fault is not None:
            self._findings.fail(Step.CANONICAL, f"the record {fault}", seq=facts.seq, line=number)
        self._follow(facts, number)
        self.head_hash = sha256(line).hexdigest()
        self.count += 1
        return facts

    def _follow(self, facts: Facts, number: int) -> None:
        seq, fail = facts.seq, self._findings.fail
        # 4 Sequence
        if seq != self._next_seq:
            fail(Step.SEQUENCE, "seq is out of order", seq=seq, line=number, expected=self._next_seq, found=seq)
        self._next_seq = (self._next_seq if seq is None else seq) + 1
        # 5 Link
        if facts.prev_hash != self.head_hash and self.head_hash is not None:
            fail(
                Step.LINK,
                "prev_hash is not the hash of the record before",
                seq=seq,
                line=number,
                expected=self.head_hash,
                found=facts.prev_hash,
            )
        # 6 Time
        if facts.time is not None:
            if facts.time < self._time:
                fail(
                    Step.TIME,
                    "time runs backwards",
                    seq=seq,
                    line=number,
                    expected=f"{self._time} or later",
                    found=facts.time,
                )
            self._time = facts.time

    def finish(self, end: End | None) -> None:
        """Check that the range is complete (step 4) and that the trailer agrees (step 12)."""
        fail, last = self._findings.fail, self._header.last
        if self._next_seq != last + 1:
            what = "the records do not end where the header says"
            fail(Step.SEQUENCE, what, seq=self._next_seq - 1, expected=last, found=self._next_seq - 1)
        if end is None:
            self._findings.cannot(Step.END, "the dump has no trailer")
            return
        if end.records != self.count:
            fail(Step.END, "the trailer's count differs", expected=self.count, found=end.records)
        if self.head_hash is None:
            self._findings.cannot(Step.END, "the dump holds no record whose hash could be the head")
        elif end.head_hash != self.head_hash:
            fail(Step.END, "the trailer's head hash differs", expected=self.head_hash, found=end.head_hash)
