"""What a detector is: an id, a version, and a pure function from a text to matches."""

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec
import re2

from governlayer_server.domain.scan.finding import Severity

Family = Literal["personal_data", "secret", "injection"]
ViewName = Literal["raw", "plain", "folded"]


class UnknownDetectorError(ValueError):
    """A scan asked for a detector that does not exist. Nothing was scanned."""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A finding before it is placed: *start* and *end* count code points of the text given to ``find``."""

    type: str
    severity: Severity
    confidence: int
    start: int
    end: int
    rule_id: str
    refs: tuple[str, ...] = ()


class Detector(msgspec.Struct, frozen=True, kw_only=True):
    """
    One detector.

    Args:
        id: its public name.
        version: raised whenever it may answer differently for some text.
        family: what it protects; policies redact by family.
        find: matches in one text; pure, in time linear in the length of the text.
        views: which forms of the text it reads (``normalize.view``). Plain joins what invisible characters part,
            raw keeps it apart; both readings count, because either may be the one that is acted on.
    """

    id: str
    version: str
    family: Family
    find: Callable[[str], Iterable[Match]]
    views: tuple[ViewName, ...] = ("plain", "raw")


def linear(pattern: str, *, ignore_case: bool = False) -> "re2._Regexp":
    """
    Return *pattern* compiled by RE2, which matches in linear time whatever the text.

    Raises:
        re2.error: the pattern needs backtracking (look-around, back references) or is malformed.
    """
    options = re2.Options()
    options.log_errors = False
    options.never_capture = False
    options.case_sensitive = not ignore_case
    return re2.compile(pattern, options)
