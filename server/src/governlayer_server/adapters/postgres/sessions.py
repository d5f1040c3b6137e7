"""Sign-ins and one-time tokens of a tenant, inside its transaction."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from governlayer_server.adapters.postgres.database import LOCK
from governlayer_server.adapters.postgres.rows import columns_of, struct_of
from governlayer_server.adapters.postgres.tables import OneTimeTokenRow, SessionRow
from governlayer_server.adapters.postgres.tenancy import SET_TENANT
from governlayer_server.domain.account import OneTimeToken, Purpose, Session
from governlayer_server.domain.tenants import SYSTEM_TENANT

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

_CHANGING = ("seen_us", "authenticated_us", "generation", "ended_us", "seal")
_MARKED = "SELECT * FROM session WHERE organization_id = {} AND ended_us IS NULL AND is_marked(seal, {}) LIMIT {}"
_TAKE = """
UPDATE one_time_token SET used_us = {}
WHERE tenant = {} AND fingerprint = {} AND used_us IS NULL AND expires_us > {} RETURNING *
"""


class PostgresSessions:
    """``ports.accounts.Sessions``."""

    def __init__(self, organization_id: UUID | None, note_change: Callable[[], None]) -> None:
        self._mine = SessionRow.organization_id == organization_id
        self._organization_id = organization_id
        self._note_change = note_change

    async def one(self, session_id: UUID, *, lock: bool = False) -> Session | None:
        """Return the session, if the tenant has it."""
        query = SessionRow.select().where(self._mine & (SessionRow.id == session_id)).first()
        row = await (query.lock_rows(LOCK) if lock else query)
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

    async def marked(self, mark: bytes, limit: int) -> Sequence[Session]:
        """Return up to *limit* sessions that have not been ended and whose seals are under the pepper of *mark*."""
        rows = await SessionRow.raw(_MARKED, self._organization_id, mark, limit)
        return [struct_of(row, Session) for row in rows]

    async def renew(self, session: Session) -> None:
        """Store *session*, sealed with another pepper: nobody has to forget anything."""
        await SessionRow.update({"seal": session.seal}).where(self._mine & (SessionRow.id == session.id))

    async def end_all(self, user_id: UUID, now_us: int, *, but: UUID | None = None) -> None:
        """End all sessions of the user, except *but*."""
        self._note_change()
        where = self._mine & (SessionRow.user_id == user_id) & SessionRow.ended_us.is_null()
        if but is not None:
            where &= SessionRow.id != but
        await SessionRow.update({"ended_us": now_us, "seal": b""}).where(where)


class PostgresTokens:
    """``ports.accounts.OneTimeTokens``."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant

    async def add(self, token: OneTimeToken) -> None:
        """Store *token*."""
        await OneTimeTokenRow.insert(OneTimeTokenRow(columns_of(token)))

    async def find(self, fingerprint: bytes, now_us: int) -> OneTimeToken | None:
        """Return the token and leave it as it is."""
        query = OneTimeTokenRow.select().where(
            (OneTimeTokenRow.tenant == self._tenant)
            & (OneTimeTokenRow.fingerprint == fingerprint)
            & OneTimeTokenRow.used_us.is_null()
            & (OneTimeTokenRow.expires_us > now_us)
        )
        row = await query.first()
        return None if row is None else struct_of(row, OneTimeToken)

    async def take(self, fingerprint: bytes, now_us: int) -> OneTimeToken | None:
        """Return the token and mark it used, in one statement: two takers get it once."""
        rows = await OneTimeTokenRow.raw(_TAKE, now_us, self._tenant, fingerprint, now_us)
        return struct_of(rows[0], OneTimeToken) if rows else None

    async def all(self) -> Sequence[OneTimeToken]:
        """Return all tokens, whatever their state."""
        rows = await OneTimeTokenRow.select().where(OneTimeTokenRow.tenant == self._tenant)
        return [struct_of(row, OneTimeToken) for row in rows]

    async def renew(self, token: OneTimeToken) -> None:
        """Store *token*, sealed with another pepper."""
        await OneTimeTokenRow.update({"seal": token.seal}).where(
            (OneTimeTokenRow.tenant == self._tenant) & (OneTimeTokenRow.fingerprint == token.fingerprint)
        )

    async def drop(self, user_id: UUID) -> None:
        """Make all tokens of the user useless."""
        await OneTimeTokenRow.delete().where(
            (OneTimeTokenRow.tenant == self._tenant) & (OneTimeTokenRow.user_id == user_id)
        )

    async def drop_all(self, purpose: Purpose) -> None:
        """Make all tokens for *purpose* useless."""
        await OneTimeTokenRow.delete().where(
            (OneTimeTokenRow.tenant == self._tenant) & (OneTimeTokenRow.purpose == purpose.value)
        )


class PostgresDeploymentTokens:
    """``ports.accounts.OneTimeTokens`` of the deployment, inside the transaction of the tenant *tenant*."""

    def __init__(self, connection: "PoolConnectionProxy", tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant
        self._tokens = PostgresTokens(SYSTEM_TENANT)

    async def add(self, token: OneTimeToken) -> None:
        """Store *token*."""
        async with self._as_deployment():
            await self._tokens.add(token)

    async def find(self, fingerprint: bytes, now_us: int) -> OneTimeToken | None:
        """Return the token and leave it as it is."""
        async with self._as_deployment():
            return await self._tokens.find(fingerprint, now_us)

    async def take(self, fingerprint: bytes, now_us: int) -> OneTimeToken | None:
        """Return the token and mark it used."""
        async with self._as_deployment():
            return await self._tokens.take(fingerprint, now_us)

    async def all(self) -> Sequence[OneTimeToken]:
        """Return all tokens, whatever their state."""
        async with self._as_deployment():
            return await self._tokens.all()

    async def renew(self, token: OneTimeToken) -> None:
        """Store *token*, sealed with another pepper."""
        async with self._as_deployment():
            await self._tokens.renew(token)

    async def drop(self, user_id: UUID) -> None:
        """Make all tokens of the user useless."""
        async with self._as_deployment():
            await self._tokens.drop(user_id)

    async def drop_all(self, purpose: Purpose) -> None:
        """Make all tokens for *purpose* useless."""
        async with self._as_deployment():
            await self._tokens.drop_all(purpose)

    @asynccontextmanager
    async def _as_deployment(self) -> AsyncIterator[None]:
        await self._connection.execute(SET_TENANT, SYSTEM_TENANT)
        yield
        # Not where that failed: the transaction is over then.
        await self._connection.execute(SET_TENANT, self._tenant)
