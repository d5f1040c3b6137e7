"""Both sides take the same lines for records; `python -m tests.crosscheck.differential` compares many more."""

from collections import Counter
from types import ModuleType

import pytest
from governlayer_server.domain.ledger import canonical, growth, record

from tests.crosscheck.differential import Answer, compare, would_write
from tests.crosscheck.record_lines import KINDS

NEVER_A_RECORD = {"not UTF-8", "not an object"}


@pytest.fixture(scope="module")
def compared() -> list[Answer]:
    return [each for number in range(60) for each in compare(f"tests/{number}")]


def test_the_verifier_reads_what_the_server_would_write_and_nothing_else(compared: list[Answer]) -> None:
    assert [each for each in compared if not each.agreed] == []
    read = Counter(each.kind for each in compared if each.read)
    refused = Counter(each.kind for each in compared if not each.read)
    assert set(read) == set(KINDS) - NEVER_A_RECORD
    assert set(refused) == set(KINDS) - {"as written"}
    print(f"{len(compared)} lines, {read.total()} of them records")


@pytest.mark.parametrize(
    ("limit", "modules"),
    [
        ("MAX_BYTES", [canonical, growth]),
        ("MAX_DEPTH", [canonical]),
        ("MAX_INTEGER", [canonical]),
        ("MAX_COMMITMENTS", [record]),
        ("MAX_TYPE_LENGTH", [record]),
    ],
)
@pytest.mark.parametrize("off", [-1, 1])
def test_a_limit_that_is_off_by_one_is_noticed(
    compared: list[Answer], monkeypatch: pytest.MonkeyPatch, limit: str, modules: list[ModuleType], off: int
) -> None:
    for module in modules:
        monkeypatch.setattr(module, limit, getattr(module, limit) + off)
    assert any(would_write(each.line) != each.read for each in compared)
