"""Work that one process does at a time, as its use case sees it."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Turn(Protocol):
    """Who does it now."""

    def __call__(self) -> AbstractAsyncContextManager[bool]:
        """
        Yield whether it is this process; if so, no other one's turn comes before the end.

        Raises:
            Unavailable: it cannot be told, or the clocks of this process and of the store differ so much that nothing
                may be done by the time.
        """
