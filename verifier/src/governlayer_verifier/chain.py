"""The genesis hash and names of ledger-v1 §3."""

import hashlib
import re

from governlayer_verifier.canonical import serialize
from governlayer_verifier.errors import FormatError

_SEED = hashlib.sha256(b"GOVERNLAYER_GENESIS").hexdigest()
_ORIGIN = re.compile(r"[A-Za-z0-9._/-]{1,255}")
_HEX_HASH = re.compile(r"[0-9a-f]{64}")


def is_origin(text: object) -> bool:
    """Return whether *text* is 1 to 255 characters of ``[A-Za-z0-9._/-]`` (ledger-v1 §3)."""
    return isinstance(text, str) and _ORIGIN.fullmatch(text) is not None


def is_hex_hash(text: object) -> bool:
    """Return whether *text* is 64 lower-case hex digits."""
    return isinstance(text, str) and _HEX_HASH.fullmatch(text) is not None


def is_hex(text: str) -> bool:
    """Return whether *text* is an even number of lower-case hex digits; faster than an expression."""
    try:
        return bytes.fromhex(text).hex() == text
    except ValueError:
        return False


def genesis_hash(origin: str) -> str:
    """
    Return the hash that record 0 of the ledger *origin* links to (ledger-v1 §3), as 64 hex digits.

    Raises:
        FormatError: *origin* breaks its grammar. Nothing is hashed.

    >>> genesis_hash("localhost/ledgers/1")[:16]
    '093ebd51cdc0611e'
    """
    if not is_origin(origin):
        raise FormatError("the origin is not 1 to 255 characters of [A-Za-z0-9._/-]")
    block = {
        "canonicalization": "RFC8785",
        "hash": "SHA-256",
        "origin": origin,
        "prev_hash": _SEED,
        "type": "genesis",
        "v": 1,
    }
    return hashlib.sha256(serialize(block).encode()).hexdigest()
