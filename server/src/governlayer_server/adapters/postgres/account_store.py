"""Organizations and what belongs to them: ``ports.accounts.AccountStore`` on PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from asyncpg import UniqueViolationError

from governlayer_server.adapters.postgres.appending import append_within
from governlayer_server.adapters.postgres.database import LOCK, Database
from governlayer_server.adapters.postgres.keys import PostgresKeys
from governlayer_server.adapters.postgres.rows import organization_columns, organization_of
from governlayer_server.adapters.postgres.sessions import (
    PostgresDeploymentTokens,
    PostgresSessions,
    PostgresTokens,
)
from governlayer_server.adapters.postgres.stale import remove_stale
from governlayer_server.adapters.postgres.tables import OrganizationRow
from governlayer_server.adapters.postgres.tenancy import SET_TENANT
from governlayer_server.adapters.postgres.usage import PostgresUsage
from governlayer_server.adapters.postgres.users import PostgresUsers
from governlayer_server.domain.errors import Fault, InvalidRequest, NotFound
from governlayer_server.domain.ledger.chain import genesis_hash
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.stale import Stale
from governlayer_server.domain.tenants import tenant_name
from governlayer_server.ports import Clock
from governlayer_server.ports.ledger import Append
from governlayer_server.ports.refusals import NoGuard, WriteGuard

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Forget = Callable[[UUID], Awaitable[None]]
"""Makes every replica forget what it keeps of an organization's principals; never raises."""
Ready = Callable[[UUID | None], Awaitable[None]]
"""Returns once the tenant's data key, if there is one, is in memory (``EnvelopeVault.ready``)."""

_TAKEN = {
    "app_user_email_index_key": Fault("/email", "a user with this e-mail address exists"),
}
_ADD_LEDGER = "INSERT INTO ledger (id, organization_id, origin, head_hash) VALUES ($1, $2, $3, $4)"


class PostgresTenant:
    """``ports.accounts.Tenant``: one transaction, bound to its tenant by row level security."""

    def __init__(
        self, connection: "PoolConnectionProxy", organization_id: UUID | None, clock: Clock, guard: WriteGuard
    ) -> None:
        self._connection = connection
        self._guard = guard
        self._organization_id = organization_id
        self._name = tenant_name(organization_id)
        self._clock = clock
        self.changed = False
        self.users = PostgresUsers(organization_id, self._note)
        self.sessions = PostgresSessions(organization_id, self._note)
        self.tokens = PostgresTokens(self._name)
        self.deployment_tokens = PostgresDeploymentTokens(connection, self._name)
        self.keys = PostgresKeys(organization_id, self._note)
        self.usage = PostgresUsage(connection, organization_id)

    def _note(self) -> None:
        self.changed = True

    async def organization(self, *, lock: bool = False) -> Organization:
        """
        Return the tenant's organization.

        Raises:
            NotFound: there is none.
        """
        query = OrganizationRow.select().where(OrganizationRow.id == self._organization_id).first()
        row = await (query.lock_rows(LOCK) if lock else query)
        if row is None:
            raise NotFound("there is no such organization")
        return organization_of(row)

    async def add_organization(self, organization: Organization, origin: str) -> None:
        """Store the organization and its empty ledger."""
        await OrganizationRow.insert(OrganizationRow(organization_columns(organization)))
        await self._connection.execute(_ADD_LEDGER, str(organization.id), organization.id, origin, genesis_hash(origin))

    async def save_organization(self, organization: Organization) -> None:
        """Store the changed organization; that it was erased is none of the changes (``ports.erasures``)."""
        self._note()
        columns = organization_columns(organization)
        fixed = {name: columns.pop(name) for name in ("id", "created_us", "erased_us")}
        await OrganizationRow.update(columns).where(OrganizationRow.id == fixed["id"])

    async def remove_stale(self, stale: Stale, limit: int) -> int:
        """Remove up to *limit* rows of each kind that are *stale*; return how many went of the kind that lost most."""
        return await remove_stale(self._connection, self._organization_id, self._name, stale, limit)

    async def record(self, append: Append) -> None:
        """
        Append a record to the tenant's own ledger, or to the system ledger.

        Raises:
            LedgerRefused: that ledger is closed; the whole transaction fails with it.
        """
        self._guard.require_open(append.ledger_id)
        await append_within(self._connection, append, self._clock.now_us)
        await self._connection.execute(SET_TENANT, self._name)


class PostgresAccountStore:
    """``ports.accounts.AccountStore``."""

    def __init__(
        self, database: Database, clock: Clock, forget: Forget, ready: Ready, guard: WriteGuard | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._forget = forget
        self._ready = ready
        self._guard = guard or NoGuard()

    @asynccontextmanager
    async def tenant(self, organization_id: UUID | None) -> AsyncIterator[PostgresTenant]:
        """
        Open a transaction of the organization, or of the deployment itself.

        Its data key is at hand before a connection is taken: who waited for a second one while holding the first could
        wait for ever, once all wait.

        Raises:
            InvalidRequest: an e-mail address that was added is taken. Nothing was changed.
        """
        await self._ready(organization_id)
        try:
            async with self._database.transaction(tenant_name(organization_id)) as connection:
                tenant = PostgresTenant(connection, organization_id, self._clock, self._guard)
                yield tenant
        except UniqueViolationError as error:
            fault = _TAKEN.get(str(error.constraint_name), Fault("", "it exists already"))
            raise InvalidRequest(fault.detail, [fault]) from None
        if organization_id is not None and tenant.changed:
            await self._forget(organization_id)

    async def organization_of_key(self, *fingerprints: bytes) -> UUID | None:
        """Return whose the API key with one of these fingerprints is."""
        return await self._organization("SELECT organization_of_key($1)", fingerprints)

    async def organization_of_user(self, *email_indexes: bytes) -> UUID | None:
        """Return whose member the user with one of these blind indexes is."""
        return await self._organization("SELECT organization_of_user($1)", email_indexes)

    async def organizations_with_bare_hashes(self) -> Sequence[UUID]:
        """Return which organizations have users whose password hashes an earlier version stored as they are."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT * FROM organizations_with_bare_hashes()")
        return [UUID(int=row[0].int) for row in rows]

    async def _organization(self, query: str, given: Sequence[bytes]) -> UUID | None:
        async with self._database.connection() as connection:
            found = await connection.fetchval(query, list(given))
        return None if found is None else UUID(int=found.int)

    async def organizations(self) -> Sequence[Organization]:
        """Return all organizations, oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT * FROM all_organizations()")
        return [organization_of(dict(row)) for row in rows]
