"""Common passwords: the listed ones and what people make of them, and never an exception."""

import pytest
from governlayer_server.adapters.crypto import common_passwords
from governlayer_server.adapters.crypto.common_passwords import ZxcvbnPasswords
from governlayer_server.domain.password import password_fault
from hypothesis import example, given
from hypothesis import strategies as st
from zxcvbn.frequency_lists import FREQUENCY_LISTS

COMMON = ZxcvbnPasswords()
LISTED = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= 12]


def test_every_listed_password_of_twelve_characters_or_more_is_refused_in_any_case() -> None:
    assert len(LISTED) > 200
    for word in LISTED:
        variations = [word, word.upper(), word.capitalize()]
        if word.isalnum():
            variations += [word[::-1], word * 2, word + "1", word + "!"]
        for variation in variations:
            assert COMMON.guessable(variation), variation


@pytest.mark.parametrize(
    "password",
    ["password1234", "Password1234", "PASSWORD1234", "Password123!", "P@ssw0rd2024!", "passwordpassword", "p4$5w0rdp4$5w0rd",
     "qwertyuiop12", "qwertyuiop[]", "1q2w3e4r5t6y", "zxcvbnm,./12", "aaaaaaaaaaaa", "a" * 128, "123456789012", "0" * 64,
     "abcdefghijkl", "abcabcabcabc", "letmeinletmein", "administrator1", "changeme12345", "Welcome@12345", "iloveyousomuch",
     "summer2024summer", "Winter2025!!", "Janesmith1985", "dragonmaster99", "01.01.1990 02", "пароль123456", "ПАРОЛЬ123456",
     "йцукенгшщзхъ", "абвгдеёжзийк", "パスワードパスワード12", "password1234" * 10, "xK9!" * 8, " " * 12, "\0" * 12, "\n" * 12],
)  # fmt: skip
def test_common_ones_and_trivial_variations_are_refused(password: str) -> None:
    assert COMMON.guessable(password)


@pytest.mark.parametrize(
    "password",
    ["correct horse battery staple", "maple-cloud-river", "x7$kQ9!mZp2w", "vfbkqpzrxtwm", "тридцать три коровы",
     "馬正しいバッテリー提灯記号", "😀🐎🔋🖇🎈🍕🚲🎻🌋🦀🍋🧲", "aaaaaaaaaaaaaaaaaaaa x7$kQ9!mZp2w", "x7$kQ9!mZp2w" * 2],
)  # fmt: skip
def test_others_are_not(password: str) -> None:
    assert not COMMON.guessable(password)


@example("00000\n")
@given(
    st.text(st.characters(exclude_categories=[]), max_size=140)
    | st.text("İıſ²³١٢0123456789-/. ab\0\n\r\ud800ẞ½Ⅷ", max_size=40)
)
def test_any_text_gets_an_answer(password: str) -> None:
    assert COMMON.guessable(password) in {True, False}


@pytest.mark.parametrize("text", ["({<[4@1!|8$5+7%0239" * 6 + "x", "1l7t|!i" * 18 + "x", "x7$kQ9!mZp2w" * 10 + "y"])
def test_of_hostile_text_only_short_plain_pieces_are_searched(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package alone takes more than a second for the first of these."""
    searched: list[str] = []

    def search(piece: str) -> dict[str, int]:
        searched.append(piece)
        return {"guesses": 1}

    monkeypatch.setattr(common_passwords, "zxcvbn", search)
    COMMON.guessable(text)
    assert 1 <= len(searched) <= 4
    assert all(len(piece) <= 32 and not set(piece) & set("@$!|+%([{<") for piece in searched)


def test_with_the_rule_for_new_passwords() -> None:
    about = ["ann.lindqvist", "GovernLayer"]
    for refused in ("password1234", "governlayer2026!", "G0vernLayer-1234", "ann.lindqvist1", "Lindqvist-1985"):
        assert password_fault(refused, about=about, guessable=COMMON.guessable)
    for admitted in ("correct horse battery staple", "governlayer maple cloud river", "тридцать три коровы"):
        assert password_fault(admitted, about=about, guessable=COMMON.guessable) is None
