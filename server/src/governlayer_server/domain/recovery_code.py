"""
Recovery codes for who lost the second factor: ten of 80 random bits each, to be used once.

The caller stores a keyed fingerprint of each code, never the code, and deletes it when it is used.
"""

import base64
import re

from governlayer_server.domain.errors import NotAuthenticated

CODES = 10
RANDOMNESS_BYTES = CODES * 10
_CANONICAL = re.compile(r"[a-z2-7]{16}")
_MAX_TYPED = 64


def make_recovery_codes(randomness: bytes) -> tuple[str, ...]:
    """
    Return ten recovery codes as people read them: ``xxxx-xxxx-xxxx-xxxx`` in base32 (RFC 4648 §6), lower case.

    Args:
        randomness: 100 random bytes, 10 for each code.

    Raises:
        ValueError: *randomness* is not 100 bytes long.

    >>> make_recovery_codes(bytes(100))[0]
    'aaaa-aaaa-aaaa-aaaa'
    """
    if len(randomness) != RANDOMNESS_BYTES:
        raise ValueError(f"randomness must be {RANDOMNESS_BYTES} bytes")
    texts = [base64.b32encode(randomness[at : at + 10]).decode().lower() for at in range(0, RANDOMNESS_BYTES, 10)]
    return tuple("-".join(text[at : at + 4] for at in range(0, 16, 4)) for text in texts)


def read_recovery_code(text: str) -> str:
    """
    Return the canonical form of a typed code, for its fingerprint: 16 characters, lower case, without hyphens.

    Case, hyphens and spaces do not count.

    Raises:
        NotAuthenticated: it cannot be a recovery code; the text never says why.

    >>> read_recovery_code(" ABCD-efgh ijkl-2345 ")
    'abcdefghijkl2345'
    """
    # Letters of other scripts that fold to ASCII ones are refused: each code has one canonical form.
    bare = text.replace("-", "").replace(" ", "") if text.isascii() and len(text) <= _MAX_TYPED else ""
    if not _CANONICAL.fullmatch(bare.lower()):
        raise NotAuthenticated
    return bare.lower()
