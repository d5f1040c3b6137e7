"""Hypothesis strategies for the narrow JSON of ledger-v1 §2.1."""

from typing import Any

from hypothesis import strategies as st

MAX_INTEGER = 2**53 - 1
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
names = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=12)
integers = st.integers(-MAX_INTEGER, MAX_INTEGER)
leaves = st.none() | st.booleans() | integers | texts


def values(depth: int) -> st.SearchStrategy[Any]:
    """JSON values of at most *depth* levels."""
    if depth == 0:
        return leaves
    below = values(depth - 1)
    return leaves | st.lists(below, max_size=3) | st.dictionaries(names, below, max_size=3)


def objects(depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects of at most *depth* levels, themselves the first."""
    return st.dictionaries(names, values(depth - 1), max_size=5)
