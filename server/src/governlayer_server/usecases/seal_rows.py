"""
Seal rows: a keyed check over a whole row, so that who can only write the table gains nothing.

A row with another's fingerprint, user, role, password hash, purpose or expiry is no longer genuine, and lets nobody in.
Outside the seal is only when a one-time token was used: it is marked in the one statement that takes it.
"""

import hmac
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from governlayer_server.domain.account import ApiKey, OneTimeToken, Session, User
from governlayer_server.ports import Vault

Sealed = ApiKey | User | Session | OneTimeToken
_Row = TypeVar("_Row", ApiKey, User, Session, OneTimeToken)


def sealed(vault: Vault, row: _Row) -> _Row:
    """Return *row* with the seal that fits it."""
    return msgspec.structs.replace(row, seal=_seals_of(vault, row)[0])


def is_genuine(vault: Vault, row: Sealed) -> bool:
    """Return whether *row* is as the appliance wrote it, in constant time."""
    matches = [hmac.compare_digest(row.seal, seal) for seal in _seals_of(vault, row)]
    return any(matches)


def was_sealed_as_text(vault: Vault, user: User, password_hash: str) -> bool:
    """Return whether an earlier version sealed *user*, whose password's hash was a text then."""
    facts = {**msgspec.to_builtins(msgspec.structs.replace(user, seal=b"")), "password_hash": password_hash}
    seals = vault.fingerprints("row/User", msgspec.json.encode(facts))
    return any(hmac.compare_digest(user.seal, seal) for seal in seals)


def _seals_of(vault: Vault, row: Sealed) -> Sequence[bytes]:
    bare = msgspec.structs.replace(row, seal=b"")
    if isinstance(bare, OneTimeToken):
        bare = msgspec.structs.replace(bare, used_us=None)
    facts = msgspec.json.encode(bare, order="deterministic")
    return vault.fingerprints(f"row/{type(row).__name__}", facts)
