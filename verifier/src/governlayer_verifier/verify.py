"""Verification of a dump: the twelve steps of ledger-v1 §8 over one stream of lines.

    line ─► header      1 2
          ► record      1 3 4 5 6      its hash is a leaf of 8; erasure, retention ► 11; ledger.key ► 9
          ► payload     1 7            present or missing ► 11
          ► checkpoint  1              reduced, judged at the end ► 8 9
          ► proof       1              ► 8
          ► end         1 12
    end of input ─► 8, then 9 and 10, then 11

Memory does not grow with the dump: hashes, open questions and checkpoints go to spools on disk.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from governlayer_verifier.activity import Activity
from governlayer_verifier.canonical import decode_utf8
from governlayer_verifier.chain import genesis_hash, is_hex_hash, is_origin
from governlayer_verifier.checkpoints import NO_KEY, CheckpointCheck
from governlayer_verifier.dump import (
    RECORD_START,
    CheckpointLine,
    Consistency,
    End,
    Header,
    Inclusion,
    Line,
    MisspelledRecord,
    Payload,
    parse_line,
)
from governlayer_verifier.erasure import ErasureCheck
from governlayer_verifier.errors import ArgumentError, FormatError
from governlayer_verifier.findings import Findings, Step
from governlayer_verifier.keys import KeyRing
from governlayer_verifier.note import Checkpoint, VerifierKey, parse_checkpoint, parse_log_key
from governlayer_verifier.payloads import PayloadCheck
from governlayer_verifier.policy import Policy, parse_policy
from governlayer_verifier.reader import read_lines
from governlayer_verifier.receipt import Receipt, parse_receipt
from governlayer_verifier.receipts import judge_receipt
from governlayer_verifier.records import RecordCheck
from governlayer_verifier.report import Report, step_results
from governlayer_verifier.timestamps import Stamps, TimestampCheck, parse_stamps
from governlayer_verifier.treecheck import TreeCheck
from governlayer_verifier.trust import TrustReport
from governlayer_verifier.witnesses import WitnessCheck

PROGRESS_EVERY_LINES = 10_000
_ERASING = frozenset({"erasure", "retention"})
_KEY_RECORD = "ledger.key"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the user named, parsed; ``keys`` holds each trusted key and where the user named it."""

    keys: dict[VerifierKey, str]
    policy: Policy | None
    stamps: Stamps
    origin: str | None
    genesis: str | None
    checkpoints: tuple[Checkpoint, ...]
    receipts: tuple[Receipt, ...]


def verify(
    stream: BinaryIO,
    *,
    keys: Sequence[str] = (),
    origin: str | None = None,
    genesis: str | None = None,
    checkpoints: Sequence[str] = (),
    receipts: Sequence[str] = (),
    trust: bytes | None = None,
    timestamps: Sequence[bytes] = (),
    authorities: Sequence[bytes] = (),
    progress: Callable[[int], None] | None = None,
) -> Report:
    """
    Return what every step of ledger-v1 §8 finds in the dump that *stream* holds.

    A ledger that fails is a report, never an exception.

    Args:
        stream: the decompressed dump, read to its end and left open.
        keys: verifier keys that the user trusts, Ed25519 or ML-DSA-44; without one, here or in *trust*, signatures
            are reported as not checked.
        origin: the origin that the ledger must have.
        genesis: the genesis hash that it must have, 64 hex digits.
        checkpoints: signed notes that the user kept.
        receipts: texts of ``.tlog-proof`` files that the user kept.
        trust: a c2sp.org/tlog-policy file: its logs are trusted like *keys*, its quorum is asked for.
        timestamps: RFC 3161 answers (DER) over checkpoints, which the user kept.
        authorities: certificates (PEM) that the time stamps must lead to.
        progress: called with the number of lines read, every 10,000 lines.

    Raises:
        ArgumentError: a key, origin, hash, checkpoint, receipt, trust file, time stamp or certificate is malformed;
            nothing was read.
        InputError: *stream* cannot be read to its end; there is no verdict.
    """
    run = _Run(_parse_asked(keys, origin, genesis, checkpoints, receipts, trust, parse_stamps(timestamps, authorities)))
    try:
        for number, line in enumerate(read_lines(stream), 1):
            run.take(line, number)
            if progress is not None and number % PROGRESS_EVERY_LINES == 0:
                progress(number)
        return run.finish()
    finally:
        run.close()


def _parse_asked(
    keys: Iterable[str],
    origin: str | None,
    genesis: str | None,
    checkpoints: Sequence[str],
    receipts: Sequence[str],
    trust: bytes | None,
    stamps: Stamps,
) -> _Asked:
    if origin is not None and not is_origin(origin):
        raise ArgumentError("the origin is not 1 to 255 characters of [A-Za-z0-9._/-]")
    if genesis is not None and not is_hex_hash(genesis):
        raise ArgumentError("the genesis hash is not 64 lower-case hex digits")
    policy = None if trust is None else _parse_trust(trust)
    return _Asked(
        _sources(_parse("key", parse_log_key, keys), policy),
        policy,
        stamps,
        origin,
        genesis,
        tuple(_parse("checkpoint", parse_checkpoint, checkpoints)),
        tuple(_parse("receipt", parse_receipt, receipts)),
    )


def _sources(keys: Iterable[VerifierKey], policy: Policy | None) -> dict[VerifierKey, str]:
    sources = {each.key: f"trust file, line {each.line}" for each in (policy.logs if policy is not None else ())}
    return dict.fromkeys(keys, "--key") | sources


def _parse_trust(trust: bytes) -> Policy:
    try:
        return parse_policy(trust)
    except FormatError as error:
        raise ArgumentError(f"trust file: {error}") from None


def _parse(what: str, parser: Callable[[str], _T], texts: Iterable[str]) -> Iterator[_T]:
    for index, text in enumerate(texts, 1):
        try:
            yield parser(text)
        except FormatError as error:
            raise ArgumentError(f"{what} {index}: {error}") from None


class _Run:
    """From the first line to the report; without a header there is no ledger to judge."""

    def __init__(self, asked: _Asked) -> None:
        self._asked = asked
        self._findings = Findings()
        self._ledger: _Ledger | None = None
        self._lines = 0

    def take(self, line: bytes | None, number: int) -> None:
        self._lines = number
        if self._ledger is not None:
            self._ledger.take(line, number)
        elif number == 1:
            self._begin(line)

    def finish(self) -> Report:
        findings = self._findings
        if self._lines == 0:
            findings.fail(Step.FORMAT, "the dump is empty")
        if self._ledger is not None:
            return self._ledger.finish(self._lines)
        for step in list(Step)[1:]:
            findings.cannot(step, "the dump has no readable header")
        return Report(None, None, None, None, self._lines, 0, 0, 0, None, step_results(findings), TrustReport(), ())

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()

    def _begin(self, line: bytes | None) -> None:
        # 1 Format: the header is first
        try:
            header = None if line is None else parse_line(decode_utf8(line))
        except FormatError as error:
            self._findings.fail(Step.FORMAT, f"no header: {error}", line=1)
            return
        if not isinstance(header, Header):
            self._findings.fail(Step.FORMAT, "the first line is not the header of a dump", line=1)
            return
        self._check_genesis(header)
        self._ledger = _Ledger(self._findings, header, self._asked)

    def _check_genesis(self, header: Header) -> None:
        # 2 Genesis
        asked, fail = self._asked, self._findings.fail
        expected = genesis_hash(header.origin)
        if header.genesis_hash != expected:
            what = "the header's genesis hash is not that of its origin"
            fail(Step.GENESIS, what, line=1, expected=expected, found=header.genesis_hash)
        if asked.origin not in (None, header.origin):
            fail(Step.GENESIS, "another origin than asked for", expected=asked.origin, found=header.origin)
        if asked.genesis not in (None, expected):
            fail(Step.GENESIS, "another genesis hash than asked for", expected=asked.genesis, found=expected)


class _Ledger:
    """The checks of one dump, and which of them each line goes to."""

    def __init__(self, findings: Findings, header: Header, asked: _Asked) -> None:
        self._findings = findings
        self._header = header
        self._asked = asked
        self._records = RecordCheck(findings, header)
        self._erasure = ErasureCheck(findings, header.payloads)
        self._payloads = PayloadCheck(findings, header, self._erasure)
        self._tree = TreeCheck(findings, header)
        self._ring = KeyRing(asked.keys)
        self._witnesses = WitnessCheck(findings, asked.policy)
        self._stamps = TimestampCheck(findings, asked.stamps)
        self._checkpoints = CheckpointCheck(findings, header, self._ring, self._tree, self._witnesses, self._stamps)
        self._activity = Activity()
        self._end: End | None = None

    def take(self, line: bytes | None, number: int) -> None:
        # 1 Format
        if self._end is not None:
            self._findings.fail(Step.FORMAT, "a line after the trailer", line=number)
        elif line is None:
            self._payloads.close()
            self._findings.fail(Step.FORMAT, "the line is too long", line=number)
        elif line.startswith(RECORD_START):
            self._take_record(line, number)
        else:
            try:
                item = parse_line(decode_utf8(line))
            except FormatError as error:
                self._payloads.close()
                self._findings.fail(Step.FORMAT, str(error), line=number)
            else:
                self._take_item(item, line, number)

    def _take_record(self, line: bytes, number: int) -> None:
        self._payloads.close()
        facts = self._records.take(line, number)
        if facts is None:
            return
        self._tree.append(line)
        self._payloads.open(facts)
        self._activity.take(facts)
        if facts.type in _ERASING:
            self._erasure.record(facts, number)
        elif facts.type == _KEY_RECORD:
            self._checkpoints.take_key_record(facts, number)

    def _take_item(self, item: Line, line: bytes, number: int) -> None:
        if isinstance(item, Payload):
            self._payloads.take(item, number)
            return
        self._payloads.close()
        match item:
            case MisspelledRecord():
                self._take_record(line, number)
            case CheckpointLine():
                self._checkpoints.take(item.note, number)
            case Inclusion() | Consistency():
                self._tree.add_proof(item, number)
            case End():
                self._end = item
            case Header():
                self._findings.fail(Step.FORMAT, "a second header", line=number)

    def finish(self, lines: int) -> Report:
        findings, header, checkpoints = self._findings, self._header, self._checkpoints
        self._payloads.close()
        if self._end is None:
            findings.fail(Step.FORMAT, "the dump has no trailer: it is cut off")
        # 4 Sequence, 12 End
        self._records.finish(self._end)
        # 8 Tree, 9 Signatures, 10 Receipts
        self._tree.settle()
        checkpoints.judge_dump()
        self._judge_outside()
        self._tree.finish(checkpoints.finish())
        witnesses, stamps = self._witnesses.finish(), self._stamps.finish()
        # 11 Erasure
        self._erasure.finish()
        return Report(
            header.origin,
            header.first,
            header.last,
            self._records.head_hash,
            lines,
            self._records.count,
            self._payloads.count,
            checkpoints.count,
            checkpoints.outside_size or None,
            step_results(findings),
            TrustReport(self._ring.trusted_keys(self._asked.keys), checkpoints.outside(), witnesses, stamps),
            self._activity.spans(),
        )

    def close(self) -> None:
        self._tree.close()
        self._erasure.close()
        self._checkpoints.close()

    def _judge_outside(self) -> None:
        asked = self._asked
        for index, each in enumerate(asked.checkpoints, 1):
            seq = each.size - 1 if each.size else None
            self._checkpoints.judge_outside(Step.SIGNATURES, f"checkpoint {index} from outside", each, seq)
        if not asked.receipts:
            if not self._witnesses.is_asked and not self._stamps.is_asked:
                self._findings.unasked(Step.RECEIPTS, "no --receipt, no witness quorum in --trust and no --timestamp")
        elif not asked.keys:
            self._findings.cannot(Step.RECEIPTS, NO_KEY)
        for index, receipt in enumerate(asked.receipts, 1):
            judge_receipt(self._findings, self._tree.tree, self._checkpoints, f"receipt {index}", receipt)
