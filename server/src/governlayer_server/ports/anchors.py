"""
What binds checkpoints to the world outside, as the use cases see it: witnesses, write-once copies, time stamps.

The stores pass the same suite in ``tests/contract`` (see ``ports``).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
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


class WitnessAnswer(Struct, frozen=True, kw_only=True):
    """What a witness answered: an HTTP status, and the body as text."""

    status: int
    text: str


class Witness(Protocol):
    """A witness elsewhere, as its client sees it."""

    async def add_checkpoint(self, body: str) -> WitnessAnswer:
        """
        Return its answer to ``POST /add-checkpoint``.

        Raises:
            Unavailable: it gave none in time, or none that can be read.
        """


class TimestampAuthority(Protocol):
    """A time stamp authority (RFC 3161)."""

    async def stamp(self, data: bytes) -> tuple[bytes, int]:
        """
        Return its verified answer for the SHA-256 of *data*, DER, and the time in it, microseconds since the epoch.

        Raises:
            Unavailable: it gave none in time.
            NoteError: what it gave does not verify. Nothing of it is to be kept.
        """


class KeptNotes(Protocol):
    """A place outside the database where published notes are kept for good."""

    @property
    def remembers(self) -> bool:
        """Whether it can tell what it has."""

    async def newest(self, origin: str, incarnation: str = "") -> str | None:
        """
        Return the note of the largest size that it has of *origin*, if it remembers and has any.

        Args:
            origin: of the ledger.
            incarnation: of it: 64 hex digits for each accepted restore, "" before.

        Raises:
            Unavailable: it cannot tell now.
        """

    async def keep(self, origin: str, size: int, note: str, incarnation: str = "") -> None:
        """
        Return once *note* is kept, apart from those of other incarnations. The same note may be kept again.

        Raises:
            Unavailable: it could not be written; it may be tried again.
            Inconsistent: another checkpoint of this size is there; it was left as it is.
        """


class StoredCosignature(Struct, frozen=True, kw_only=True):
    """The cosignature of a published checkpoint: the witness's ``<name>+<key id>``, its note line, the time it says."""

    ledger_id: str
    size: int
    witness: str
    line: str
    time_us: int


class StoredTimestamp(Struct, frozen=True, kw_only=True):
    """A time stamp authority's answer (DER) for the text of a published checkpoint, and the time in it."""

    ledger_id: str
    size: int
    token: bytes
    time_us: int


class AnchorStore(Protocol):
    """What others said of published checkpoints. Nothing is ever changed or removed; any number of processes add."""

    async def to_cosign(self, witness: str, but: Collection[str], limit: int) -> Sequence[str]:
        """Return ledgers other than *but* whose newest checkpoint lacks *witness*, the longest waiting first."""

    async def cosigned_size(self, ledger_id: str, witness: str) -> int:
        """Return the largest size of the ledger that *witness* cosigned, 0 for none."""

    async def add_cosignature(self, cosignature: StoredCosignature) -> None:
        """Keep *cosignature*, unless there is one of its witness for this checkpoint."""

    async def cosignatures(self, ledger_id: str, size: int) -> Sequence[str]:
        """Return the lines of all cosignatures of this checkpoint, by witness."""

    async def newest_cosigned(self, ledger_id: str, size: int) -> int:
        """Return the largest size of at most *size* that has a cosignature, 0 for none."""

    async def cosigned_last_us(self, witness: str) -> int | None:
        """Return the time of the newest cosignature by *witness*, if there is one."""

    async def to_stamp(self, before_us: int, but: Collection[str], limit: int) -> Sequence[str]:
        """Return ledgers other than *but* whose newest checkpoint has no stamp, and none has one after *before_us*."""

    async def add_timestamp(self, timestamp: StoredTimestamp) -> None:
        """Keep *timestamp*, unless there is one for this checkpoint."""

    async def timestamps(self, ledger_id: str, after: int, limit: int) -> Sequence[StoredTimestamp]:
        """Return up to *limit* time stamps of the ledger of sizes larger than *after*, smallest first."""

    async def stamped_last_us(self) -> int | None:
        """Return the time of the newest time stamp of any ledger, if there is one."""

    async def published_sizes(self) -> Mapping[str, int]:
        """Return the size of the newest published checkpoint of every ledger that has one."""
