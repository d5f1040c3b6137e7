"""Steps 3 to 6 and 12 of ledger-v1 §8: each record by itself and against the one before it."""

from dataclasses import dataclass

from governlayer_verifier.canonical import MAX_BYTES, decode_utf8, read_canonical
from governlayer_verifier.dump import End, Header
from governlayer_verifier.findings import Findings, Step
from governlayer_verifier.quick import read_end
from governlayer_verifier.record import MEANT, Facts, facts_of, fault_of
from governlayer_verifier.shapes import Shapes


class RecordReader:
    """Reads record lines; like lines are read fast, and every fault is found and worded by one careful way."""

    def __init__(self, *, quick: bool = False) -> None:
        self._shapes = Shapes()
        self._read_fast = read_end if quick else self._shapes.read

    def read(self, line: bytes) -> tuple[Facts, str | None]:
        """
        Return the facts of a record *line* and what breaks step 3 in it, None where nothing does.

        The body is left out of the facts unless the type is one whose body the verifier needs.

        Raises:
            FormatError: *line* is no strict JSON (step 1).
        """
        text = decode_utf8(line)
        if len(line) <= MAX_BYTES:
            facts = self._read_fast(text)
            if facts is not None:
                return facts, None
        return self._read_carefully(text)

    def _read_carefully(self, text: str) -> tuple[Facts, str | None]:
        value, fault = read_canonical(text)
        if fault is None:
            fault = fault_of(value)
        facts = facts_of(value, sound=fault is None)
        if fault is None and isinstance(value, dict) and facts.type not in MEANT:
            self._shapes.learn(text, value)
        return facts, fault


@dataclass(slots=True)
class Chain:
    """The seq, hash and time that the next record must follow; ``head_hash`` is None where no record told it."""

    next_seq: int
    head_hash: str | None
    time: str

    def follow(self, facts: Facts, digest: str, number: int, findings: Findings) -> None:
        """
        Hold a record against the one before (steps 4 to 6), and let it be the one before.

        Args:
            facts: of the record.
            digest: hash of its line, hex.
            number: of its line.
            findings: where failures go.
        """
        if facts.seq != self.next_seq:
            self._fail_sequence(facts, number, findings)
        if facts.prev_hash != self.head_hash and self.head_hash is not None:
            self._fail_link(facts, number, findings)
        if facts.time is not None:
            if facts.time < self.time:
                self._fail_time(facts, number, findings)
            self.time = facts.time
        self.next_seq = (self.next_seq if facts.seq is None else facts.seq) + 1
        self.head_hash = digest

    def _fail_sequence(self, facts: Facts, number: int, findings: Findings) -> None:
        what, seq = "seq is out of order", facts.seq
        findings.fail(Step.SEQUENCE, what, seq=seq, line=number, expected=self.next_seq, found=seq)

    def _fail_link(self, facts: Facts, number: int, findings: Findings) -> None:
        what, found = "prev_hash is not the hash of the record before", facts.prev_hash
        findings.fail(Step.LINK, what, seq=facts.seq, line=number, expected=self.head_hash, found=found)

    def _fail_time(self, facts: Facts, number: int, findings: Findings) -> None:
        what, expected = "time runs backwards", f"{self.time} or later"
        findings.fail(Step.TIME, what, seq=facts.seq, line=number, expected=expected, found=facts.time)


def start_of(header: Header) -> Chain:
    """Return what the first record of a dump must follow; its link is known only where it is the genesis."""
    return Chain(header.first, header.genesis_hash if header.first == 0 else None, "")


def judge_end(chain: Chain, count: int, header: Header, end: End | None, findings: Findings) -> None:
    """
    Check that the range is complete (step 4) and that the trailer agrees (step 12).

    Args:
        chain: after the last record.
        count: how many records there were.
        header: of the dump.
        end: its trailer, None where there is none.
        findings: where failures go.
    """
    fail, reached = findings.fail, chain.next_seq - 1
    if reached != header.last:
        what = "the records do not end where the header says"
        fail(Step.SEQUENCE, what, seq=reached, expected=header.last, found=reached)
    if end is None:
        findings.cannot(Step.END, "the dump has no trailer")
        return
    if end.records != count:
        fail(Step.END, "the trailer's count differs", expected=count, found=end.records)
    if chain.head_hash is None:
        findings.cannot(Step.END, "the dump holds no record whose hash could be the head")
    elif end.head_hash != chain.head_hash:
        fail(Step.END, "the trailer's head hash differs", expected=chain.head_hash, found=end.head_hash)
