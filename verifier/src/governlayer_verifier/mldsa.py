"""ML-DSA-44 (FIPS 204), where the package cryptography can: the only thing here that the standard library lacks.

Nothing depends on it. Without it a signature of that kind is reported as not checked, never as good or wrong.
"""

import importlib
from functools import cache
from typing import Any

from governlayer_verifier.errors import VerifierError

PUBLIC_KEY_BYTES = 1312
SIGNATURE_BYTES = 2420
_MODULE = "cryptography.hazmat.primitives.asymmetric.mldsa"


class UnavailableError(VerifierError):
    """This Python cannot verify ML-DSA-44; nothing was judged."""


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """
    Return whether *signature* is an ML-DSA-44 signature of *message*, with an empty context (FIPS 204 §5.3).

    Args:
        public_key: 1312 bytes; another length is refused.
        message: what was signed, of any length.
        signature: 2420 bytes; another length is refused.

    Raises:
        UnavailableError: no package here can; see ``reason_unavailable``.
    """
    reason = reason_unavailable()
    if reason is not None:
        raise UnavailableError(reason)
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        _public_key(public_key).verify(signature, message)
    except importlib.import_module("cryptography.exceptions").InvalidSignature:
        return False
    return True


@cache
def reason_unavailable() -> str | None:
    """Return why this Python cannot verify ML-DSA-44, None where it can."""
    try:
        _public_key(bytes(PUBLIC_KEY_BYTES))
    except ImportError:
        return "ML-DSA-44 needs the package cryptography, version 50 or later, which is not installed"
    except Exception as error:  # noqa: BLE001  what the package raises when its OpenSSL lacks ML-DSA is its own
        return f"ML-DSA-44 is not supported by the package cryptography here: {type(error).__name__}"
    return None


def _public_key(data: bytes) -> Any:
    return importlib.import_module(_MODULE).MLDSA44PublicKey.from_public_bytes(data)
