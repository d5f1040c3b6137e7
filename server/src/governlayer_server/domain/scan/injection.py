"""
Prompt injection: phrases that try to take over an agent, and text hidden from human eyes.

Each rule has a weight from 1 (also said in innocence) to 4 (an attack on its face). Weights of different
rules that fire near each other add up; the sum decides severity and confidence of all of them: 1 low, 2 and 3
medium, 4 and 5 high, from 6 critical. Rules alone catch what is said outright, not what is only wrong in
context.
"""

from collections.abc import Iterator

import msgspec

from governlayer_server.domain.scan.detector import Detector, Match, linear
from governlayer_server.domain.scan.finding import Severity
from governlayer_server.domain.scan.phrases import PHRASES

_REFS = ("OWASP-LLM01:2025", "MITRE-ATLAS-AML.T0051")
_LEAK_REFS = ("OWASP-LLM07:2025", *_REFS)
_NEAR = 1000
_SEVERITIES = ((6, Severity.CRITICAL), (4, Severity.HIGH), (2, Severity.MEDIUM), (0, Severity.LOW))
_CONFIDENCES = (0, 30, 55, 65, 80, 85, 90, 95)

_COMPILED = tuple((phrase, linear(phrase.pattern, ignore_case=True)) for phrase in PHRASES)

_TAGS = linear(r"[\x{E0001}\x{E0020}-\x{E007F}]+")
_ZERO_WIDTH = linear(r"[\x{200B}-\x{200D}\x{2060}-\x{2064}\x{180E}\x{FEFF}]+")
_BIDI = linear(r"[\x{202A}-\x{202E}\x{2066}-\x{2069}]+")
_SELECTORS = linear(r"[\x{FE00}-\x{FE0F}\x{E0100}-\x{E01EF}]{3,}")
_RIGHT_TO_LEFT = linear(r"[\p{Hebrew}\p{Arabic}\p{Syriac}\p{Thaana}\p{Nko}]")
_BLACK_FLAG = "\U0001f3f4"
_OVERRIDES = frozenset("\u202d\u202e")


class _Hit(msgspec.Struct, frozen=True):
    start: int
    end: int
    rule: str
    weight: int


def find_phrases(text: str) -> Iterator[Match]:
    """Yield the phrases of ``PHRASES`` that occur in *text*, graver where different ones stand together."""
    hits = sorted(
        (
            _Hit(found.start(), found.end(), phrase.rule, phrase.weight)
            for phrase, pattern in _COMPILED
            for found in pattern.finditer(text)
        ),
        key=lambda hit: (hit.start, hit.end, hit.rule),
    )
    for group in _groups(hits):
        total = sum({hit.rule: hit.weight for hit in group}.values())
        for hit in group:
            yield _match(hit, total)


def _groups(hits: list[_Hit]) -> Iterator[list[_Hit]]:
    """Yield runs of *hits* (in order of start) whose neighbours are at most ``_NEAR`` code points apart."""
    group: list[_Hit] = []
    for hit in hits:
        if group and hit.start - group[-1].end > _NEAR:
            yield group
            group = []
        group.append(hit)
    if group:
        yield group


def _match(hit: _Hit, total: int) -> Match:
    return Match(
        type="prompt_injection",
        severity=next(severity for least, severity in _SEVERITIES if total >= least),
        confidence=_CONFIDENCES[min(total, len(_CONFIDENCES) - 1)],
        start=hit.start,
        end=hit.end,
        rule_id=f"prompt_injection.{hit.rule}",
        refs=_LEAK_REFS if hit.rule.startswith("reveal") else _REFS,
    )


def find_hidden(text: str) -> Iterator[Match]:
    """Yield runs of characters that a model reads and nobody sees: tags, zero width, bidi controls."""
    if text.isascii():
        return
    for found in _TAGS.finditer(text):
        if not _is_flag(text, *found.span()):
            yield _hidden("tags", Severity.HIGH, 95, *found.span())
    for found in _ZERO_WIDTH.finditer(text):
        if len(found.group()) >= 3 or _splits_a_word(text, *found.span()):
            yield _hidden("zero_width", Severity.MEDIUM, 80, *found.span())
    for found in _SELECTORS.finditer(text):
        yield _hidden("variation_selectors", Severity.HIGH, 90, *found.span())
    mixed = _RIGHT_TO_LEFT.search(text) is not None
    for found in _BIDI.finditer(text):
        if not mixed or _OVERRIDES & set(found.group()):
            yield _hidden("bidi", Severity.MEDIUM, 75, *found.span())


def _is_flag(text: str, start: int, end: int) -> bool:
    """Tell whether the tags belong to a flag emoji such as that of Wales (UTS #51)."""
    return text[start - 1 : start] == _BLACK_FLAG and end - start <= 7 and text[end - 1] == "\U000e007f"


def _splits_a_word(text: str, start: int, end: int) -> bool:
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    return before.isascii() and before.isalnum() and after.isascii() and after.isalnum()


def _hidden(rule: str, severity: Severity, confidence: int, start: int, end: int) -> Match:
    return Match(
        type="hidden_text",
        severity=severity,
        confidence=confidence,
        start=start,
        end=end,
        rule_id=f"hidden_text.{rule}",
        refs=_REFS,
    )


PROMPT_INJECTION = Detector(
    id="prompt_injection", version="1", family="injection", find=find_phrases, views=("plain", "raw", "folded")
)
HIDDEN_TEXT = Detector(id="hidden_text", version="1", family="injection", find=find_hidden, views=("raw",))
DETECTORS = (PROMPT_INJECTION, HIDDEN_TEXT)
