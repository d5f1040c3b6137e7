"""The API keys of a tenant, inside its transaction."""

from collections.abc import Callable, Sequence
from uuid import UUID

from governlayer_server.adapters.postgres.database import LOCK
from governlayer_server.adapters.postgres.rows import columns_of, struct_of
from governlayer_server.adapters.postgres.tables import ApiKeyRow, KeyEventRow
from governlayer_server.domain.account import ApiKey, KeyEvent
from governlayer_server.domain.errors import NotFound

_FIXED = ("id", "organization_id", "scopes", "created_us")


_RENEWED = ("fingerprint", "previous_fingerprint", "seal")


class PostgresKeys:
    """``ports.accounts.Keys``."""

    def __init__(self, organization_id: UUID | None, note_change: Callable[[], None]) -> None:
        self._mine = ApiKeyRow.organization_id == organization_id
        self._organization_id = organization_id
        self._note_change = note_change

    async def all(self) -> Sequence[ApiKey]:
        """Return all, oldest first."""
        rows = await ApiKeyRow.select().where(self._mine).order_by(ApiKeyRow.created_us, ApiKeyRow.id)
        return [struct_of(row, ApiKey) for row in rows]

    async def page(self, after: UUID | None, limit: int) -> Sequence[ApiKey]:
        """Return up to *limit* keys in the order of their ids."""
        query = ApiKeyRow.select().where(self._mine)
        if after is not None:
            query = query.where(ApiKeyRow.id > after)
        return [struct_of(row, ApiKey) for row in await query.order_by(ApiKeyRow.id).limit(limit)]

    async def one(self, key_id: UUID, *, lock: bool = False) -> ApiKey:
        """
        Return the key.

        Raises:
            NotFound: the tenant has none with this id.
        """
        query = ApiKeyRow.select().where(self._mine & (ApiKeyRow.id == key_id)).first()
        row = await (query.lock_rows(LOCK) if lock else query)
        if row is None:
            raise NotFound("there is no such key")
        return struct_of(row, ApiKey)

    async def by_fingerprint(self, *fingerprints: bytes) -> ApiKey | None:
        """Return the key whose present or previous secret has one of these fingerprints."""
        given = list(fingerprints)
        query = ApiKeyRow.select().where(
            self._mine & (ApiKeyRow.fingerprint.is_in(given) | ApiKeyRow.previous_fingerprint.is_in(given))
        )
        row = await query.first()
        return None if row is None else struct_of(row, ApiKey)

    async def add(self, key: ApiKey) -> None:
        """Store *key*."""
        await ApiKeyRow.insert(ApiKeyRow(columns_of(key)))

    async def save(self, key: ApiKey) -> None:
        """Store the changed *key*."""
        self._note_change()
        columns = {name: value for name, value in columns_of(key).items() if name not in _FIXED}
        await ApiKeyRow.update(columns).where(self._mine & (ApiKeyRow.id == key.id))

    async def renew(self, key: ApiKey) -> None:
        """Store *key* with fingerprints and seal of another pepper: nobody has to forget anything."""
        columns = {name: value for name, value in columns_of(key).items() if name in _RENEWED}
        await ApiKeyRow.update(columns).where(self._mine & (ApiKeyRow.id == key.id))

    async def add_event(self, event: KeyEvent) -> None:
        """Store *event*."""
        await KeyEventRow.insert(KeyEventRow(columns_of(event)))

    async def events(self, key_id: UUID) -> Sequence[KeyEvent]:
        """Return all events of the key, oldest first."""
        rows = (
            await KeyEventRow.select()
            .where((KeyEventRow.organization_id == self._organization_id) & (KeyEventRow.key_id == key_id))
            .order_by(KeyEventRow.id)
        )
        return [struct_of(row, KeyEvent) for row in rows]
