"""
Views of a text for the detectors, each with a map back to the code points of the original.

``plain`` is Unicode NFKC with invisible characters taken out; ``folded`` also drops accents, turns look-alike
letters of other scripts into Latin ones and shows what Unicode tag characters spell. Only the places that
change are stored, so a view of an ordinary text is the text itself.

NFKC is applied to each character with the combining marks behind it, at most 30 of them (the Stream-Safe
limit of UAX #15 §13): longer runs are cut, because sorting a long run costs quadratic time. Conjoining Hangul
jamo therefore stay apart, which no detector minds.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator

import msgspec

from governlayer_server.domain.scan.detector import ViewName

_MARKS_AT_MOST = 30
_TAG_FIRST, _TAG_LAST = 0xE0020, 0xE007E
_INVISIBLE_RANGES = (
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x061C, 0x061C),  # Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),  # Mongolian selectors
    (0x200B, 0x200F),  # zero width, directional marks
    (0x202A, 0x202E),  # bidirectional embeddings and overrides
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xE0000, 0xE0FFF),  # tags, variation selectors supplement
)
_INVISIBLE = frozenset(chr(point) for first, last in _INVISIBLE_RANGES for point in range(first, last + 1))
# Cyrillic, Greek and phonetic letters that look Latin, each before the letter it passes for.
_LOOK_ALIKE_PAIRS = (
    "аaеeоoрpсcуyхxѕsіiјjһhԁdԛqԝwАAВBСCЕEНHІIЈJКKМMОOРPЅSТTХXУYαaεeιiκkνvοoρpτtυuχxωwΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧXıiɡgɑa"
)
_LOOK_ALIKES = str.maketrans(_LOOK_ALIKE_PAIRS[::2], _LOOK_ALIKE_PAIRS[1::2])


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A rewritten text and its edits: where each begins and ends in it, and where in the original."""

    text: str
    edits: tuple[tuple[int, int, int, int], ...] = ()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where ``text[start:end]`` (not empty) comes from, in code points of the original text."""
        return self._origin(start, last=False), self._origin(end - 1, last=True)

    def _origin(self, index: int, *, last: bool) -> int:
        position = bisect_right(self.edits, index, key=lambda edit: edit[0]) - 1
        if position < 0:
            return index + last
        _, new_end, old_start, old_end = self.edits[position]
        if index < new_end:
            return old_end if last else old_start
        return old_end + index - new_end + last


def view(text: str, name: ViewName) -> View:
    """Return the view *name* of *text*: ``raw`` (itself), ``plain`` or ``folded``; any text has all three."""
    if text.isascii():
        return View(text=text)
    if name == "raw":
        return View(text="".join(map(_encodable, text)) if any(map(_is_surrogate, text)) else text)
    return _rewrite(text, _plain if name == "plain" else _folded)


def _rewrite(text: str, change: Callable[[str], str]) -> View:
    """Return *text* with *change* applied to every cluster of a character and its marks that it alters."""
    pieces: list[str] = []
    known: dict[str, str] = {}  # clusters repeat: each is rewritten once
    edits: list[tuple[int, int, int, int]] = []
    done = length = 0
    for start, end in _clusters(text, change):
        old = text[start:end]
        new = known[old] if old in known else known.setdefault(old, change(old))
        if new == old:
            continue
        pieces += (text[done:start], new)
        length += start - done + len(new)
        edits.append((length - len(new), length, start, end))
        done = end
    pieces.append(text[done:])
    return View(text="".join(pieces), edits=tuple(edits))


def _clusters(text: str, change: Callable[[str], str]) -> Iterator[tuple[int, int]]:
    """Yield the spans that *change* may alter: a character with its combining marks, or a run of tags."""
    used = set(text)
    marks = {char for char in used if unicodedata.combining(char)}
    special = marks | {char for char in used if not char.isascii() and change(char) != char}
    places = [index for index, char in enumerate(text) if char in special]
    done = 0
    for index in places:
        if index < done:
            continue
        start = index - 1 if text[index] in marks and index > done else index
        end = index + 1
        run = _is_tag if _is_tag(text[index]) else marks.__contains__
        at_most = len(text) if run is _is_tag else min(len(text), start + 1 + _MARKS_AT_MOST)
        while end < at_most and run(text[end]):
            end += 1
        yield start, end
        done = end


def _plain(cluster: str) -> str:
    kept = "".join(char for char in cluster if char not in _INVISIBLE and not _is_surrogate(char))
    return unicodedata.normalize("NFKC", kept)


def _folded(cluster: str) -> str:
    shown = f" {_spelled(cluster)} " if _is_tag(cluster[0]) else cluster
    apart = unicodedata.normalize("NFKD", _plain(shown))
    return "".join(char for char in apart if not unicodedata.combining(char)).translate(_LOOK_ALIKES)


def _spelled(tags: str) -> str:
    return "".join(chr(ord(char) - 0xE0000) for char in tags)


def _encodable(char: str) -> str:
    return "\ufffd" if _is_surrogate(char) else char


def _is_tag(char: str) -> bool:
    return _TAG_FIRST <= ord(char) <= _TAG_LAST


def _is_surrogate(char: str) -> bool:
    """Tell whether *char* is half a pair: no such text passes the edge, but a scan must not fail on it."""
    return 0xD800 <= ord(char) <= 0xDFFF
