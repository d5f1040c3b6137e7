"""
One phrase of prompt injection: a name, a weight from 1 to 4, and a lower-case RE2 pattern.

Accents are left out of patterns, because the detector also reads a view of the text without them. Gaps
between words are a few words long and never cross a bracket, so that a placeholder left by redaction cannot
complete a phrase.
"""

import msgspec


class Phrase(msgspec.Struct, frozen=True):
    """A rule: its name, how much one hit weighs, and the pattern."""

    rule: str
    weight: int
    pattern: str


def phrase(rule: str, weight: int, *alternatives: str) -> Phrase:
    """Return the rule that fires when one of the *alternatives* occurs."""
    return Phrase(rule, weight, "|".join(f"(?:{alternative})" for alternative in alternatives))


def words(at_most: int) -> str:
    """Return a pattern for a gap of no more than *at_most* words within one sentence."""
    return rf"(?:[^\s\[\].!?]+\s+){{0,{at_most}}}?"
