"""Redaction: spans give way to placeholders such as ``[EMAIL]``; nothing of a span survives."""

from collections.abc import Sequence

from governlayer_server.domain.scan.finding import Finding


def redact(text: str, findings: Sequence[Finding]) -> str:
    """
    Return *text* with each span of *findings* replaced by the placeholder of its type.

    Spans that overlap become one placeholder, named by the gravest, then the widest, then the earliest.

    Args:
        text: the text that was scanned, unchanged.
        findings: findings of this text alone, in any order; parts of spans beyond its end are ignored.

    >>> from governlayer_server.domain.scan import ScanText, scan
    >>> redact("to ann@example.org, please", scan([ScanText("to ann@example.org, please")]))
    'to [EMAIL], please'
    """
    pieces: list[str] = []
    done = 0
    for start, end, kind in _merged(findings, len(text)):
        pieces += (text[done:start], placeholder(kind))
        done = end
    pieces.append(text[done:])
    return "".join(pieces)


def placeholder(kind: str) -> str:
    """Return what stands in for a finding of type *kind*: its name in capitals and brackets."""
    return f"[{kind.upper()}]"


def _merged(findings: Sequence[Finding], length: int) -> list[tuple[int, int, str]]:
    """Return the spans as start, end and type, in order and apart from each other."""
    merged: list[tuple[int, int, Finding]] = []
    for finding in sorted(findings, key=lambda one: (one.start, one.end)):
        start, end = max(0, finding.start), min(length, finding.end)
        if start >= end:
            continue
        if merged and start < merged[-1][1]:
            first, last, name = merged[-1]
            merged[-1] = (first, max(last, end), max(name, finding, key=_weight))
        else:
            merged.append((start, end, finding))
    return [(start, end, finding.type) for start, end, finding in merged]


def _weight(finding: Finding) -> tuple[int, int, int]:
    return finding.severity.rank, finding.end - finding.start, -finding.start
