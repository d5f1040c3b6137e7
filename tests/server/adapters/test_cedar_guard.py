"""What must never reach the Cedar parser, which recurses until its process ends."""

import time

import pytest
from governlayer_server.adapters.cedar.engine import parse_policies
from governlayer_server.adapters.cedar.guard import MAX_NESTING, MAX_SET_BYTES, check_policy_text
from governlayer_server.domain.errors import PolicyError
from governlayer_server.policies import DEFAULT, SCHEMA
from hypothesis import given
from hypothesis import strategies as st

MANY = 100_000
NESTED = ["(", "[", "{", "!", "-", "! ", "-\n", "if ", "if\t", "(!", "!(", "if (", "[[", "(\n", "-!", "if!"]


def policy(condition: str, name: str = "a") -> str:
    return f'@id("{name}") permit (principal, action, resource) when {{ {condition} }};\n'


@pytest.mark.parametrize("piece", NESTED)
def test_deep_nesting_is_refused_before_the_parser_sees_it(piece: str) -> None:
    started = time.monotonic()
    count = MAX_SET_BYTES // len(piece) - 100
    for text in (piece * count, policy(piece * (count - 10) + "true"), piece * MANY):
        with pytest.raises(PolicyError):
            check_policy_text(text)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("piece", ["(", "[", "{", "!", "-", "if "])
def test_nesting_over_the_limit_is_refused_and_at_the_limit_admitted(piece: str) -> None:
    check_policy_text(piece * MAX_NESTING)
    with pytest.raises(PolicyError, match="nested deeper"):
        check_policy_text(piece * (MAX_NESTING + 1) + " ")


@pytest.mark.parametrize(
    "condition",
    [
        'context.action == "' + "(" * 1_000 + '"',
        'context.action == "' + "!" * 1_000 + '"',
        'context.action == "' + "if " * 1_000 + '"',
        'context.action == "\\"' + "(" * 1_000 + '"',
        'context.action == "//" || context.action == "(((((((((((((((((((((((((("',
        "true // " + "(" * 1_000 + "\n",
        'true // "' + "(" * 1_000 + '" (((\n',
    ],
)
def test_brackets_in_strings_and_comments_do_not_count(condition: str) -> None:
    assert parse_policies(policy(condition), SCHEMA).rules


@pytest.mark.parametrize(
    "before",
    [
        '"\\\\"',
        '"//"',
        '// "\n',
        '"\\\\\\""',
        "// \\\n",
        '"" ""',
        '"a\nb"',
        "/ /",
        "/ \n/",
        "'\"\"'",
        '// //"\n',
    ],
)
def test_no_trick_with_strings_and_comments_hides_brackets(before: str) -> None:
    with pytest.raises(PolicyError, match="nested deeper"):
        check_policy_text(before + "(" * (MAX_NESTING + 1))


def test_the_line_of_the_fault_is_named() -> None:
    with pytest.raises(PolicyError, match=r"^line 4: "):
        check_policy_text('// one\n"two\nthree"\n' + "(" * 30)


def test_the_length_is_bounded_in_bytes() -> None:
    check_policy_text("é" * (MAX_SET_BYTES // 2))
    with pytest.raises(PolicyError, match="bytes"):
        check_policy_text("é" * (MAX_SET_BYTES // 2) + "a")


def test_the_shipped_texts_pass() -> None:
    check_policy_text(DEFAULT)
    check_policy_text(SCHEMA)


@given(st.text(alphabet='()[]{}!-if "\\/\n;a', max_size=200))
def test_what_the_guard_lets_pass_the_parser_survives(text: str) -> None:
    try:
        check_policy_text(text)
    except PolicyError:
        return
    with pytest.raises(PolicyError):
        parse_policies_here(text)


def parse_policies_here(text: str) -> None:
    """Parse without the trial process, which would make this test slow; a crash would end the tests."""
    import cedarpy  # noqa: PLC0415  # this test alone bypasses the adapter

    result = cedarpy.validate_policies(text, SCHEMA)
    cedarpy_rules = cedarpy.policies_to_pst(text).static_policies if result.validation_passed else {}
    if not cedarpy_rules:
        raise PolicyError("nothing in it")


CHAINS = {
    "and": "&&".join(["context.approved"] * 11_000),
    "or": "||".join(["context.approved"] * 11_000),
    "plus": "1" + "+1" * 90_000 + " == 1",
    "minus": "1" + "-1" * 90_000 + " == 1",
    "times": "1" + "*1" * 90_000 + " == 1",
    "dots": "context" + ".a" * 90_000 + " == 1",
    "indices": "context" + '["a"]' * 35_000 + " == 1",
    "calls": "context.data_classes" + ".contains(1)" * 14_000,
    "is": "principal is " + "A::" * 60_000 + "B",
}


@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_too_long_for_the_parser_ends_another_process_and_not_this_one(chain: str) -> None:
    text = policy(CHAINS[chain])
    check_policy_text(text)
    with pytest.raises(PolicyError):
        parse_policies(text, SCHEMA)


@pytest.mark.parametrize("length", [90, 200, 1_000, 2_000, 3_000])
def test_no_length_of_a_chain_slips_between_the_limits(length: int) -> None:
    text = policy("&&".join(["context.approved"] * length))
    if length < 100:
        assert parse_policies(text, SCHEMA).rules
    else:
        with pytest.raises(PolicyError):
            parse_policies(text, SCHEMA)
