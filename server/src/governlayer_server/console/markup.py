"""HTML that is escaped by itself: text becomes text, and only elements become elements."""

from html import escape

_EMPTY = frozenset({"link", "meta"})
_DOCTYPE = "<!DOCTYPE html>\n"


class Markup(str):
    """HTML; everything else is text."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str) -> Markup:
    """
    Return an element.

    Args:
        name: of the element.
        children: Markup as it is, any other text escaped.
        attributes: their values are escaped; ``_`` in a name stands for ``-``, and one at its end is dropped.

    >>> element("a", "1 < 2", element("b", "x"), href='"', class_="y")
    '<a href="&quot;" class="y">1 &lt; 2<b>x</b></a>'
    """
    shown = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    opening = f"<{name}{shown}>"
    return Markup(opening if name in _EMPTY else f"{opening}{join(*children)}</{name}>")


def join(*parts: str) -> Markup:
    """Return *parts* one after the other; those that are not Markup are escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def document(root: Markup) -> bytes:
    """Return the whole page, UTF-8."""
    return (_DOCTYPE + root + "\n").encode()
