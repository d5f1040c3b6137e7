"""
What a new password must be: long, and none that attackers try first (NIST SP 800-63B-4 §3.1.1.2, ASVS 5.0 6.2).

Characters are Unicode code points of any script, exactly as received: nothing is trimmed, normalized or cut, and no
mixture of kinds of characters is asked for. No error repeats any part of the password.
"""

import re
from collections.abc import Callable, Sequence

from governlayer_server.domain.errors import Fault, InvalidRequest

MIN_CHARACTERS = 12
MAX_CHARACTERS = 128
_MIN_WORD = 4
# As long as an e-mail address or a name may be: whoever forgets to check that first, the work stays small.
_MAX_ABOUT = 254
_LEET = str.maketrans("01345789@$!|+", "oieastbgasilt")


def check_new_password(password: str, pointer: str, *, about: Sequence[str], guessable: Callable[[str], bool]) -> None:
    """
    Return if *password* may be a user's new password.

    Args:
        password: as it was received.
        pointer: where it stands in the request (RFC 6901), for the error.
        about: what is known of the user: the part of the e-mail address before the ``@``, the organization's name;
            of each, the first 254 characters count.
        guessable: ``ports.CommonPasswords.guessable``.

    Raises:
        InvalidRequest: it may not; ``faults`` has one entry at *pointer*.
    """
    if fault := password_fault(password, about=about, guessable=guessable):
        raise InvalidRequest(f"{pointer[1:]}: {fault}", [Fault(pointer, fault)])


def password_fault(password: str, *, about: Sequence[str], guessable: Callable[[str], bool]) -> str | None:
    """Return what is wrong with *password* as a user's new password, or None; arguments as above."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        return f"{MIN_CHARACTERS} to {MAX_CHARACTERS} characters"
    if any("\ud800" <= character <= "\udfff" for character in password):
        return "characters that UTF-8 can encode"
    if guessable(password):
        return "not a common password, nor a variation of one"
    rest = _without(password, about)
    if rest != password and guessable(rest):
        return "not built around the e-mail address or the organization's name"
    return None


def about_user(email: str, organization_name: str) -> tuple[str, ...]:
    """Return what is known of a user, for *about*: the address, its part before the ``@``, the organization's name."""
    return email, email.partition("@")[0], organization_name


def _without(password: str, about: Sequence[str]) -> str:
    """Return *password* without what is known of the user, in any case and with digits for letters."""
    words = {word for text in about for word in _words(text[:_MAX_ABOUT])}
    # One character for one, so that places in the folded text are places in the password.
    folded = "".join(character.lower() if len(character.lower()) == 1 else character for character in password)
    covered: set[int] = set()
    for text in (folded, folded.translate(_LEET)):
        for word in words:
            at = text.find(word)
            while at >= 0:
                covered.update(range(at, at + len(word)))
                at = text.find(word, at + len(word))
    return "".join(character for at, character in enumerate(password) if at not in covered)


def _words(text: str) -> set[str]:
    """Return the words of *text*, and all of it in one, that are long enough to mean somebody."""
    words = re.findall(r"[^\W_]+", text.lower())
    return {word for word in (*words, "".join(words), text.lower()) if len(word) >= _MIN_WORD}
