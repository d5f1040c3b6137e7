"""Where a word ends: whether a hit stands on its own or is a piece of something longer."""

from governlayer_server.domain.scan.detector import linear

_WORD_BEFORE = linear(r"[\p{L}\p{N}_]*$")
_WORD_AFTER = linear(r"^[\p{L}\p{N}_]*")
_DIGIT = linear(r"\p{N}")
_LOOK = 32


def joined(text: str, start: int, end: int, *, before: str = "", after: str = "") -> bool:
    """
    Tell whether ``text[start:end]`` continues a word, so that its shape is chance.

    Args:
        text: the text around the hit.
        start: first code point of the hit.
        end: code point after the hit.
        before: further characters that join on the left.
        after: further characters that join on the right.
    """
    left, right = text[max(0, start - 1) : start], text[end : end + 1]
    return bool((left and (left.isalnum() or left in before)) or (right and (right.isalnum() or right in after)))


def in_code(text: str, start: int, end: int) -> bool:
    """
    Tell whether the word that ``text[start:end]`` continues has digits of its own, as digests and serial numbers have.

    Letters alone do not make a number another one: ``card4111111111111111`` is a card, and writing a word against it
    must not hide it. 32 code points are read on each side.
    """
    if not joined(text, start, end, before="_", after="_"):
        return False
    before = _WORD_BEFORE.search(text[max(0, start - _LOOK) : start]).group()
    after = _WORD_AFTER.search(text[end : end + _LOOK]).group()
    return _DIGIT.search(before + after) is not None
