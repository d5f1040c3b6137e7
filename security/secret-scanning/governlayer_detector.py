"""A plugin for detect-secrets: finds GovernLayer's API keys and tokens whose checksum is right."""

import re
import zlib
from collections.abc import Generator

from detect_secrets.plugins.base import RegexBasedDetector

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class GovernLayerDetector(RegexBasedDetector):
    """API keys (``gl_``), refresh tokens (``glr_``) and one-time tokens (``glt_``)."""

    secret_type = "GovernLayer credential"  # noqa: S105 - the name of the kind
    denylist = (re.compile(r"\b(?:gl_[0-9A-Za-z]{36}|glr_[0-9A-Za-z]{98}|glt_[0-9A-Za-z]{71})\b", re.ASCII),)

    def analyze_string(self, string: str) -> Generator[str, None, None]:
        """Yield each credential in *string*."""
        for text in super().analyze_string(string):
            if _checksum(text[:-6]) == text[-6:]:
                yield text


def _checksum(head: str) -> str:
    number, digits = zlib.crc32(head.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return digits
