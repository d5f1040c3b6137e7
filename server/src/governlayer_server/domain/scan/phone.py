"""
Telephone numbers: candidates by shape, then numbering plans and the words around them.

A number with a plus sign speaks for itself when its country's plan admits it. Any other needs the North
American shape 202-555-0143 or a word such as "call" nearby; "order", "invoice" and the like speak against it.
"""

from collections.abc import Iterator

import phonenumbers

from governlayer_server.domain.scan.boundaries import joined
from governlayer_server.domain.scan.detector import Detector, Match, linear
from governlayer_server.domain.scan.finding import Severity

_EXTENSION = r"(?:[ ]?(?:x|ext\.?)[ ]?[0-9]{1,6})?"
_CANDIDATE = linear(
    r"(?:\(?\+[ ]?)?\(?[0-9](?:[ ./()\x{2010}-\x{2015}-]{0,2}[0-9]){6,16}" + _EXTENSION, ignore_case=True
)
_HEAD = linear(r"(?:\(?\+[ ]?)?\(?[0-9]+")
_LONGEST = 72
_NORTH_AMERICAN = linear(
    r"(?:(?:\+|00)?1[-. ]?)?(?:\([2-9][0-9]{2}\)[ ]?|[2-9][0-9]{2}[-.])[0-9]{3}[-.][0-9]{4}" + _EXTENSION,
    ignore_case=True,
)
_FOR = linear(
    r"(?:\b(?:tele)?(?:phone|fon|fono|foon|phon)\w*|\bph\.|\btel\b|\bt[ée]l|\bfax|\bmob(?:ile)?\b|\bcell\w*|\bhandy"
    r"|\bcall(?:ed|ing|s)?\b|\bdial|\bring\b|\bsms\b|\bwhatsapp|\bhotline|\blandline|\bdesk:|\bm[oó]vil|\bcelular"
    r"|\bportable\b|\bmobil|\bcep\b|\breach (?:me|us|him|her|them|you)|\banswering at|\bmessages? to"
    r"|\btext (?:me|us|him|her|them)|\brufnummer|\bnumer[oa]? (?:di|de) t)[^\]\[]*$",
    ignore_case=True,
)
_FOR_AFTER = linear(r"^[ ,;()-]{0,2}(?:office|fax|mobile|cell|phone|home|desk)\b", ignore_case=True)
_AGAINST = linear(
    r"\b(?:order|invoice|ticket|account|acct|iban|card|ssn|social|passport|licen[cs]e|tracking|isbn|issn|doi|serial|version|"
    r"build|port|zip|sku|vat|tax|id|ref|reference|pid|uuid|size|bytes|lat|lon|dob|born|date|amount|total|price)"
    r"\b[^\]\[]{0,16}$",
    ignore_case=True,
)
_DATE = linear(
    r"^(?:[0-9]{4}[-./][0-9]{1,2}[-./][0-9]{1,2}|[0-9]{1,2}[-./][0-9]{1,2}[-./][0-9]{4}"
    r"|(?:1[0-9]|20)[0-9]{2} ?[/\x{2010}-\x{2015}-] ?(?:1[0-9]|20)[0-9]{2}$)"
)
_EXTENSION_PART = linear(r"(?:x|ext\.?)[ ]?[0-9]+$", ignore_case=True)
_JOINS_BEFORE = "_=/-$#@%&"
_JOINS_AFTER = "_%@"
_LOOK_BEHIND = 64
_LOOK_AHEAD = 10
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL", "SE", "AU", "IN", "BR")
# Asking a numbering plan is slow. Beyond this many questions in one text a number is believed unasked: a
# flood of numbers must neither stall the scan nor hide one.
_QUESTIONS_AT_MOST = 2000
_GROUPS_AT_MOST = 5


def find_phones(text: str) -> Iterator[Match]:
    """Yield telephone numbers: international by plan (ITU-T E.164), national by shape or words around."""
    questions, tried, taken = _QUESTIONS_AT_MOST, 0, 0
    for head in _HEAD.finditer(text):
        start = head.start()
        fresh = start >= tried or head.group()[0] in "(+"  # a bracket or plus sign may begin another number
        hit = _CANDIDATE.match(text[start : start + _LONGEST]) if fresh and start >= taken else None
        if hit is None:
            continue
        number = hit.group()
        tried = start + len(number)
        if number[0] == "(" and number.count("(") > number.count(")"):
            start, number = start + 1, number[1:]
        length, confidence, asked = _best_reading(text, start, number, questions > 0)
        questions -= asked
        if confidence:
            tried = taken = start + length
            yield Match(
                type="phone",
                severity=Severity.MEDIUM,
                confidence=confidence,
                start=start,
                end=taken,
                rule_id="phone.international" if "+" in number else "phone.national",
            )


def _best_reading(text: str, start: int, number: str, may_ask: bool) -> tuple[int, int, int]:
    """Return the length of the surest reading of *number*, how sure it is, and how many plans were asked."""
    before = text[max(0, start - _LOOK_BEHIND) : start]
    end = start + len(number)
    called = bool(_FOR.search(before) or _FOR_AFTER.search(text[end : end + _LOOK_AHEAD]))
    length = confidence = total = 0
    for reading in _readings(number):
        if not _part_of_longer(text, start, start + len(reading)):
            sure, asked = _confidence(reading, called, before, may_ask)
            total += asked
            if sure > confidence:
                length, confidence = len(reading), sure
    return length, confidence, total


def _readings(number: str) -> Iterator[str]:
    """Yield *number*, then without its last groups: other digits may follow a number after a space."""
    for _ in range(_GROUPS_AT_MOST):
        if 7 <= _digit_count(number) <= 15:
            yield number
        number = number.rpartition(" ")[0]


def _confidence(number: str, called: bool, before: str, may_ask: bool) -> tuple[int, int]:
    """Return how sure it is that *number* is a telephone's, 0 for no, and how many plans were asked."""
    if "+" in number:
        known = not may_ask or _in_plan(number, None)
        return (95 if known else 70 * called), 1
    if _DATE.search(number) or _AGAINST.search(before):
        return 0, 0
    if _NORTH_AMERICAN.fullmatch(number):
        return (90 if called else 75), 0
    return _called_number(number, may_ask) if called else (0, 0)


def _called_number(number: str, may_ask: bool) -> tuple[int, int]:
    regions = _REGIONS if may_ask else ()
    for asked, region in enumerate(regions, start=1):
        if _in_plan(number, region):
            return 80, asked
    return 60, len(regions)


def _in_plan(number: str, region: str | None) -> bool:
    """Tell whether the numbering plan of *region*, or of the number's own country code, admits *number*."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def _digit_count(number: str) -> int:
    extension = _EXTENSION_PART.search(number)
    main = number[: extension.start()] if extension else number
    return sum(char.isdigit() for char in main)


def _part_of_longer(text: str, start: int, end: int) -> bool:
    """Tell whether the number continues a word, a decimal or a path."""
    decimal = text[max(0, start - 1) : start] in {".", ","} and text[max(0, start - 2) : start - 1].isdigit()
    return decimal or joined(text, start, end, before=_JOINS_BEFORE, after=_JOINS_AFTER)


PHONE = Detector(id="phone", version="1", family="personal_data", find=find_phones)
