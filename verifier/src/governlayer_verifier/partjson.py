"""A part of a dump as one line of JSON: what a worker process answers, and what ``--resume`` keeps."""

import json
from base64 import b64decode, b64encode
from typing import Any

from governlayer_verifier.activity import Activity
from governlayer_verifier.findings import Failure, Findings, Step
from governlayer_verifier.part import Handed, Leading, Part
from governlayer_verifier.payloads import Given, Opened
from governlayer_verifier.record import Facts
from governlayer_verifier.records import Chain


def write_part(part: Part) -> str:
    """Return *part* as a line of ASCII without a newline; ``read_part`` gives the same part back."""
    value = {
        "lines": part.lines,
        "records": part.records,
        "payloads": part.payloads,
        "findings": {step.value: [count, kept] for step, (count, kept) in part.findings.failed().items()},
        "leading": part.leading,
        "chain": part.chain and [part.chain.next_seq, part.chain.head_hash, part.chain.time],
        "leading_payloads": part.leading_payloads,
        "closes": part.closes,
        "opened": part.opened,
        "questions": _text(part.questions),
        "start": part.start,
        "leaves": _text(part.leaves),
        "tiles": _text(part.tiles),
        "handed": part.handed,
        "activity": part.activity.counted(),
    }
    return json.dumps(value, separators=(",", ":"), default=_failure_values)


def read_part(line: str | bytes) -> Part:
    """
    Return the part that ``write_part`` wrote as *line*.

    Raises:
        ValueError, TypeError, KeyError, LookupError: *line* is none.
    """
    value: dict[str, Any] = json.loads(line)
    findings = Findings()
    for step, (count, kept) in value["findings"].items():
        findings.restore(Step(int(step)), count, [Failure(*each) for each in kept])
    chain, opened, activity = value["chain"], value["opened"], Activity()
    activity.restore(*value["activity"])
    return Part(
        value["lines"],
        value["records"],
        value["payloads"],
        findings,
        [Leading(number, Facts(*facts), digest) for number, facts, digest in value["leading"]],
        chain and Chain(*chain),
        [(number, Given(*given)) for number, given in value["leading_payloads"]],
        value["closes"],
        opened and Opened(*opened),
        b64decode(value["questions"]),
        value["start"],
        b64decode(value["leaves"]),
        b64decode(value["tiles"]),
        [Handed(*each) for each in value["handed"]],
        activity,
    )


def _text(value: bytes) -> str:
    return b64encode(value).decode()


def _failure_values(failure: Failure) -> list[object]:
    return [failure.seq, failure.line, failure.what, failure.expected, failure.found]
