"""The table of the chart's values, made from the comments in its values.yaml, for its README (`./run docs`)."""

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "governlayer"
BEGIN, END = "<!-- values: made by `./run docs` -->\n", "<!-- /values -->\n"
_HEAD = "| value | what | default |\n|---|---|---|\n"
_LINE = re.compile(r"(?P<indent> *)(?:#(?P<comment>.*)|(?P<key>[A-Za-z0-9]+):(?P<rest>.*))")


class Value(Struct, frozen=True, kw_only=True):
    """One key of values.yaml: its path, the comment above it, its default; a key with keys below it has none."""

    path: str
    what: str
    default: str


def chart_readme() -> str:
    """Return the chart's README with the table as values.yaml has it now."""
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    rows = "".join(map(_row, values((CHART / "values.yaml").read_text(encoding="utf-8"))))
    return before + BEGIN + _HEAD + rows + END + after


def values(text: str) -> Iterator[Value]:
    """
    Yield the keys in order, those with keys below them only if they have a comment.

    Args:
        text: values.yaml, in which each default stands in one line behind its key.

    Raises:
        ValueError: a line is neither comment nor key, or a default has no comment.
    """
    path: list[str] = []
    comments: list[str] = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None and line:
            raise ValueError(f"a default stands in one line behind its key: {line!r}")
        if match is None or match["comment"] is not None:
            comments = [*comments, match["comment"].strip()] if match else []
            continue
        path = [*path[: len(match["indent"]) // 2], match["key"]]
        found = Value(path=".".join(path), what=" ".join(comments), default=match["rest"].strip())
        if found.default and not found.what:
            raise ValueError(f"{found.path} has no comment")
        if found.what:
            yield found
        comments = []


def _row(value: Value) -> str:
    default = f"`{value.default}`" if value.default else ""
    return f"| `{value.path}` | {value.what} | {default} |\n".replace("<", "&lt;")
