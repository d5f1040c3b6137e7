"""
What attackers try first: zxcvbn's lists of leaked passwords, names, words and keyboard walks, and its count of guesses.

zxcvbn enumerates every reading of characters that stand for letters, which takes a second for 72 hostile characters.
Here they are read in one way before, and no more than 32 characters are looked at at a time: some ten milliseconds
at most.
"""

from zxcvbn import zxcvbn
from zxcvbn.matching import RANKED_DICTIONARIES

PIECE_CHARACTERS = 32
MIN_GUESSES = 10**10  # the estimator's own line for what withstands guessing against slow hashes (score 4 of 4)
# Symbols that stand for letters; a line end, on which the package stumbles.
_SYMBOLS = str.maketrans("@$!|+%([{<\n", "asiltxcccc ")
# The keys of the Russian layout as those of the English one: lists of leaks hold Russian words typed so.
_RUSSIAN = str.maketrans("йцукенгшщзхъфывапролджэячсмитьбю", "qwertyuiop[]asdfghjkl;'zxcvbnm,.")


class ZxcvbnPasswords:
    """``ports.CommonPasswords`` over the lists that the package ``zxcvbn`` carries."""

    def guessable(self, password: str) -> bool:
        """
        Return whether fewer than 10^10 guesses find *password*: a listed one, or a trivial variation of it.

        Of one that repeats itself, one turn is judged; of a long one the first and the last 32 characters, and it is
        guessable if both are.
        """
        if password.lower() in RANKED_DICTIONARIES["passwords"]:
            return True
        plain = _turn(password.translate(_SYMBOLS))
        return any(_found(reading) for reading in {plain, plain.lower().translate(_RUSSIAN)})


def _found(text: str) -> bool:
    return all(_guesses(piece) < MIN_GUESSES for piece in {text[:PIECE_CHARACTERS], text[-PIECE_CHARACTERS:]})


def _turn(text: str) -> str:
    """Return what *text* repeats twice or more, or all of it."""
    periods = range(1, len(text) // 2 + 1)
    return text[: next((period for period in periods if text[period:] == text[:-period]), len(text))]


def _guesses(text: str) -> int:
    return int(zxcvbn(text)["guesses"]) if text else 0
