"""The chain: genesis and head (ledger-v1 §3)."""

import re
from hashlib import sha256

from msgspec import Struct

from governlayer_server.domain.errors import LedgerFormatError
from governlayer_server.domain.ledger.canonical import canonical_bytes
from governlayer_server.domain.ledger.tree import Edge

SEED = sha256(b"GOVERNLAYER_GENESIS").hexdigest()
ORIGIN = re.compile(r"[A-Za-z0-9._/-]{1,255}")


class Head(Struct, frozen=True, kw_only=True):
    """Where a ledger stands: all that is needed to append to it."""

    origin: str
    hash: bytes
    time_us: int
    edge: Edge

    @property
    def size(self) -> int:
        """How many records the ledger has; also the ``seq`` of the next one."""
        return self.edge.size


def genesis_hash(origin: str) -> bytes:
    """
    Return the hash that record 0 of the ledger *origin* links to (ledger-v1 §3).

    Anyone can recompute it: it depends on *origin* and on constants of the format only.

    Args:
        origin: ``<deployment name>/<ledger id>``, 1 to 255 characters of ``[A-Za-z0-9._/-]``.

    Returns:
        32 raw bytes (SHA-256).

    Raises:
        LedgerFormatError: *origin* breaks its grammar. Nothing is hashed.

    >>> genesis_hash("localhost/ledgers/1").hex()[:16]
    '093ebd51cdc0611e'
    """
    if not ORIGIN.fullmatch(origin):
        raise LedgerFormatError("an origin has 1 to 255 characters of [A-Za-z0-9._/-]")
    genesis = {
        "canonicalization": "RFC8785",
        "hash": "SHA-256",
        "origin": origin,
        "prev_hash": SEED,
        "type": "genesis",
        "v": 1,
    }
    return sha256(canonical_bytes(genesis)).digest()


def empty_head(origin: str) -> Head:
    """
    Return the head of the ledger *origin* before its first record.

    Raises:
        LedgerFormatError: *origin* breaks its grammar.
    """
    return Head(origin=origin, hash=genesis_hash(origin), time_us=0, edge=Edge())
