"""Sign-ins and one-time tokens of a tenant, inside its transaction."""

from collections.abc import Callable, Sequence
from uuid import UUID

from governlayer_server.adapters.postgres.rows import columns_of, struct_of
from governlayer_server.adapters.postgres.tables import OneTimeTokenRow, SessionRow
from governlayer_server.domain.account import OneTimeToken, Session

_CHANGING = ("seen_us", "authenticated_us", "generation", "ended_us")
_TAKE = """
UPDATE one_time_token SET used_us = {}
WHERE tenant = {} AND fingerprint = {} AND used_us IS NULL AND expires_us > {} RETURNING *
"""


class PostgresSessions:
    """``ports.accounts.Sessions``."""

    def __init__(self, organization_id: UUID | None, note_change: Callable[[], None]) -> None:
        self._mine = SessionRow.organization_id == organization_id
        self._note_change = note_change

    async def one(self, session_id: UUID, *, lock: bool = False) -> Session | None:
        """Return the session, if the tenant has it."""
        query = SessionRow.select().where(self._mine & (SessionRow.id == session_id)).first()
        row = await (query.lock_rows("UPDATE") if lock else query)
        return None if row is None else struct_of(row, Session)

    async def of_user(self, user_id: UUID) -> Sequence[Session]:
        """Return the sessions that have not been ended, newest first."""
        query = SessionRow.select().where(self._mine & (SessionRow.user_id == user_id) & SessionRow.ended_us.is_null())
        return [struct_of(row, Session) for row in await query.order_by(SessionRow.created_us, ascending=False)]

    async def add(self, session: Session) -> None:
        """Store *session*."""
        await SessionRow.insert(SessionRow(columns_of(session)))

    async def save(self, session: Session) -> None:
        """Store the changed *session*."""
        self._note_change()
        columns = {name: value for name, value in columns_of(session).items() if name in _CHANGING}
        await SessionRow.update(columns).where(self._mine & (SessionRow.id == session.id))

    async def end_all(self, user_id: UUID, now_us: int, *, but: UUID | None = None) -> None:
        """End all sessions of the user, except *but*."""
        self._note_change()
        where = self._mine & (SessionRow.user_id == user_id) & SessionRow.ended_us.is_null()
        if but is not None:
            where &= SessionRow.id != but
        await SessionRow.update({"ended_us": now_us}).where(where)


class PostgresTokens:
    """``ports.accounts.OneTimeTokens``."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant

    async def add(self, token: OneTimeToken) -> None:
        """Store *token*."""
        await OneTimeTokenRow.insert(OneTimeTokenRow(columns_of(token)))

    async def take(self, fingerprint: bytes, now_us: int) -> OneTimeToken | None:
        """Return the token and mark it used, in one statement: two takers get it once."""
        rows = await OneTimeTokenRow.raw(_TAKE, now_us, self._tenant, fingerprint, now_us)
        return struct_of(rows[0], OneTimeToken) if rows else None

    async def drop(self, user_id: UUID) -> None:
        """Make all tokens of the user useless."""
        await OneTimeTokenRow.delete().where(
            (OneTimeTokenRow.tenant == self._tenant) & (OneTimeTokenRow.user_id == user_id)
        )
