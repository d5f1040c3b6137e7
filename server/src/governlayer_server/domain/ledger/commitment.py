"""Commitments: how a record binds a payload without holding it (ledger-v1 §6)."""

import hmac
from collections.abc import Mapping

from msgspec import Struct

from governlayer_server.domain.errors import LedgerFormatError

NONCE_BYTES = 32
MAX_PAYLOAD_BYTES = 1_048_576


class Payload(Struct, frozen=True, kw_only=True):
    """A payload with the nonce that hides it: whoever lacks the nonce learns nothing from the commitment."""

    name: str
    nonce: bytes
    text: str

    def __repr__(self) -> str:
        """Name only: neither nonce nor text may reach a log."""
        return f"Payload(name={self.name!r})"


def commitment(nonce: bytes, payload: bytes) -> str:
    """
    Return the commitment to *payload*: hex HMAC-SHA-256 keyed with *nonce* (ledger-v1 §6).

    Args:
        nonce: 32 random bytes, fresh for each payload.
        payload: the UTF-8 bytes of the payload, at most 1 MiB.

    Raises:
        LedgerFormatError: a length is wrong. Nothing is committed.

    >>> commitment(bytes(32), b"yes")[:16]
    '42f6685b06206940'
    """
    if len(nonce) != NONCE_BYTES:
        raise LedgerFormatError(f"a nonce has {NONCE_BYTES} bytes")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise LedgerFormatError(f"a payload has at most {MAX_PAYLOAD_BYTES} bytes")
    return hmac.digest(nonce, payload, "sha256").hex()


def commitments(payloads: tuple[Payload, ...]) -> Mapping[str, str]:
    """
    Return the commitments of *payloads* by name.

    Raises:
        LedgerFormatError: two payloads share a name, or one breaks its limits.
    """
    result = {payload.name: commitment(payload.nonce, payload.text.encode()) for payload in payloads}
    if len(result) != len(payloads):
        raise LedgerFormatError("payload names of one record are distinct")
    return result
