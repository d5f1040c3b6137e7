"""Where a word ends: whether a hit stands on its own or is a piece of something longer."""

from governlayer_server.domain.scan.detector import linear

_PLACEHOLDER_BEFORE = linear(r"\[[A-Z_]{3,20}\]$")
_PLACEHOLDER_AFTER = linear(r"^\[[A-Z_]{3,20}\]")
_LOOK = 22


def joined(text: str, start: int, end: int, *, before: str = "", after: str = "") -> bool:
    """
    Tell whether ``text[start:end]`` continues a word, so that its shape is chance.

    A placeholder beside it counts as the word that it hides: otherwise redaction would lay bare new hits.

    Args:
        text: the text around the hit.
        start: first code point of the hit.
        end: code point after the hit.
        before: further characters that join on the left.
        after: further characters that join on the right.
    """
    left, right = text[max(0, start - 1) : start], text[end : end + 1]
    if left and (left.isalnum() or left in before):
        return True
    if right and (right.isalnum() or right in after):
        return True
    hidden_left = left == "]" and _PLACEHOLDER_BEFORE.search(text[max(0, start - _LOOK) : start])
    return bool(hidden_left or (right == "[" and _PLACEHOLDER_AFTER.search(text[end : end + _LOOK])))
