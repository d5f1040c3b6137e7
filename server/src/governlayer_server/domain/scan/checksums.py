"""Check digits: what tells a card, an account or a key from a number that only looks like one."""

import zlib

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

# Length of the whole number by country (ISO 13616 registry).
IBAN_LENGTHS = {
    country: int(length)
    for length, countries in (
        ("15", "NO"),
        ("16", "BE"),
        ("18", "DK FO FI GL NL SD FK"),
        ("19", "MK SI"),
        ("20", "AT BA EE KZ XK LT LU MN"),
        ("21", "HR LV LI CH"),
        ("22", "BH BG CR GE DE IE ME RS GB VA"),
        ("23", "GI IL IQ OM SO TL AE"),
        ("24", "AD CZ MD PK RO SA SK ES SE TN VG"),
        ("25", "LY PT ST"),
        ("26", "IS TR"),
        ("27", "BI DJ FR GR IT MC MR SM"),
        ("28", "AL AZ BY CY DO GT HN HU LB NI PL SV"),
        ("29", "BR EG PS QA UA"),
        ("30", "JO KW MU YE"),
        ("31", "MT SC"),
        ("32", "LC"),
        ("33", "RU"),
    )
    for country in countries.split()
}


def luhn(digits: str) -> bool:
    """Tell whether the last of the ASCII *digits* is the Luhn check digit of the others (ISO/IEC 7812-1)."""
    total = sum(_DOUBLED[int(digit)] if place % 2 else int(digit) for place, digit in enumerate(reversed(digits)))
    return total % 10 == 0


def iban(compact: str) -> bool:
    """Tell whether *compact* (capitals only) has its country's length and remainder 1 (ISO 13616)."""
    if len(compact) != IBAN_LENGTHS.get(compact[:2]):
        return False
    numeric = "".join(str(int(char, 36)) for char in compact[4:] + compact[:4])
    return int(numeric) % 97 == 1


def base62_crc32(text: str) -> str:
    """Return the CRC-32 of the ASCII *text* as six base62 digits, padded with ``0`` on the left (api §2)."""
    rest = zlib.crc32(text.encode("ascii"))
    digits = ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return digits
