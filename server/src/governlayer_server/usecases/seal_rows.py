"""
Seal rows: a keyed check over a whole row, so that who can only write the table gains nothing.

A row with another's fingerprint, role, password hash or expiry is no longer genuine, and lets nobody in.
"""

import hmac
from typing import TypeVar

import msgspec

from governlayer_server.domain.account import ApiKey, User
from governlayer_server.ports import Vault

_Row = TypeVar("_Row", ApiKey, User)


def sealed(vault: Vault, row: _Row) -> _Row:
    """Return *row* with the seal that fits it."""
    return msgspec.structs.replace(row, seal=_seal_of(vault, row))


def is_genuine(vault: Vault, row: ApiKey | User) -> bool:
    """Return whether *row* is as the appliance wrote it, in constant time."""
    return hmac.compare_digest(row.seal, _seal_of(vault, row))


def _seal_of(vault: Vault, row: ApiKey | User) -> bytes:
    facts = msgspec.json.encode(msgspec.structs.replace(row, seal=b""), order="deterministic")
    return vault.fingerprint(f"row/{type(row).__name__}", facts)
