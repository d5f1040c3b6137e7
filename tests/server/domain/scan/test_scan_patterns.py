"""Every pattern that runs on customers' text is compiled by RE2, which cannot backtrack."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest
import re2
from governlayer_server.domain import scan as package
from governlayer_server.domain.scan.detector import linear
from governlayer_server.domain.scan.phrases import PHRASES

MODULES = [
    importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_no_module_uses_a_backtracking_engine(module: object) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))  # type: ignore[attr-defined]  # a module
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"re", "regex", "sre_compile", "fnmatch"}


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: phrase.rule)
def test_every_phrase_compiles_under_re2_and_matches_no_empty_text(phrase: package.phrase.Phrase) -> None:
    assert linear(phrase.pattern, ignore_case=True).search("") is None
    assert 1 <= phrase.weight <= 4


def test_rule_names_are_unique() -> None:
    assert len({phrase.rule for phrase in PHRASES}) == len(PHRASES)


@pytest.mark.parametrize("pattern", [r"(a+)\1", r"(?=a)b", r"(?<!a)b", "("])
def test_a_pattern_that_needs_backtracking_is_refused(pattern: str) -> None:
    with pytest.raises(re2.error):
        linear(pattern)


def test_offsets_count_code_points_beyond_the_basic_plane() -> None:
    hit = linear("b+").search("😀😀e\u0301bb")
    assert hit.span() == (4, 6)
