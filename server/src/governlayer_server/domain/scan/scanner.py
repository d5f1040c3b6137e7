"""The scan itself: every detector over the views it reads, spans mapped back to the text as it came."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from governlayer_server.domain.scan import injection, personal_data, secrets
from governlayer_server.domain.scan.detector import Detector, UnknownDetectorError, ViewName
from governlayer_server.domain.scan.finding import Finding
from governlayer_server.domain.scan.normalize import View, view

DETECTORS: Mapping[str, Detector] = MappingProxyType(
    {detector.id: detector for detector in (*personal_data.DETECTORS, *secrets.DETECTORS, *injection.DETECTORS)}
)


class ScanText(msgspec.Struct, frozen=True):
    """
    One text to scan and where it stands.

    Args:
        text: the text; ``repr`` shows it, so never log this value.
        content_index: index of the content item, None for arguments.
        pointer: RFC 6901 pointer into the arguments, None for content.
        in_name: the text is the name of the member at *pointer*.
    """

    text: str
    content_index: int | None = None
    pointer: str | None = None
    in_name: bool = False

    def __repr__(self) -> str:
        return f"ScanText({len(self.text)} code points, {self.content_index=}, in_name={self.in_name})"


def scan(texts: Sequence[ScanText], detectors: Sequence[str] | None = None) -> tuple[Finding, ...]:
    """
    Return what the *detectors* find in the *texts*, text by text, in order of position.

    Args:
        texts: each is scanned on its own; time grows linearly with their total length.
        detectors: ids out of ``DETECTORS``; None means all.

    Raises:
        UnknownDetectorError: an id is not in ``DETECTORS``. Nothing was scanned.
    """
    wanted = list(dict.fromkeys(DETECTORS if detectors is None else detectors))
    unknown = [name for name in wanted if name not in DETECTORS]
    if unknown:
        raise UnknownDetectorError(f"unknown detector, known are {', '.join(DETECTORS)}")
    chosen = [DETECTORS[name] for name in wanted]
    return tuple(finding for text in texts for finding in _scan_text(text, chosen))


def _scan_text(text: ScanText, detectors: Sequence[Detector]) -> list[Finding]:
    views: dict[ViewName, View] = {}
    for name in dict.fromkeys(name for detector in detectors for name in detector.views):
        views[name] = view(text.text, name)
    found = [finding for detector in detectors for finding in _run(detector, text, views)]
    found.sort(key=lambda one: (one.start, -one.end, one.type, -one.severity.rank, -one.confidence, one.rule_id))
    return _without_repeats(found)


def _run(detector: Detector, text: ScanText, views: Mapping[ViewName, View]) -> Iterator[Finding]:
    for seen in {views[name].text: views[name] for name in detector.views}.values():
        for match in detector.find(seen.text):
            start, end = seen.span(match.start, match.end)
            yield Finding(
                detector=detector.id,
                version=detector.version,
                type=match.type,
                severity=match.severity,
                confidence=match.confidence,
                start=start,
                end=end,
                content_index=text.content_index,
                pointer=text.pointer,
                in_name=text.in_name,
                rule_id=match.rule_id,
                refs=match.refs,
            )


def _without_repeats(ordered: Sequence[Finding]) -> list[Finding]:
    """Return the findings without those that lie inside an at least as grave and sure one of their type."""
    kept: list[Finding] = []
    widest: dict[str, Finding] = {}
    for finding in ordered:
        wide = widest.get(finding.type)
        if wide is None or not _covers(wide, finding):
            kept.append(finding)
        if wide is None or finding.end > wide.end:
            widest[finding.type] = finding
    return kept


def _covers(wide: Finding, narrow: Finding) -> bool:
    graver = wide.severity.rank >= narrow.severity.rank and wide.confidence >= narrow.confidence
    return wide.end >= narrow.end and graver
