"""The parts of a dump put together in order: what one block could not know, and what is judged at the end.

    part ─► what leads it, held against the block before     4 5 6 7
          ► lines that were handed on, in their places        1 8 9 11
          ► leaves, questions, failures
    end of input ─► 4 and 12, then 8, then 9 and 10, then 11

Memory does not grow with the dump: hashes, open questions and checkpoints go to spools on disk.
"""

from hashlib import sha256

from governlayer_verifier.activity import Activity
from governlayer_verifier.asked import Asked
from governlayer_verifier.certificates import CertificateCheck
from governlayer_verifier.checkpoints import NO_KEY, CheckpointCheck
from governlayer_verifier.dump import CheckpointLine, Consistency, End, Header, Inclusion, parse_line
from governlayer_verifier.erasure import ErasureCheck
from governlayer_verifier.findings import Findings, Step
from governlayer_verifier.keys import KeyRing
from governlayer_verifier.part import Handed, Part
from governlayer_verifier.payloads import PayloadCheck
from governlayer_verifier.receipts import judge_receipt
from governlayer_verifier.record import ERASING, RESTORE, Facts
from governlayer_verifier.records import RecordReader, judge_end, start_of
from governlayer_verifier.report import Report, step_results
from governlayer_verifier.restores import MOST, Restored, restored_by
from governlayer_verifier.timestamps import TimestampCheck
from governlayer_verifier.treecheck import TreeCheck
from governlayer_verifier.trust import TrustReport
from governlayer_verifier.witnesses import WitnessCheck


class Join:
    """The checks of one dump over the parts met so far."""

    def __init__(self, findings: Findings, header: Header, asked: Asked) -> None:
        self._findings = findings
        self._header = header
        self._asked = asked
        self._reader = RecordReader()
        self._chain = start_of(header)
        self._erasure = ErasureCheck(findings, header.payloads)
        self._payloads = PayloadCheck(findings, header.payloads)
        self._tree = TreeCheck(findings, header)
        self._ring = KeyRing(asked.keys)
        self._witnesses = WitnessCheck(findings, asked.policy)
        self._stamps = TimestampCheck(findings, asked.stamps)
        self._checkpoints = CheckpointCheck(findings, header, self._ring, self._tree, self._witnesses, self._stamps)
        self._certificates = CertificateCheck(findings, header, self._ring, asked.certificates)
        self._activity = Activity()
        self._restores: list[Restored] = []
        self._end: End | None = None
        self._records = 0
        # The header.
        self.lines = 1

    def take(self, part: Part) -> None:
        """Take in the next part."""
        if self._end is not None:
            for number in range(self.lines + 1, self.lines + part.lines + 1):
                self._findings.fail(Step.FORMAT, "a line after the trailer", line=number)
        else:
            self._follow(part)
            self._take_payloads(part)
            self._take_tree(part)
            self._findings.absorb(part.findings, self.lines)
        self.lines += part.lines

    def _follow(self, part: Part) -> None:
        for number, facts, digest in part.leading:
            self._chain.follow(facts, digest, self.lines + number, self._findings)
        self._chain = part.chain or self._chain
        self._records += part.records
        self._activity.merge(part.activity)

    def _take_payloads(self, part: Part) -> None:
        payloads = self._payloads
        for number, given in part.leading_payloads:
            payloads.take(given, self.lines + number)
        payloads.count += part.payloads
        if part.closes:
            payloads.close()
            payloads.opened = part.opened
        self._erasure.take(bytes(payloads.questions) + part.questions)
        payloads.questions.clear()

    def _take_tree(self, part: Part) -> None:
        before = self._tree.tree.size
        self._tree.tree.extend(part.leaves, part.tiles if part.start == before else b"")
        for handed in part.handed:
            self._tree.passed = before + handed.records
            self._take_handed(handed, self.lines + handed.number)

    def _take_handed(self, handed: Handed, number: int) -> None:
        if handed.is_record:
            facts, _ = self._reader.read(handed.text.encode())
            if facts.type in ERASING:
                self._erasure.record(facts, number)
                self._certificates.record(facts, sha256(handed.text.encode()).hexdigest())
            elif facts.type == RESTORE:
                self._take_restore(facts)
            else:
                self._checkpoints.take_key_record(facts, number)
            return
        match parse_line(handed.text):
            case CheckpointLine() as item:
                self._checkpoints.take(item.note, number)
            case (Inclusion() | Consistency()) as item:
                self._tree.add_proof(item, number)
            case End() as item:
                self._end = item
            case _:
                pass

    def _take_restore(self, facts: Facts) -> None:
        found = restored_by(facts, self._header.origin)
        if found is not None and len(self._restores) < MOST:
            self._restores.append(found)

    def finish(self) -> Report:
        """Judge what waits for the last record, and return the report."""
        findings, header, checkpoints = self._findings, self._header, self._checkpoints
        self._payloads.close()
        self._erasure.take(bytes(self._payloads.questions))
        if self._end is None:
            findings.fail(Step.FORMAT, "the dump has no trailer: it is cut off")
        # 4 Sequence, 12 End
        judge_end(self._chain, self._records, header, self._end, findings)
        if self._asked.quick:
            findings.unasked(Step.FORMAT, "record lines were not parsed (--quick); all other lines were")
            findings.unasked(Step.CANONICAL, "record lines were not serialized again (--quick)")
        # 8 Tree, 9 Signatures, 10 Receipts
        self._tree.settle()
        checkpoints.judge_dump()
        self._judge_outside()
        self._tree.finish(checkpoints.finish())
        witnesses, stamps = self._witnesses.finish(), self._stamps.finish()
        # 11 Erasure
        self._erasure.finish()
        certified = self._certificates.finish()
        trusted = self._ring.trusted_keys(self._asked.keys)
        return Report(
            header.origin,
            header.first,
            header.last,
            self._chain.head_hash,
            self.lines,
            self._records,
            self._payloads.count,
            checkpoints.count,
            checkpoints.outside_size or None,
            step_results(findings),
            TrustReport(trusted, checkpoints.outside(), witnesses, stamps, certified),
            self._activity.spans(),
            tuple(self._restores),
        )

    def _judge_outside(self) -> None:
        asked, findings = self._asked, self._findings
        for index, each in enumerate(asked.checkpoints, 1):
            seq = each.size - 1 if each.size else None
            self._checkpoints.judge_outside(Step.SIGNATURES, f"checkpoint {index} from outside", each, seq)
        if not asked.receipts:
            if not self._witnesses.is_asked and not self._stamps.is_asked:
                findings.unasked(Step.RECEIPTS, "no --receipt, no witness quorum in --trust and no --timestamp")
        elif not asked.keys:
            findings.cannot(Step.RECEIPTS, NO_KEY)
        for index, receipt in enumerate(asked.receipts, 1):
            judge_receipt(findings, self._tree.tree, self._checkpoints, f"receipt {index}", receipt)

    def close(self) -> None:
        """Give temporary files back."""
        self._tree.close()
        self._erasure.close()
        self._checkpoints.close()
