"""Take out of a text what must not leave with it."""

import re
from collections.abc import Mapping

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


class Scrub:
    """
    Replaces.

    Args:
        hidden: what must not be there, and what stands for it: the name of a setting.
    """

    def __init__(self, hidden: Mapping[str, str]) -> None:
        self._hidden = dict(hidden)
        longest_first = sorted(self._hidden, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_pattern, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """
        Return *text* with names in place of what is hidden, and without e-mail addresses.

        >>> Scrub({"db.local": "DATABASE_HOST", "S3CRET": "PEPPER"})("db.local: xS3CRETx, a@example.org, db.localhost")
        '[DATABASE_HOST]: x[PEPPER]x, [e-mail address], db.localhost'
        """
        if self._pattern is not None:
            text = self._pattern.sub(lambda found: f"[{self._hidden[found[0]]}]", text)
        return _EMAIL.sub("[e-mail address]", text)


def _pattern(value: str) -> str:
    """A host may be part of another one's name, which is not hidden; anything else is hidden wherever it stands."""
    if re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", value):
        return rf"(?<![A-Za-z0-9_.-]){re.escape(value)}(?![A-Za-z0-9_-])"
    return re.escape(value)
