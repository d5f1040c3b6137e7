"""Views of a text: what they say, and that spans lead back to the code points they came from."""

import unicodedata

import pytest
from governlayer_server.domain.scan.normalize import view
from hypothesis import given
from hypothesis import strategies as st

pieces = st.sampled_from(
    ["a", "é", "e\u0301", "ﬁ", "😀", "\u200b", "Ａ", "\U000e0041", "한", "\u0301", "ё", "٣", " ", "½", "\ud800"]
)
texts = st.one_of(st.text(max_size=40), st.lists(pieces, max_size=40).map("".join))


@pytest.mark.parametrize(
    ("text", "plain", "folded"),
    [
        ("plain", "plain", "plain"),
        ("ﬁne ＡＢＣ", "fine ABC", "fine ABC"),
        ("cafe\u0301", "café", "cafe"),
        ("a\u200bb\ufeffc", "abc", "abc"),
        ("раураl", "раураl", "paypal"),
        ("x\U000e0041\U000e0042y", "xy", "x AB y"),
        ("½", "1⁄2", "1⁄2"),
        ("😀e\u0301😀", "😀é😀", "😀e😀"),
    ],
)
def test_what_the_views_say(text: str, plain: str, folded: str) -> None:
    assert view(text, "raw").text == text
    assert view(text, "plain").text == plain
    assert view(text, "folded").text == folded


def test_a_span_of_the_view_covers_what_it_came_from() -> None:
    text = "😀 x\u200bﬁe\u0301z\u200b."
    seen = view(text, "plain")
    start = seen.text.index("xfiéz")
    assert seen.text == "😀 xfiéz."
    assert seen.span(start, start + 5) == (2, 8)
    assert text[2:8] == "x\u200bﬁe\u0301z"


@given(texts, st.sampled_from(["plain", "folded"]), st.data())
def test_spans_are_ordered_and_inside_the_original(text: str, name: str, data: st.DataObject) -> None:
    seen = view(text, name)  # type: ignore[arg-type]  # Hypothesis loses the literal
    if not seen.text:
        return
    start = data.draw(st.integers(0, len(seen.text) - 1))
    end = data.draw(st.integers(start + 1, len(seen.text)))
    first, last = seen.span(start, end)
    assert 0 <= first < last <= len(text)
    whole = seen.span(0, len(seen.text))
    assert whole[0] <= first
    assert last <= whole[1]


@given(texts)
def test_a_span_of_untouched_characters_is_those_characters(text: str) -> None:
    seen = view(text, "plain")
    for index, char in enumerate(seen.text):
        if char in "a😀 ":
            start, end = seen.span(index, index + 1)
            assert char in unicodedata.normalize("NFKC", text[start:end])


@given(texts)
def test_a_view_of_any_text_can_be_encoded(text: str) -> None:
    view(text, "plain").text.encode()
    view(text, "folded").text.encode()


def test_a_long_run_of_marks_is_cut_not_sorted() -> None:
    text = "a" + "\u0301\u0323" * 20_000
    seen = view(text, "plain")
    assert seen.span(0, len(seen.text)) == (0, len(text))
