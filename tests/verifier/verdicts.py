"""Short ways to ask the verifier in tests."""

import io
from collections.abc import Sequence
from typing import Any

from governlayer_verifier import Report, verify

from tests.verifier.ledger_writer import KEY


def check(dump: bytes, keys: Sequence[str] = (KEY.vkey,), **asked: Any) -> Report:
    return verify(io.BytesIO(dump), keys=keys, **asked)


def found(report: Report) -> set[tuple[int, int | None]]:
    """The failed steps with their seqs."""
    return {(step.step, failure.seq) for step in report.steps for failure in step.failures}


def what(report: Report, step: int) -> str:
    return " | ".join(failure.what for failure in report.step(step).failures)


def lines_of(dump: bytes) -> list[bytes]:
    return dump.removesuffix(b"\n").split(b"\n")


def joined(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)
