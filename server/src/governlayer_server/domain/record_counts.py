"""How many records of which type there are."""

from msgspec import Struct


class TypeCount(Struct, frozen=True, kw_only=True):
    """The records of one type in a range: how many, and the times of the oldest and the newest of them."""

    type: str
    count: int
    oldest_us: int
    newest_us: int

    def with_later(self, later: "TypeCount") -> "TypeCount":
        """Return both ranges together, of which *later* comes after this one."""
        return TypeCount(
            type=self.type, count=self.count + later.count, oldest_us=self.oldest_us, newest_us=later.newest_us
        )
