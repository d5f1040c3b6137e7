"""Password verifiers of PostgreSQL (SCRAM-SHA-256, RFC 5802 and RFC 7677), so it never sees a password."""

import hmac
from base64 import b64decode, b64encode
from hashlib import pbkdf2_hmac, sha256

_ITERATIONS = 4_096  # the passwords are 256 random bits: more rounds would only slow down every connection


def verifier(password: str, salt: bytes, iterations: int = _ITERATIONS) -> str:
    """
    Return what PostgreSQL keeps instead of *password* (RFC 5802 §3: StoredKey and ServerKey).

    Args:
        password: printable ASCII, which SASLprep leaves alone (RFC 4013).
        salt: 16 random bytes.
        iterations: rounds of PBKDF2, at least 4,096 (RFC 7677 §4).

    >>> verifier("pencil", b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))[:49]
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8'
    """
    salted = pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored_key = sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    keys = ":".join(b64encode(part).decode() for part in (stored_key, server_key))
    return f"SCRAM-SHA-256${iterations}:{b64encode(salt).decode()}${keys}"


def matches(password: str, stored: str | None) -> bool:
    """Return whether *stored*, a verifier out of the catalog or None, is one of *password*."""
    parts = (stored or "").split("$")
    if len(parts) != 3 or parts[0] != "SCRAM-SHA-256":
        return False
    iterations, _, salt = parts[1].partition(":")
    return hmac.compare_digest(verifier(password, b64decode(salt), int(iterations)), stored or "")
