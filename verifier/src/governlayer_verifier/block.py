"""
The check of one block of lines, wherever it stands in a dump: from bytes to a ``Part``.

    line ─► record      1 3 4 5 6      its hash is a leaf of 8
          ► payload     1 7            present or missing ► 11
          ► others      1              handed on to ``join``, which knows the place

One process and many run this same code; what a block cannot know, it leaves to ``join``.
"""

from hashlib import sha256

from governlayer_verifier.canonical import decode_utf8
from governlayer_verifier.dump import RECORD_START, End, Header, MisspelledRecord, Payload, parse_line
from governlayer_verifier.errors import FormatError
from governlayer_verifier.findings import Step
from governlayer_verifier.part import Handed, Leading, Part, Rules
from governlayer_verifier.payloads import PayloadCheck, reduce
from governlayer_verifier.reader import MAX_LINE_BYTES
from governlayer_verifier.record import MEANT, Facts
from governlayer_verifier.records import Chain, RecordReader
from governlayer_verifier.tree import whole_tiles


class BlockChecker:
    """Checks blocks, one after the other, of the same dump."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        # Kept from block to block, as it learns what records look like.
        self._reader = RecordReader(quick=rules.quick)

    def check(self, block: bytes) -> Part:
        """
        Return what the lines of *block* tell by themselves.

        Args:
            block: whole lines; the last may lack its newline.
        """
        return _Block(self._rules, self._reader).run(block)


def split_lines(block: bytes) -> list[bytes]:
    """Return the lines of *block* without their newlines."""
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _pass(_: Facts) -> None:
    pass


class _Block:
    def __init__(self, rules: Rules, reader: RecordReader) -> None:
        self._reader = reader
        self._part = part = Part()
        self._findings = part.findings
        self._payloads = PayloadCheck(part.findings, rules.names, follows=True)
        self._chain: Chain | None = None
        # With --quick no body is read, so nobody knows what was decided.
        self._take_activity = _pass if rules.quick else part.activity.take
        self._leaves: list[bytes] = []
        self._ended = False

    def run(self, block: bytes) -> Part:
        lines, part, payloads = split_lines(block), self._part, self._payloads
        for number, line in enumerate(lines, 1):
            if line.startswith(RECORD_START) and not self._ended and len(line) <= MAX_LINE_BYTES:
                self._take_record(line, number)
            else:
                self._take_other(line, number)
        part.lines, part.records, part.payloads = len(lines), len(self._leaves), payloads.count
        part.chain = self._chain
        part.leading_payloads, part.closes, part.opened = payloads.leading, not payloads.follows, payloads.opened
        part.questions = bytes(payloads.questions)
        part.leaves = b"".join(self._leaves)
        part.tiles = whole_tiles(part.start, part.leaves)
        return part

    def _take_record(self, line: bytes, number: int) -> None:
        self._payloads.close()
        try:
            facts, fault = self._reader.read(line)
        except FormatError as error:
            self._findings.fail(Step.FORMAT, str(error), line=number)
            return
        # 3 Canonical
        if fault is not None:
            self._findings.fail(Step.CANONICAL, f"the record {fault}", seq=facts.seq, line=number)
        digest = sha256(line).hexdigest()
        if self._chain is None:
            self._begin(facts, digest, number)
        else:
            self._chain.follow(facts, digest, number, self._findings)
        self._leaves.append(sha256(b"\0" + line).digest())
        self._payloads.open(facts)
        self._take_activity(facts)
        if facts.type in MEANT:
            self._hand_on(line, number, is_record=True)

    def _begin(self, facts: Facts, digest: str, number: int) -> None:
        if not self._part.leading:
            self._part.start = facts.seq or 0
        self._part.leading.append(Leading(number, facts._replace(commitments={}, body={}), digest))
        # From here on the records before the block change nothing any more.
        if facts.seq is not None and facts.time is not None:
            self._chain = Chain(facts.seq + 1, digest, facts.time)

    def _take_other(self, line: bytes, number: int) -> None:
        # 1 Format
        if self._ended:
            self._findings.fail(Step.FORMAT, "a line after the trailer", line=number)
        elif len(line) > MAX_LINE_BYTES:
            self._payloads.close()
            self._findings.fail(Step.FORMAT, "the line is too long", line=number)
        else:
            self._take_item(line, number)

    def _take_item(self, line: bytes, number: int) -> None:
        try:
            item = parse_line(decode_utf8(line))
        except FormatError as error:
            self._payloads.close()
            self._findings.fail(Step.FORMAT, str(error), line=number)
            return
        if isinstance(item, Payload):
            self._payloads.take(reduce(item), number)
        elif isinstance(item, MisspelledRecord):
            self._take_record(line, number)
        elif isinstance(item, Header):
            self._payloads.close()
            self._findings.fail(Step.FORMAT, "a second header", line=number)
        else:
            self._payloads.close()
            self._hand_on(line, number, is_record=False)
            self._ended = isinstance(item, End)

    def _hand_on(self, line: bytes, number: int, *, is_record: bool) -> None:
        self._part.handed.append(Handed(number, len(self._leaves), is_record, line.decode()))
