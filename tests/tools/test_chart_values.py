"""The chart's values: every key is in the table, with what it is; every setting of the server can be given by them."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tools.chart_values import CHART, Value, values

ROOT = Path(__file__).parents[2]
SETTING = re.compile(r"GOVERNLAYER_([A-Z0-9_]*[A-Z0-9])(?![A-Z0-9_])")
# Of `up`, of the SDK, of the CronJob's schedule; and what would be plain text.
NOT_OF_A_POD = {"DATA", "CA_BUNDLE", "BACKUP_HOURS", "BEHIND_TLS_PROXY", "REDIS_SOCKET", "REDIS_TLS"}
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


def test_every_setting_that_is_documented_can_be_given_and_no_other_is() -> None:
    documented = settings_in([*(ROOT / "docs" / "reference").iterdir(), *(ROOT / "docs" / "how-to").iterdir()])
    given = settings_in([*(CHART / "templates").rglob("*"), CHART / "values.schema.json"])
    secrets = {
        key.upper().replace("-", "_") for key in re.findall(r"key: ([a-z0-9-]+)}", text_of([CHART / "values.yaml"]))
    }
    assert documented - given - secrets - NOT_OF_A_POD == set()
    read = text_of((ROOT / "server" / "src").rglob("*.py"))
    assert {name for name in given if name.removeprefix("TRANSIT_") not in read} == set()


def settings_in(files: Iterable[Path]) -> set[str]:
    return {name.removesuffix("_FILE") for name in SETTING.findall(text_of(files))}


def text_of(files: Iterable[Path]) -> str:
    return "\n".join(file.read_text("utf-8") for file in files if file.is_file())
