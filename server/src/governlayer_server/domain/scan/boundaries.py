"""Where a word ends: whether a hit stands on its own or is a piece of something longer."""


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
