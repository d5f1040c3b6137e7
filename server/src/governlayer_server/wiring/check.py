"""One thing that the doctor looked at."""

from msgspec import Struct


class Check(Struct, frozen=True, kw_only=True):
    """
    What was seen.

    Attributes:
        name: one word.
        ok: whether it is as it should be; None where it could not be looked at.
        detail: what was seen, one line.
        mend: the command that mends it.
    """

    name: str
    ok: bool | None
    detail: str
    mend: str | None = None
