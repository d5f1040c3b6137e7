"""Make identifiers."""

from uuid import UUID

from governlayer_server.domain.ids import uuid7
from governlayer_server.ports import Clock, Entropy


def new_id(clock: Clock, entropy: Entropy) -> UUID:
    """Return a fresh UUIDv7 of this moment."""
    return uuid7(clock.now_us() // 1000, entropy.bytes(10))
