"""The table of the chart's values: every key is in it, and a key without a comment is refused."""

import pytest

from tools.chart_values import CHART, Value, values

SAMPLE = """# About the whole file.

# Groups are listed with their comment.
group:
  # Two lines
  # of words.
  leaf: {a: 1}

other:
  # A leaf.
  leaf: ""
"""


def test_a_key_is_listed_with_its_path_its_comment_and_its_default() -> None:
    assert list(values(SAMPLE)) == [
        Value(path="group", what="Groups are listed with their comment.", default=""),
        Value(path="group.leaf", what="Two lines of words.", default="{a: 1}"),
        Value(path="other.leaf", what="A leaf.", default='""'),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("group:\n  leaf: 1\n", "group.leaf has no comment"),
        ("# Comment.\n\nleaf: 1\n", "leaf has no comment"),
        ("# Comment.\nlist:\n  - 1\n", "in one line"),
    ],
)
def test_what_the_table_would_not_show_is_refused(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        list(values(text))


def test_the_charts_readme_names_each_preset() -> None:
    readme = (CHART / "README.md").read_text("utf-8")
    assert {preset.name for preset in (CHART / "presets").iterdir() if f"`{preset.name}`" not in readme} == set()
