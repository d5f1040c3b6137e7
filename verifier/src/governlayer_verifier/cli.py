"""The command ``gl-verify``: parses, calls ``verify``, prints."""

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from governlayer_verifier import __version__
from governlayer_verifier.errors import ArgumentError, InputError
from governlayer_verifier.findings import shown
from governlayer_verifier.output import refuse_target, write_whole
from governlayer_verifier.page import Circumstances, page
from governlayer_verifier.progress import Progress
from governlayer_verifier.report import unreadable_json
from governlayer_verifier.selftest import run_self_test
from governlayer_verifier.source import Source
from governlayer_verifier.verify import verify
from governlayer_verifier.workers import MAX_JOBS

EXIT_UNREADABLE = 2
EXIT_INTERRUPTED = 130
_MAX_FILE_BYTES = 1 << 20
_EPILOG = """\
examples:
  gl-verify acme.gldump --key gl.example.com+374391ee+AQOhB7/z...
  gl-verify acme.gldump.gz --key VKEY --checkpoint kept-in-march.txt --receipt order-17.tlog-proof
  zstd -dc acme.gldump.zst | gl-verify - --key VKEY --json
  gl-verify acme.gldump --trust trust.policy --report acme.html
  gl-verify acme.gldump --key VKEY --jobs 4 --resume acme.state
  gl-verify --self-test

exit status:
  0    all that was asked for holds
  1    the ledger fails a step
  2    the input could not be read, or the arguments are wrong
  3    what was checked holds, but not all could be checked (no --key was given, say)
  130  interrupted

Keys that a dump lists are claims. Take the key from a place that the dump's maker does not control.
Without a checkpoint or receipt kept elsewhere, nobody can tell whether the tail was cut off.
Nothing is sent anywhere; no network connection is opened.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status (ledger-v1 §8)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run(_parser().parse_args(arguments))
    except KeyboardInterrupt:
        _say("interrupted")
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gl-verify",
        description="Verify a GovernLayer ledger dump offline, step by step of ledger-v1 §8.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("dump", metavar="DUMP", nargs="?", help="the dump: plain, gzip or zstd; - is standard input")
    add("--key", metavar="VKEY", action="append", default=[], help="a verifier key that you trust; repeatable")
    add("--trust", metavar="FILE", help="a c2sp.org/tlog-policy file: logs that you trust, witnesses, their quorum")
    add("--origin", metavar="ORIGIN", help="the origin that the ledger must have")
    add("--genesis", metavar="HEX", help="the genesis hash that the ledger must have")
    add(
        "--checkpoint",
        metavar="FILE",
        action="append",
        default=[],
        help="a checkpoint that you kept elsewhere; repeatable",
    )
    add(
        "--receipt",
        metavar="FILE",
        action="append",
        default=[],
        help="a receipt (.tlog-proof) that you kept elsewhere; repeatable",
    )
    add(
        "--timestamp",
        metavar="FILE.tsr",
        action="append",
        default=[],
        help="an RFC 3161 time stamp over a checkpoint; needs the package rfc3161-client; repeatable",
    )
    add(
        "--tsa-ca",
        metavar="FILE.pem",
        action="append",
        default=[],
        help="certificates that the time stamps must lead to; repeatable",
    )
    add(
        "--certificate",
        metavar="FILE",
        action="append",
        default=[],
        help="a certificate of an erasure; repeatable",
    )
    add("--jobs", metavar="N", type=_jobs, default=1, help="check with N processes, 1 to 64; the report is the same")
    add("--quick", action="store_true", help="leave out the form of record lines: step 3, and step 1 of these lines")
    add("--resume", metavar="STATE", help="keep what was verified in this file, and go on from there after a stop")
    add("--report", metavar="FILE.html", type=Path, help="write the report as one HTML file too, to read or print")
    add("--json", action="store_true", help="print the report as JSON")
    add("--self-test", action="store_true", help="check this verifier against its vectors and end")
    add("--version", action="version", version=f"gl-verify {__version__}")
    return parser


def _jobs(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:4]) <= MAX_JOBS:
        raise argparse.ArgumentTypeError(f"not a number from 1 to {MAX_JOBS}: {shown(text)}")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    if options.self_test:
        if options.dump is not None:
            return _refuse("--self-test checks the verifier, not a dump: name one or the other", as_json=options.json)
        return _self_test()
    if options.dump is None:
        return _refuse("no DUMP was named; see gl-verify --help", as_json=options.json)
    try:
        return _verify(options)
    except (ArgumentError, InputError) as error:
        return _refuse(str(error), as_json=options.json)


def _verify(options: argparse.Namespace) -> int:
    checkpoints = [_read_file(path) for path in options.checkpoint]
    receipts = [_read_file(path) for path in options.receipt]
    timestamps = [_read_bytes(path) for path in options.timestamp]
    authorities = [_read_bytes(path) for path in options.tsa_ca]
    certificates = [_read_file(path) for path in options.certificate]
    trust = None if options.trust is None else _read_bytes(options.trust)
    if options.report is not None:
        refuse_target(options.report, _inputs(options))
    started = datetime.now(UTC)
    with Source(options.dump, hashed=options.report is not None) as source:
        with Progress(sys.stderr, source.size_bytes, lambda: source.bytes_read) as progress:
            report = verify(
                source.stream,
                keys=options.key,
                origin=options.origin,
                genesis=options.genesis,
                checkpoints=checkpoints,
                receipts=receipts,
                trust=trust,
                timestamps=timestamps,
                authorities=authorities,
                certificates=certificates,
                quick=options.quick,
                jobs=options.jobs,
                file=source.file,
                resume=options.resume,
                progress=progress,
            )
        circumstances = _circumstances(options, source, started) if options.report is not None else None
    _print(json.dumps(report.as_json(), indent=1) if options.json else report.as_text())
    if circumstances is not None:
        write_whole(options.report, page(report, circumstances))
    return report.exit_status


def _inputs(options: argparse.Namespace) -> list[str]:
    single = [each for each in (options.trust, options.resume) if each is not None]
    return [
        options.dump,
        *options.checkpoint,
        *options.receipt,
        *options.timestamp,
        *options.tsa_ca,
        *options.certificate,
        *single,
    ]


def _circumstances(options: argparse.Namespace, source: Source, started: datetime) -> Circumstances:
    sha256 = source.sha256()
    files = {
        **_names("checkpoint {} from outside", options.checkpoint),
        **_names("receipt {}", options.receipt),
        **_names("time stamp {}", options.timestamp),
    }
    dump = "standard input" if options.dump == "-" else Path(options.dump).name
    trust = None if options.trust is None else Path(options.trust).name
    return Circumstances(dump, source.bytes_read, sha256, __version__, started, trust, files)


def _names(label: str, paths: Sequence[str]) -> dict[str, str]:
    return {label.format(number): Path(path).name for number, path in enumerate(paths, 1)}


def _self_test() -> int:
    result = run_self_test()
    for fault in result.faults:
        _print(f"FAIL {fault}")
    if result.unchecked is not None:
        _print(f"NOT CHECKED {result.unchecked}")
    _print(f"self test: {result.checks} checks, {len(result.faults)} failed")
    return 1 if result.faults else 0


def _read_file(path: str) -> str:
    try:
        return _read_bytes(path).decode()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8") from None


def _read_bytes(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot open {path}: {error.strerror or error}") from None
    if len(content) > _MAX_FILE_BYTES:
        raise InputError(f"{path} is longer than {_MAX_FILE_BYTES} bytes")
    return content


def _refuse(message: str, *, as_json: bool) -> int:
    _say(message)
    if as_json:
        _print(json.dumps(unreadable_json(message), indent=1))
    return EXIT_UNREADABLE


def _say(message: str) -> None:
    sys.stderr.write(f"gl-verify: {shown(message, 300)}\n")


def _print(text: str) -> None:
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output left: the verdict still counts, and Python must not complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
