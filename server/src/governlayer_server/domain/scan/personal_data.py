"""Personal data with a structure: e-mail addresses, payment cards, IBANs; ``phone`` has telephone numbers."""

from bisect import bisect_right
from collections.abc import Iterator

from governlayer_server.domain.scan import checksums
from governlayer_server.domain.scan.boundaries import in_code
from governlayer_server.domain.scan.detector import Detector, Match, linear
from governlayer_server.domain.scan.finding import Severity
from governlayer_server.domain.scan.phone import PHONE

_EMAIL = linear(r"[\p{L}\p{N}%+_][\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]*@[\p{L}\p{N}][\p{L}\p{N}.-]*\.\p{L}[\p{L}\p{N}-]+")
# A password in a URL, which the secret detectors report with its user name; an address without one is an address.
_USERINFO = linear(r"://[^\s/@:]*:[^\s/@]*$")
# Last labels that are file names (logo@2x.png), never top-level domains.
_FILE_ENDINGS = frozenset(
    ("png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "json", "html", "xml", "txt", "tgz", "yaml")
)

_DIGIT_RUN = linear(r"[0-9](?:[ .-]?[0-9]){12,}")
_DIGIT_GROUP = linear(r"[0-9]+")
_CARD_LENGTHS = range(13, 20)
_CARD_SHAPES = ((4, 4, 4, 4, 3), (4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 1))
_MOST_GROUPS = 19
# First six digits from, to, and the lengths in use, by issuer (ISO/IEC 7812 assignments).
_ISSUERS = (
    (400000, 499999, (13, 16, 19)),  # Visa
    (510000, 559999, (16,)),  # Mastercard
    (222100, 272099, (16,)),
    (340000, 349999, (15,)),  # American Express
    (370000, 379999, (15,)),
    (601100, 601199, (16, 19)),  # Discover
    (644000, 659999, (16, 19)),
    (300000, 305999, (14, 16, 19)),  # Diners Club
    (309500, 309599, (14, 16, 19)),
    (360000, 369999, (14, 16, 19)),
    (380000, 399999, (14, 16, 19)),
    (352800, 358999, (16, 17, 18, 19)),  # JCB
    (180000, 180099, (15,)),
    (213100, 213199, (15,)),
    (620000, 629999, (16, 17, 18, 19)),  # UnionPay
    (220000, 220499, (16, 17, 18, 19)),  # Mir
    (501800, 501899, tuple(_CARD_LENGTHS)),  # Maestro
    (502000, 502099, tuple(_CARD_LENGTHS)),
    (503800, 503899, tuple(_CARD_LENGTHS)),
    (589300, 589399, tuple(_CARD_LENGTHS)),
    (630400, 630499, tuple(_CARD_LENGTHS)),
    (675900, 676399, tuple(_CARD_LENGTHS)),
)

_IBAN_HEAD = linear(r"[A-Za-z]{2}[0-9]{2}[ -]?[A-Za-z0-9]")
_IBAN_LONGEST = 34


def find_emails(text: str) -> Iterator[Match]:
    """Yield addresses in the shape of RFC 5321, Unicode too; not file names, not a password in a URL."""
    for hit in _EMAIL.finditer(text):
        start, end = hit.span()
        local, _, domain = hit.group().rpartition("@")
        last_label = domain.rpartition(".")[2].lower()
        git_remote = local == "git" and text[end : end + 1] in {":", "/"}
        if last_label in _FILE_ENDINGS or ".." in domain or git_remote or _in_userinfo(text, start):
            continue
        yield Match(
            type="email",
            severity=Severity.MEDIUM,
            confidence=95,
            start=start,
            end=end,
            rule_id="email.address",
        )


def _in_userinfo(text: str, start: int) -> bool:
    return _USERINFO.search(text[max(0, start - 80) : start]) is not None


def find_cards(text: str) -> Iterator[Match]:
    """Yield card numbers: 13 to 19 digits, an issuer's prefix and a right check digit (ISO/IEC 7812-1)."""
    accounts = [(match.start, match.end) for match in find_ibans(text)]
    for run in _DIGIT_RUN.finditer(text):
        groups = [hit.span() for hit in _DIGIT_GROUP.finditer(run.group())]
        place = 0
        while place < len(groups):
            count = _card_groups(run.group(), groups, place)
            start, end = run.start() + groups[place][0], run.start() + groups[place + max(count, 1) - 1][1]
            place += count or 1
            if count and not in_code(text, start, end) and not _within(accounts, start):
                yield Match(
                    type="payment_card",
                    severity=Severity.HIGH,
                    confidence=95,
                    start=start,
                    end=end,
                    rule_id="payment_card.luhn",
                )


def _within(spans: list[tuple[int, int]], place: int) -> bool:
    """Tell whether *place* lies in one of the *spans*, which are in order and apart from each other."""
    index = bisect_right(spans, (place, place)) - 1
    return any(start <= place < end for start, end in spans[max(0, index) : index + 2])


def _card_groups(run: str, groups: list[tuple[int, int]], place: int) -> int:
    """Return how many groups from *place* on make up a card, 0 for none: a usual shape, or the whole run."""
    rest = groups[place : place + _MOST_GROUPS]
    sizes = tuple(end - start for start, end in rest)
    counts = [len(shape) for shape in _CARD_SHAPES if sizes[: len(shape)] == shape]
    if len(rest) == len(groups):
        counts.append(len(rest))
    for count in (*counts, 1):
        digits = "".join(run[start:end] for start, end in rest[:count])
        separators = {run[end] for _, end in rest[: count - 1]}
        if len(separators) <= 1 and _issued(digits) and checksums.luhn(digits):
            return count
    return 0


def _issued(digits: str) -> bool:
    if len(digits) not in _CARD_LENGTHS:
        return False
    head = int(digits[:6])
    known = any(first <= head <= last and len(digits) in lengths for first, last, lengths in _ISSUERS)
    return known and len(set(digits)) > 1


def find_ibans(text: str) -> Iterator[Match]:
    """Yield IBANs, grouped or not, with their country's length and right check digits (ISO 13616)."""
    done = 0
    for head in _IBAN_HEAD.finditer(text):
        start = head.start()
        end = _iban_end(text, start) if start >= done else None
        if end is not None:
            done = end
            yield Match(type="iban", severity=Severity.HIGH, confidence=99, start=start, end=end, rule_id="iban.mod97")


def _iban_end(text: str, start: int) -> int | None:
    """Return the code point after the IBAN that begins at *start*, None if there is none."""
    length = checksums.IBAN_LENGTHS.get(text[start : start + 2].upper())
    if length is None:
        return None
    compact = ""
    for index in range(start, min(len(text), start + 2 * _IBAN_LONGEST)):
        char = text[index]
        if char.isascii() and char.isalnum():
            compact += char.upper()
        elif char not in " -" or text[index - 1] in " -":
            return None
        if len(compact) == length:
            whole = checksums.iban(compact) and not in_code(text, start, index + 1)
            return index + 1 if whole else None
    return None


EMAIL = Detector(id="email", version="1", family="personal_data", find=find_emails)
PAYMENT_CARD = Detector(id="payment_card", version="1", family="personal_data", find=find_cards)
IBAN = Detector(id="iban", version="1", family="personal_data", find=find_ibans)
DETECTORS = (EMAIL, PHONE, PAYMENT_CARD, IBAN)
