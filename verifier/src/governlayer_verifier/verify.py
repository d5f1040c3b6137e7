"""Verification of a dump: the twelve steps of ledger-v1 §8 over one stream.

stream ─► header                                    1 2
       ─► blocks of whole lines ─► block: parts     1 3 4 5 6 7, by this process or by workers
                                ─► join, in order   1 4 5 6 7 8 9 10 11 12
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from typing import BinaryIO, NamedTuple

from governlayer_verifier.asked import Asked, parse_asked
from governlayer_verifier.block import BlockChecker, split_lines
from governlayer_verifier.canonical import decode_utf8
from governlayer_verifier.chain import genesis_hash
from governlayer_verifier.dump import Header, parse_line
from governlayer_verifier.errors import ArgumentError, FormatError
from governlayer_verifier.findings import Findings, Step
from governlayer_verifier.join import Join
from governlayer_verifier.journal import Journal, kept
from governlayer_verifier.part import Part, Rules
from governlayer_verifier.reader import MAX_LINE_BYTES, Block, read_blocks, read_header
from governlayer_verifier.report import Report, step_results
from governlayer_verifier.trust import TrustReport
from governlayer_verifier.workers import MAX_JOBS, Pool

PROGRESS_EVERY_LINES = 10_000


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
    certificates: Sequence[str] = (),
    quick: bool = False,
    jobs: int = 1,
    file: int | None = None,
    resume: str | None = None,
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
        certificates: certificates of erasures, which the user kept.
        quick: whether the form of record lines is not to be checked (step 3, and step 1 of these lines).
        jobs: how many processes check the dump, 1 to 64; the report is the same.
        file: descriptor of a plain file that *stream* reads from its beginning, if workers may read it themselves.
        resume: path of a file that keeps what was verified, for a run that is stopped; deleted when the run is done.
        progress: called with the number of lines read, every 10,000 lines.

    Raises:
        ArgumentError: a key, origin, hash, checkpoint, receipt, trust file, time stamp or certificate is malformed,
            or *jobs* out of range; nothing was read.
        InputError: *stream* cannot be read to its end, or *resume* is of another dump or run; there is no verdict.
    """
    if not 1 <= jobs <= MAX_JOBS:
        raise ArgumentError(f"jobs is not 1 to {MAX_JOBS}")
    asked = parse_asked(
        keys, origin, genesis, checkpoints, receipts, trust, timestamps, authorities, certificates, quick=quick
    )
    first_line = read_header(stream)
    blocks = read_blocks(stream, len(first_line))
    journal = None if resume is None else Journal(resume, asked.digest, sha256(first_line).hexdigest())
    try:
        with (
            closing(_Run(asked, first_line)) as run,
            closing(_parts(blocks, run.header, _How(quick, jobs, file), journal)) as parts,
        ):
            for part in parts:
                before = run.lines
                run.take(part)
                _call(progress, before, run.lines)
            report = run.finish()
        if journal is not None:
            journal.remove()
        return report
    finally:
        if journal is not None:
            journal.close()


class _How(NamedTuple):
    quick: bool
    jobs: int
    file: int | None


def _parts(
    blocks: Iterator[Block], header: Header | None, how: _How, journal: Journal | None
) -> Generator[Part, None, None]:
    """Yield the parts of what follows the header; without one, lines are only counted."""
    if header is None:
        yield from (Part(lines=len(split_lines(block.data))) for block in blocks)
    elif journal is None:
        with _checking(header, how) as check:
            yield from check(blocks)
    else:
        # What the journal says was checked must be what this process read.
        with _checking(header, how._replace(file=None)) as check:
            yield from kept(journal, check, blocks)


@contextmanager
def _checking(header: Header, how: _How) -> Iterator[Callable[[Iterable[Block]], Iterator[Part]]]:
    """Yield what checks blocks: this process, or workers."""
    rules = Rules(header.payloads, how.quick)
    if how.jobs == 1:
        checker = BlockChecker(rules)
        yield lambda blocks: (checker.check(block.data) for block in blocks)
        return
    with closing(Pool(how.jobs, rules, how.file)) as pool:
        yield pool.check


def _call(progress: Callable[[int], None] | None, before: int, lines: int) -> None:
    for number in range(before // PROGRESS_EVERY_LINES + 1, lines // PROGRESS_EVERY_LINES + 1):
        if progress is not None:
            progress(number * PROGRESS_EVERY_LINES)


class _Run:
    """From the first line to the report; without a header there is no ledger to judge."""

    def __init__(self, asked: Asked, first_line: bytes) -> None:
        self._findings = Findings()
        self._lines = 1 if first_line else 0
        self.header = self._read_header(first_line)
        if self.header is not None:
            self._check_genesis(self.header, asked)
        self._join = None if self.header is None else Join(self._findings, self.header, asked)

    @property
    def lines(self) -> int:
        """How many lines were taken in."""
        return self._lines if self._join is None else self._join.lines

    def take(self, part: Part) -> None:
        """Take in the next part; without a header its lines are only counted."""
        if self._join is None:
            self._lines += part.lines
        else:
            self._join.take(part)

    def finish(self) -> Report:
        """Return the report."""
        findings = self._findings
        if self._join is not None:
            return self._join.finish()
        for step in list(Step)[1:]:
            findings.cannot(step, "the dump has no readable header")
        return Report(None, None, None, None, self._lines, 0, 0, 0, None, step_results(findings), TrustReport(), ())

    def close(self) -> None:
        """Give temporary files back."""
        if self._join is not None:
            self._join.close()

    def _read_header(self, line: bytes) -> Header | None:
        # 1 Format: the header is first
        fail = self._findings.fail
        if not line:
            fail(Step.FORMAT, "the dump is empty")
            return None
        if len(line) > MAX_LINE_BYTES:
            fail(Step.FORMAT, "no header: the line is too long", line=1)
            return None
        try:
            header = parse_line(decode_utf8(line.removesuffix(b"\n")))
        except FormatError as error:
            fail(Step.FORMAT, f"no header: {error}", line=1)
            return None
        if isinstance(header, Header):
            return header
        fail(Step.FORMAT, "the first line is not the header of a dump", line=1)
        return None

    def _check_genesis(self, header: Header, asked: Asked) -> None:
        # 2 Genesis
        fail, expected = self._findings.fail, genesis_hash(header.origin)
        if header.genesis_hash != expected:
            what = "the header's genesis hash is not that of its origin"
            fail(Step.GENESIS, what, line=1, expected=expected, found=header.genesis_hash)
        if asked.origin not in (None, header.origin):
            fail(Step.GENESIS, "another origin than asked for", expected=asked.origin, found=header.origin)
        if asked.genesis not in (None, expected):
            fail(Step.GENESIS, "another genesis hash than asked for", expected=asked.genesis, found=expected)
