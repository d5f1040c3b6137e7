"""What a scan reports: where something was found and how grave it is, never the thing itself."""

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How grave a finding is; ``rank`` orders the four."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return 0 for low to 3 for critical."""
        return list(Severity).index(self)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """
    One thing found in one text.

    Args:
        detector: id of the detector, a key of ``DETECTORS``.
        version: version of that detector; the same version finds the same in the same text.
        type: what it is, lower case with underscores; the placeholder of redaction is its upper case.
        severity: how grave it would be to let it pass.
        confidence: percent, 0 to 100.
        start: first code point of the span in the text.
        end: code point after the last one.
        content_index: which content item was read; None for arguments.
        pointer: RFC 6901 pointer into the arguments; None for content.
        in_name: the span lies in the name of the member at *pointer*, not in its value.
        rule_id: the rule that fired, ``<detector>.<rule>``.
        refs: public catalogues that describe the danger, such as ``OWASP-LLM01:2025``.
    """

    detector: str
    version: str
    type: str
    severity: Severity
    confidence: int
    start: int
    end: int
    content_index: int | None = None
    pointer: str | None = None
    in_name: bool = False
    rule_id: str
    refs: tuple[str, ...] = ()
