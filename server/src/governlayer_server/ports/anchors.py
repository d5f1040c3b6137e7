"""What binds checkpoints to the world outside, as the use cases see it: witnesses on both sides, write-once copies."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

# Public key, message, signature → whether it holds.
Verify = Callable[[bytes, bytes, bytes], bool]


class Witnessed(Struct, frozen=True, kw_only=True):
    """The checkpoint of an origin that a witness cosigned last; ``note`` carries its cosignature."""

    size: int
    root: bytes
    note: str


class WitnessState(Protocol):
    """What a witness remembers: for each origin the last checkpoint, and nothing else."""

    def newest(self, origin: str) -> Witnessed | None:
        """Return the last checkpoint of *origin*, if there is one."""

    def by_hash(self, origin_hash: str) -> Witnessed | None:
        """Return the last checkpoint of the origin whose SHA-256 is *origin_hash* (64 hex digits), if there is one."""

    def replace(self, origin: str, before: Witnessed | None, after: Witnessed) -> bool:
        """
        Make *after* the last checkpoint if *before* still is, and return whether it is; then it is durable.

        One step, for any number of threads and processes (c2sp.org/tlog-witness).
        """
