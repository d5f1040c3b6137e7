"""New passwords: long, of any script, and none that is made of what is known of the user."""

import pytest
from governlayer_server.adapters.crypto.common_passwords import ZxcvbnPasswords
from governlayer_server.domain.errors import InvalidRequest
from governlayer_server.domain.password import about_user, check_new_password, password_fault
from hypothesis import given
from hypothesis import strategies as st

ABOUT = ("ann.lindqvist", "Acme Health Ltd.")


def short(password: str) -> bool:
    """Stands in for the list of common passwords: all that is short or well known."""
    return len(password) < 10 or password == "password1234"


def fault_of(password: str, *about: str) -> str | None:
    return password_fault(password, about=about, guessable=short)


@pytest.mark.parametrize(
    "password",
    ["correct horse", "x" * 12, "x" * 128, " " * 12, "\0" * 12, "😀" * 12, "😀" * 128, "пароль для входа",
     "パスワードパスワードパス", "e\u0301" * 6, "a b\tc\nd e f g", "\u202eright to left", "\U0010ffff" * 12],
)  # fmt: skip
def test_any_script_and_any_mixture_is_admitted(password: str) -> None:
    assert fault_of(password, *ABOUT) is None


@pytest.mark.parametrize(
    "password", ["", "x", "x" * 11, "x" * 129, "😀" * 11, "😀" * 129, " " * 11, "e\u0301" * 5, "x" * 10**6]
)
def test_the_length_counts_code_points_as_received(password: str) -> None:
    assert fault_of(password) == "12 to 128 characters"


@pytest.mark.parametrize("code", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_a_lone_surrogate_is_refused(code: int) -> None:
    assert fault_of("correct horse" + chr(code)) == "characters that UTF-8 can encode"


def test_a_common_password_is_refused() -> None:
    assert fault_of("password1234") == "not a common password, nor a variation of one"


@pytest.mark.parametrize(
    "password",
    ["ann.lindqvist", "Ann.Lindqvist2026!", "lindqvist-2026", "LINDQVIST1985", "l1ndqv1st!!!!", "lindqvistlindqvist",
     "2026lindqvist", "AcmeHealthLtd1", "acme-health-2026", "@cm3h34lth2026", "Acme Health Ltd.", "acmeacmeacmeacme",
     "acmepassword1234", "passacmeword1234", "annlindqvist01"],
)  # fmt: skip
def test_a_password_built_around_the_user_is_refused(password: str) -> None:
    assert fault_of(password, *ABOUT) == "not built around the e-mail address or the organization's name"
    assert fault_of(password) is None


@pytest.mark.parametrize(
    "password", ["acme gX9k trout 77", "lindqvist and a long rest", "an acm of heal 26", "correct horse"]
)
def test_a_name_in_a_password_that_does_without_it_is_admitted(password: str) -> None:
    assert fault_of(password, *ABOUT) is None


@pytest.mark.parametrize("about", ["", "a", "ann", "...", "\0", "(", "[a-z]+", "(a+)+$", "İİİİ", "ß" * 5, "\ud800" * 5])
def test_short_and_odd_names_do_no_harm(about: str) -> None:
    assert fault_of("correct horse", about, about) is None


@given(st.text(max_size=140), st.lists(st.text(max_size=40), max_size=3))
def test_any_text_gets_one_of_the_answers_which_do_not_repeat_it(password: str, about: list[str]) -> None:
    fault = fault_of(password, *about)
    assert fault in {
        None,
        "12 to 128 characters",
        "characters that UTF-8 can encode",
        "not a common password, nor a variation of one",
        "not built around the e-mail address or the organization's name",
    }


@given(st.text(st.characters(categories=["Ll"]), min_size=4, max_size=30))
def test_the_name_alone_is_never_a_password(name: str) -> None:
    assert fault_of((name * 12)[: len(name) * (12 // len(name) + 1)], name) is not None


def test_the_error_names_the_place_and_the_limit_and_not_the_password() -> None:
    for password in ("CANARY", "password1234", "CANARY" * 3):
        with pytest.raises(InvalidRequest) as refused:
            check_new_password(password, "/owner/password", about=["canary"], guessable=short)
        (fault,) = refused.value.faults
        assert fault.pointer == "/owner/password"
        assert str(refused.value) == f"owner/password: {fault.detail}"
        assert "CANARY" not in str(refused.value)
        assert "1234" not in str(refused.value)
    check_new_password("correct horse", "/password", about=["canary"], guessable=short)


def test_no_more_is_read_of_what_is_known_than_an_address_may_hold() -> None:
    words = " ".join(f"word{number}" for number in range(100_000))
    assert fault_of("lindqvist-2026", words[: 254 - len(" lindqvist")] + " lindqvist") is not None
    assert fault_of("lindqvist-2026", words[:254] + " lindqvist " + words) is None


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("w3@widgetry.example", "w3@widgetry.example"),
        ("al@example.org", "al@example.org"),
        ("you@example.com", "you@example.com1"),
        ("amy.smith@corp.example", "Amy.Smith@Corp.Example"),
    ],
)
def test_ones_own_address_is_no_password(email: str, password: str) -> None:
    guessable = ZxcvbnPasswords().guessable
    assert password_fault(password, about=about_user(email, "Acme"), guessable=guessable) is not None
