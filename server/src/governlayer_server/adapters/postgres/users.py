"""The members of a tenant, inside its transaction."""

from collections.abc import Callable, Sequence
from uuid import UUID

from governlayer_server.adapters.postgres.database import LOCK
from governlayer_server.adapters.postgres.rows import columns_of, struct_of
from governlayer_server.adapters.postgres.tables import FamiliarAddressRow, UserRow
from governlayer_server.domain.account import User
from governlayer_server.domain.errors import NotFound

_FIXED = ("id", "organization_id", "email_sealed", "email_index", "created_us")
_REWRITTEN = ("email_sealed", "email_index", "password_hash", "totp_sealed", "totp_pending", "seal")
_REMEMBER = """
INSERT INTO familiar_address (organization_id, user_id, address, seen_us)
VALUES ({}, {}, {}, {})
ON CONFLICT (user_id, address) DO UPDATE SET seen_us = excluded.seen_us
WHERE familiar_address.organization_id = excluded.organization_id
"""


class PostgresUsers:
    """``ports.accounts.Users``."""

    def __init__(self, organization_id: UUID | None, note_change: Callable[[], None]) -> None:
        self._mine = UserRow.organization_id == organization_id
        self._organization_id = organization_id
        self._note_change = note_change

    async def all(self) -> Sequence[User]:
        """Return all, oldest first."""
        rows = await UserRow.select().where(self._mine).order_by(UserRow.created_us, UserRow.id)
        return [struct_of(row, User) for row in rows]

    async def page(self, after: UUID | None, limit: int) -> Sequence[User]:
        """Return up to *limit* users in the order of their ids."""
        query = UserRow.select().where(self._mine)
        if after is not None:
            query = query.where(UserRow.id > after)
        return [struct_of(row, User) for row in await query.order_by(UserRow.id).limit(limit)]

    async def one(self, user_id: UUID, *, lock: bool = False) -> User:
        """
        Return the user.

        Raises:
            NotFound: the tenant has none with this id.
        """
        query = UserRow.select().where(self._mine & (UserRow.id == user_id)).first()
        row = await (query.lock_rows(LOCK) if lock else query)
        if row is None:
            raise NotFound("there is no such user")
        return struct_of(row, User)

    async def by_email(self, *email_indexes: bytes) -> User | None:
        """Return the user with one of these blind indexes."""
        row = await UserRow.select().where(self._mine & UserRow.email_index.is_in(list(email_indexes))).first()
        return None if row is None else struct_of(row, User)

    async def add(self, user: User) -> None:
        """Store *user*; a taken address breaks a constraint, which the store names."""
        await UserRow.insert(UserRow(columns_of(user)))

    async def save(self, user: User) -> None:
        """Store the changed *user*."""
        self._note_change()
        columns = {name: value for name, value in columns_of(user).items() if name not in _FIXED}
        await UserRow.update(columns).where(self._mine & (UserRow.id == user.id))

    async def rewrite(self, user: User) -> None:
        """Store *user*, encrypted, indexed or sealed with other keys: nobody has to forget anything."""
        columns = {name: value for name, value in columns_of(user).items() if name in _REWRITTEN}
        await UserRow.update(columns).where(self._mine & (UserRow.id == user.id))

    async def remove(self, user_id: UUID) -> None:
        """Remove the user; sessions, tokens and addresses go with it."""
        self._note_change()
        await UserRow.delete().where(self._mine & (UserRow.id == user_id))

    async def is_familiar(self, user_id: UUID, address: bytes, since_us: int) -> bool:
        """Return whether the user has signed in from there since *since_us*."""
        return await FamiliarAddressRow.exists().where(
            (FamiliarAddressRow.organization_id == self._organization_id)
            & (FamiliarAddressRow.user_id == user_id)
            & (FamiliarAddressRow.address == address)
            & (FamiliarAddressRow.seen_us >= since_us)
        )

    async def remember_address(self, user_id: UUID, address: bytes, now_us: int) -> None:
        """Note that the user has signed in from there now."""
        await FamiliarAddressRow.raw(_REMEMBER, self._organization_id, user_id, address, now_us)
