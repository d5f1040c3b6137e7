"""
Seal rows: a keyed check over a whole row, so that who can only write the table gains nothing.

A row with another's fingerprint, user, role, password hash, purpose or expiry is no longer genuine, and lets nobody in.
Outside the seal is only when a one-time token was used: it is marked in the one statement that takes it.
"""

import hmac
from typing import TypeVar

import msgspec

from governlayer_server.domain.account import ApiKey, OneTimeToken, Session, User
from governlayer_server.ports import Vault

Sealed = ApiKey | User | Session | OneTimeToken
_Row = TypeVar("_Row", ApiKey, User, Session, OneTimeToken)


def sealed(vault: Vault, row: _Row) -> _Row:
    """Return *row* with the seal that fits it."""
    return msgspec.structs.replace(row, seal=_seal_of(vault, row))


def is_genuine(vault: Vault, row: Sealed) -> bool:
    """Return whether *row* is as the appliance wrote it, in constant time."""
    return hmac.compare_digest(row.seal, _seal_of(vault, row))


def _seal_of(vault: Vault, row: Sealed) -> bytes:
    bare = msgspec.structs.replace(row, seal=b"")
    if isinstance(bare, OneTimeToken):
        bare = msgspec.structs.replace(bare, used_us=None)
    facts = msgspec.json.encode(bare, order="deterministic")
    return vault.fingerprint(f"row/{type(row).__name__}", facts)
