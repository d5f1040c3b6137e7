"""
What a policy text must look like before the Cedar parser sees it.

The parser recurses without a guard: a few hundred nested brackets end the process, not the parse. So length and
nesting are bounded here, outside strings and comments, by a scan that keeps no stack.
"""

from governlayer_server.domain.errors import PolicyError

MAX_SET_BYTES = 200_000
MAX_NESTING = 20
_OPENING, _CLOSING = "([{", ")]}"
_PREFIX_OPERATORS = "!-"


def check_policy_text(text: str) -> None:
    """
    Return if *text* is safe to parse.

    Args:
        text: a policy set or schema in Cedar's syntax.

    Raises:
        PolicyError: it is longer than 200,000 bytes, or nested deeper than 20 levels. Nothing was parsed.
    """
    size = len(text.encode())
    if size > MAX_SET_BYTES:
        raise PolicyError(f"a policy set has at most {MAX_SET_BYTES} bytes, this one {size}")
    _check_nesting(_without_strings_and_comments(text))


def _check_nesting(code: str) -> None:
    depth = prefixes = conditions = line = 0
    word = ""
    for character in code:
        if character == "\n":
            line += 1
        if character.isalnum() or character == "_":
            word += character
            prefixes = 0
            continue
        conditions += word == "if"
        word = ""
        if character == ";":
            conditions = 0
        depth += (character in _OPENING) - (character in _CLOSING)
        if character in _PREFIX_OPERATORS:
            prefixes += 1
        elif not character.isspace():
            prefixes = 0
        if max(depth, prefixes, conditions) > MAX_NESTING:
            raise PolicyError(f"line {line + 1}: nested deeper than {MAX_NESTING} levels")


def _without_strings_and_comments(text: str) -> str:
    """Return *text* with string contents and comments left out; line ends stay."""
    kept: list[str] = []
    position, end = 0, len(text)
    while position < end:
        character = text[position]
        if character == '"':
            position = _end_of_string(text, position + 1, kept)
        elif text.startswith("//", position):
            newline = text.find("\n", position)
            position = end if newline < 0 else newline
        else:
            kept.append(character)
            position += 1
    return "".join(kept)


def _end_of_string(text: str, position: int, kept: list[str]) -> int:
    while position < len(text) and text[position] != '"':
        if text[position] == "\n":
            kept.append("\n")
        position += 2 if text[position] == "\\" else 1
    return position + 1
