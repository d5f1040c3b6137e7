"""The chain: genesis, head, and the one way to add a record (ledger-v1 §2 and §3)."""

import re
from hashlib import sha256

from msgspec import Struct

from governlayer_server.domain.errors import LedgerFormatError
from governlayer_server.domain.ledger.canonical import canonical_bytes
from governlayer_server.domain.ledger.record import Draft, Record
from governlayer_server.domain.ledger.tree import Edge, grow, leaf_hash
from governlayer_server.domain.times import time_text

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


def extend(head: Head, draft: Draft, now_us: int) -> tuple[Record, Head]:
    """
    Return the record that *draft* becomes after *head*, and the head after it (ledger-v1 §2 to §4).

    The same bytes are hashed into the chain and into the tree, so neither can differ from the other.

    Args:
        head: where the ledger stands.
        draft: what the record says.
        now_us: the writer's clock, microseconds since the Unix epoch; if it went back, the time of the record
            before is kept, because times never decrease (§2).

    Raises:
        LedgerFormatError: the record would break §2. Nothing is appended.
    """
    time_us = max(now_us, head.time_us)
    canonical = canonical_bytes(draft.members(seq=head.size, prev_hash=head.hash, time=time_text(time_us)))
    record = Record(
        seq=head.size,
        type=draft.type,
        time_us=time_us,
        canonical=canonical,
        hash=sha256(canonical).digest(),
        prev_hash=head.hash,
    )
    after = Head(origin=head.origin, hash=record.hash, time_us=time_us, edge=grow(head.edge, leaf_hash(canonical)))
    return record, after
