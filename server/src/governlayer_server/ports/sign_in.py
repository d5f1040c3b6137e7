"""What signing in needs of the outside world: counters of attempts, and letters."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol
from uuid import UUID

from governlayer_server.domain.sign_in_throttle import Bucket

Later = Callable[[Coroutine[Any, Any, None]], None]
"""Does work after the answer, and drops it where too much is waiting; its failure reaches nobody."""


class SignInAttempts(Protocol):
    """Counts attempts over all replicas; never refuses to count: where the shared store is away, each counts alone."""

    async def spend(self, attempt: UUID, buckets: Sequence[Bucket]) -> int:
        """
        Spend *attempt* from all of *buckets* and return 0, or from none and return the seconds until it may be tried.

        At most ``limit`` attempts are counted in any ``window_s`` seconds of a bucket.
        """

    async def give_back(self, attempt: UUID, buckets: Sequence[Bucket]) -> None:
        """Let *attempt* no longer count in *buckets*; what was never spent is not given back."""


class Mailer(Protocol):
    """Sends letters."""

    async def send(self, address: str, subject: str, text: str) -> None:
        """
        Hand a plain text letter to the mail server.

        Raises:
            Unavailable: it was not taken.
        """
