"""HTML in which text can only be text: whatever is no ``Html`` is escaped, whoever wrote it."""

from html import escape

from governlayer_verifier.findings import shown

_MAX_TEXT = 4000


class Html(str):
    """A piece of HTML that is safe as it stands."""

    __slots__ = ()


def tag(name: str, /, *children: str | None, **attributes: str | int | float | None) -> Html:
    """
    Return an element.

    Args:
        name: of the element.
        children: ``Html`` stays, text is escaped, None is left out.
        attributes: escaped; None is left out. ``_`` stands for ``-``, and is dropped at the end of a name.

    >>> tag("td", "a < b", class_="left")
    '<td class="left">a &lt; b</td>'
    """
    named = [(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None]
    opened = "".join(f' {key}="{_text(value)}"' for key, value in named)
    return Html(f"<{name}{opened}>{joined(*children)}</{name}>")


def void(name: str, /, **attributes: str) -> Html:
    """Return an element that has no content and no end, such as ``meta``."""
    return Html(str(tag(name, **attributes)).removesuffix(f"</{name}>"))


def joined(*children: str | None) -> Html:
    """Return *children* one after the other, as in ``tag``."""
    return Html("".join(each if isinstance(each, Html) else _text(each) for each in children if each is not None))


def _text(value: object) -> str:
    # Control characters, and those that turn the direction of writing, are spelled out.
    return escape(shown(value, _MAX_TEXT))
