"""Take out of a text what must not leave with it."""

import json
import re
from collections.abc import Mapping
from ipaddress import ip_address

from governlayer_server.domain.network import is_loopback

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
# In JSON a letter stands before the first word of a line: that of the escaped line break.
_AFTER_BREAK = r"(?<=\\[nrt])"
_IPV4 = re.compile(r"(?<![0-9])(?<![0-9]\.)[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])")
_IPV6 = re.compile(
    rf"(?:(?<![A-Za-z0-9_])|{_AFTER_BREAK})(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}"
    r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{1,4}|(?<=::))(?![A-Za-z0-9_]|:[0-9A-Fa-f:])"
)


class Scrub:
    """
    Replaces, whether large or small letters are written.

    Args:
        hidden: what must not be there, and what stands for it: the name of a setting.
        addresses: whether IP addresses of other hosts may be there.
    """

    def __init__(self, hidden: Mapping[str, str], *, addresses: bool = False) -> None:
        written = {form: name for text, name in hidden.items() for form in (text, _in_json(text))}
        longest_first = sorted(written, key=len, reverse=True)
        self._names = [written[text] for text in longest_first]
        patterns = "|".join(f"({_pattern(text)})" for text in longest_first)
        self._pattern = re.compile(patterns, re.IGNORECASE) if written else None
        self._addresses = addresses

    def __call__(self, text: str, *, versions: bool = False) -> str:
        """
        Return *text* with names in place of what is hidden, without e-mail addresses and addresses of hosts.

        Args:
            text: plain, or JSON, where what is hidden is found as JSON writes it.
            versions: whether what looks like an address is the version of a library.

        >>> Scrub({"db.local": "DATABASE_HOST", "S3CRET": "PEPPER"})("DB.local: xS3CRETx, a@example.org, db.localhost")
        '[DATABASE_HOST]: x[PEPPER]x, [e-mail address], db.localhost'
        >>> Scrub({})("192.0.2.7:5432, [2001:db8::5]:80, 127.0.0.1, ::1, 0.0.0.0, at 10:15:00, 1.2.3.4.5")
        '[address]:5432, [[address]]:80, 127.0.0.1, ::1, 0.0.0.0, at 10:15:00, 1.2.3.4.5'
        """
        if self._pattern is not None:
            text = self._pattern.sub(self._name, text)
        if not (self._addresses or versions):
            # An IPv6 address may end with an IPv4 address.
            text = _IPV4.sub(_unless_here, _IPV6.sub(_unless_here, text))
        return _EMAIL.sub("[e-mail address]", text)

    def _name(self, found: re.Match[str]) -> str:
        return f"[{self._names[(found.lastindex or 0) - 1]}]"


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _pattern(text: str) -> str:
    """A host may be part of another one's name, which is not hidden; anything else is hidden wherever it stands."""
    if re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", text):
        return rf"(?:(?<![A-Za-z0-9_.-])|{_AFTER_BREAK}){re.escape(text)}(?![A-Za-z0-9_-])"
    return re.escape(text)


def _unless_here(found: re.Match[str]) -> str:
    """What is no address, or no other host's, tells nothing."""
    try:
        is_here = is_loopback(found[0]) or ip_address(found[0]).is_unspecified
    except ValueError:
        is_here = True
    return found[0] if is_here else "[address]"
