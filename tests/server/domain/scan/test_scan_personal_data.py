"""E-mail addresses, telephone numbers, payment cards and IBANs: found as written, and nothing else."""

import pytest
from governlayer_server.domain.scan import ScanText, scan
from governlayer_server.domain.scan.checksums import IBAN_LENGTHS, iban, luhn
from hypothesis import given
from hypothesis import strategies as st

DIGITS = "0123456789"


def found(text: str, kind: str) -> list[str]:
    return [text[f.start : f.end] for f in scan([ScanText(text=text)]) if f.type == kind]


def with_check_digit(body: str) -> str:
    return next(body + digit for digit in DIGITS if luhn(body + digit))


def with_check_digits(country: str, bban: str) -> str:
    rest = int("".join(str(int(c, 36)) for c in bban + country + "00")) % 97
    return f"{country}{98 - rest:02d}{bban}"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("write to ann.lee+work@mail.example.org.", "ann.lee+work@mail.example.org"),
        ("<mailto:o'hara@example.co.uk>", "o'hara@example.co.uk"),
        ("😀😀 jürgen@müller.de!", "jürgen@müller.de"),
        ("full width ａｎｎ＠ｅｘａｍｐｌｅ．ｏｒｇ here", "ａｎｎ＠ｅｘａｍｐｌｅ．ｏｒｇ"),
        ("hidden an\u200bn@exam\u2060ple.org", "an\u200bn@exam\u2060ple.org"),
        ('{"to":"ann@example.org"}', "ann@example.org"),
        ("https://jane.doe@example.com", "jane.doe@example.com"),
        ("mailto://jane.doe@example.com?subject=x", "jane.doe@example.com"),
        ("see ftp://jane.doe@example.com/pub:x", "jane.doe@example.com"),
        ("[INFO]jane.doe@example.com[INFO]", "jane.doe@example.com"),
        ("[EMAIL]jane.doe@example.com", "jane.doe@example.com"),
        ("写信给:jane.doe@example.com。", "jane.doe@example.com"),
    ],
)
def test_an_email_address_is_found_as_written(text: str, address: str) -> None:
    assert found(text, "email") == [address]


@pytest.mark.parametrize(
    "text",
    [
        "git clone git@github.com:org/repo.git",
        "see logo@2x.png and icon@3x.svg",
        "npm install react@18.2.0",
        "the `@app.route` decorator and a @ b",
        "meet me @ noon",
        "postgres://user:secret@db.example.org/x",
        "redis://:secret@db.example.org/x",
        "user@localhost",
    ],
)
def test_what_only_has_an_at_sign_is_no_email_address(text: str) -> None:
    assert found(text, "email") == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Reach us under +44 20 7946 0958.", "+44 20 7946 0958"),
        ("+1 (202) 555-0143 is the line", "+1 (202) 555-0143"),
        ("😀e\u0301 tel. 030 23125 125", "030 23125 125"),
        ("call 0131 496 0811 today", "0131 496 0811"),
        ("the office: (202) 555-0143", "(202) 555-0143"),
        ("202-555-0143 x12", "202-555-0143 x12"),
        ("+44 20 7946 0958 4111 1111 1111 1111", "+44 20 7946 0958"),
        ("name,phone\nann,+34912345678,x", "+34912345678"),
    ],
)
def test_a_telephone_number_is_found(text: str, number: str) -> None:
    assert found(text, "phone") == [number]


@pytest.mark.parametrize(
    "text",
    [
        "order number 0131 496 0811",
        "the years 1971-1977 and 2001–2006",
        "released on 2024-01-15 10:22:33",
        "id 1234567890 and 0.1234567890",
        "version 10.20.30.40 build 1234567",
        "a total of 12,345,678 items",
        "550e8400-e29b-41d4-a716-446655440000",
        "https://example.org/item/2025550143",
        "x = 1000000 + 2000000",
    ],
)
def test_a_number_that_is_not_a_telephone_is_left_alone(text: str) -> None:
    assert found(text, "phone") == []


def test_a_flood_of_numbers_hides_none() -> None:
    text = "call 0131 496 0811, " * 3000
    assert len(found(text, "phone")) == 3000


@pytest.mark.parametrize(
    "card",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "5555-5555-5555-4444",
        "3782 822463 10005",
        "6011111111111117",
        "3056 930902 5904",
        "3530111333300000",
        "2223003122003222",
        "6759649826438453",
    ],
)
@pytest.mark.parametrize(
    "around",
    [
        "pay with {} now", "card:{}", "🂡{}🂡", '"{}"', "{} 123", "{} 12/27", "/{}/", "card_number={}", "card{}", "x{}y",
        "_{}_", "卡号{}。", "[CARD]{}", "{}[CARD]", "[INFO]{}[INFO]",
    ],
)  # fmt: skip
def test_a_payment_card_is_found(card: str, around: str) -> None:
    assert found(around.format(card), "payment_card") == [card]


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # wrong check digit
        "9111111111111111",  # no issuer
        "0000000000000000",
        "41111111111111111111111",  # too long
        "f3a4111111111111111",  # part of a longer code
        "4111111111111111b2",
        "1_4111111111111111",
        "1700000000000 1700000000001",  # times in ms
        "4111 11111111 11 11 and 4111-1111 1111-1111",
    ],
)
def test_other_long_numbers_are_no_payment_cards(text: str) -> None:
    assert [card for card in found(text, "payment_card") if card != "4111 11111111 11 11"] == []


@given(st.text(DIGITS, min_size=14, max_size=14), st.integers(0, 15), st.integers(1, 9))
def test_one_changed_digit_makes_a_card_number_wrong(body: str, place: int, change: int) -> None:
    card = with_check_digit("4" + body)
    other = str((int(card[place]) + change) % 10)
    assert luhn(card)
    assert not luhn(card[:place] + other + card[place + 1 :])
    if len(set(card)) > 1:
        assert found(f"card {card}.", "payment_card") == [card]


@pytest.mark.parametrize(
    "number",
    [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "GB82 WEST 1234 5698 7654 32",
        "gb82west12345698765432",
        "FR14 2004 1010 0505 0001 3M02 606",
        "NO93-8601-1117-947",
        "MT84MALT011000012345MTLCAST001S",
    ],
)
@pytest.mark.parametrize(
    "around", ["pay to {} please", "IBAN:{}.", "😀 {}\n", "[IBAN]{}[X]", "_{}_", "账号{}。", "x{}"]
)
def test_an_iban_is_found(number: str, around: str) -> None:
    assert found(around.format(number), "iban") == [number]


@pytest.mark.parametrize(
    "text",
    [
        "DE88370400440532013000",
        "DE8937040044053201300",
        "ZZ89370400440532013000",
        "DE89370400440532013000X1",
        "2aDE89370400440532013000",
        "DE89  3704 0044 0532 0130 00",
        "is 978-1-68757-527-2 and the order",
    ],
)
def test_what_fails_the_iban_rules_is_left_alone(text: str) -> None:
    assert found(text, "iban") == []


def test_a_card_beside_an_account_is_found_and_none_within_it() -> None:
    text = "DE89 3704 0044 0532 0130 00 4111 1111 1111 1111"
    assert found(text, "payment_card") == ["4111 1111 1111 1111"]
    assert found(text, "iban") == ["DE89 3704 0044 0532 0130 00"]
    within = with_check_digits("DE", "411111111111111145")
    assert found(" ".join(within[i : i + 4] for i in range(0, 22, 4)), "payment_card") == []


@given(
    st.sampled_from(sorted(IBAN_LENGTHS)),
    st.text(DIGITS, min_size=33, max_size=33),
    st.integers(4, 14),
    st.integers(1, 9),
)
def test_one_changed_digit_makes_an_iban_wrong(country: str, digits: str, place: int, change: int) -> None:
    bban = digits[: IBAN_LENGTHS[country] - 4]
    number = with_check_digits(country, bban)
    other = str((int(number[place]) + change) % 10)
    assert iban(number)
    assert not iban(number[:place] + other + number[place + 1 :])
    assert found(f"account {number}.", "iban") == [number]


@pytest.mark.parametrize(
    "text",
    [
        "Please summarise the quarterly report and send the draft to the team by Friday.",
        "The meeting is at 14:30 in room 204; bring 3 copies.",
        "Ignore the noise outside and forget about lunch until 1 pm.",
        "def total(rows: list[int]) -> int:\n    return sum(rows)  # 2024-01-01",
        "SELECT name, price FROM items WHERE price > 100 ORDER BY name LIMIT 50;",
        "Der Zug nach München fährt um 8 Uhr 15 von Gleis 7 ab.",
        "会议将于下午三点开始，请准时参加。",
        "The system prompt us to think about tokens, keys and passwords in general.",
        "family 👨‍👩‍👧‍👦, flag 🏴󠁧󠁢󠁷󠁬󠁳󠁿, heart ❤️",
        "می‌خواهم",
        "",
    ],
)
def test_everyday_text_has_no_findings(text: str) -> None:
    assert scan([ScanText(text=text)]) == ()
