"""Arguments: every string is read with its pointer, and redaction reaches each of them and nothing else."""

import copy

import pytest
from governlayer_server.domain.scan import ScanText, argument_texts, publishable, redact_arguments, scan
from hypothesis import given
from hypothesis import strategies as st

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([4111111111111111, 5105105105105100, -378282246310005]),
    st.text(max_size=8),
    st.sampled_from(["a@example.org", "see b@example.org."]),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.text(max_size=4), st.sampled_from(["c@example.org", "a/b", "~x"])), inner, max_size=3
        ),
    ),
    max_leaves=12,
)
documents = st.dictionaries(st.text(max_size=4), values, max_size=3)


def resolve(document: object, pointer: str) -> object:
    for token in pointer.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")  # noqa: PLW2901 - RFC 6901 §4 in its own words
        document = document[int(token)] if isinstance(document, list) else document[token]  # type: ignore[index]  # JSON
    return document


def test_values_and_names_are_read_with_pointers() -> None:
    texts = argument_texts({"to": ["x", {"a/b": "y"}], "n": 1, "~": None})
    assert [(t.text, t.pointer, t.in_name) for t in texts] == [
        ("to", "/to", True),
        ("x", "/to/0", False),
        ("a/b", "/to/1/a~1b", True),
        ("y", "/to/1/a~1b", False),
        ("n", "/n", True),
        ("~", "/~0", True),
    ]


def test_whole_numbers_of_twelve_digits_are_read_and_shorter_ones_are_not() -> None:
    numbers = [10**11, -(10**11), 10**11 - 1, 0, 4111111111111111, 4111111111111111.0, 1.5e11, 123456789012.5, 1e300]
    texts = argument_texts({"n": [*numbers, True, float("inf")]})
    assert [(t.text, t.pointer) for t in texts[1:]] == [
        ("100000000000", "/n/0"),
        ("-100000000000", "/n/1"),
        ("4111111111111111", "/n/4"),
        ("4111111111111111", "/n/5"),
        ("150000000000", "/n/6"),
    ]


@pytest.mark.parametrize("card", [4111111111111111, 378282246310005, -5555555555554444, 30569309025904, 4222222222222])
def test_a_card_given_as_a_number_is_found_and_replaced(card: int) -> None:
    arguments: dict[str, object] = {"card": card, "n": [card, 7, float(card)], "id": 1700000000000}
    findings = scan(argument_texts(arguments))
    assert [(f.type, f.pointer) for f in findings] == [("payment_card", p) for p in ("/card", "/n/0", "/n/2")]
    sign = "-" if card < 0 else ""
    hidden = f"{sign}[PAYMENT_CARD]"
    assert redact_arguments(arguments, findings) == {"card": hidden, "n": [hidden, 7, hidden], "id": 1700000000000}


def test_a_number_without_a_finding_stays_a_number() -> None:
    arguments: dict[str, object] = {"n": [4111111111111112, 10**15, 0.5, 4111111111111112.0], "to": "ann@example.org"}
    redacted = redact_arguments(arguments, scan(argument_texts(arguments)))
    assert redacted == {**arguments, "to": "[EMAIL]"}
    assert [type(item) for item in redacted["n"]] == [int, int, float, float]  # type: ignore[attr-defined]  # a list


@given(documents)
def test_each_pointer_leads_to_its_text(document: dict[str, object]) -> None:
    for text in argument_texts(document):
        assert text.pointer is not None
        value = resolve(document, text.pointer)
        assert text.in_name or value == text.text or str(value) == text.text


@given(documents)
def test_redaction_leaves_the_original_and_no_address_or_card(document: dict[str, object]) -> None:
    before = copy.deepcopy(document)
    findings = scan(argument_texts(document), ["email", "payment_card"])
    redacted = redact_arguments(document, findings)
    assert document == before
    assert scan(argument_texts(redacted), ["email", "payment_card"]) == ()
    if not findings:
        assert redacted == document


def test_values_names_and_lists_are_redacted_in_place() -> None:
    arguments = {"to": ["ann@example.org", "bob"], "ann@example.org": {"n": 1}, "bob@example.org": "ann@example.org"}
    redacted = redact_arguments(arguments, scan(argument_texts(arguments)))
    assert redacted == {"to": ["[EMAIL]", "bob"], "[EMAIL]": {"n": 1}, "[EMAIL] 2": "[EMAIL]"}


def test_a_finding_in_a_name_does_not_touch_the_value() -> None:
    arguments = {"ann@example.org": "a harmless sentence of some length"}
    redacted = redact_arguments(arguments, scan(argument_texts(arguments)))
    assert redacted == {"[EMAIL]": "a harmless sentence of some length"}


def test_published_pointers_spell_no_secret() -> None:
    arguments = {"ann@example.org": {"a/b": ["bob@example.org"]}}
    published = publishable(scan(argument_texts(arguments)))
    assert [f.pointer for f in published] == ["/[EMAIL]", "/[EMAIL]/a~1b/0"]
    assert publishable(scan([ScanText(text="ann@example.org", content_index=0)]))[0].pointer is None
