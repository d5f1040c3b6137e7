"""Organizations, users, API keys, data keys, policy texts and the deployment row, through Piccolo."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct

from governlayer_server.adapters.postgres.database import Database, failures_named
from governlayer_server.adapters.postgres.tables import (
    ApiKeyRow,
    DataKey,
    Deployment,
    OrganizationRow,
    PolicySetRow,
    UserRow,
)
from governlayer_server.domain.access import Scope
from governlayer_server.domain.account import ApiKey, Organization, User
from governlayer_server.domain.errors import Fault, InvalidRequest, NotFound
from governlayer_server.domain.ledger.chain import genesis_hash
from governlayer_server.domain.plan import Plan

_TAKEN = {
    "organization_name_key": Fault("/name", "an organization with this name exists"),
    "app_user_email_index_key": Fault("/owner_email", "a user with this e-mail address exists"),
}


class PostgresAccountStore:
    """``ports.AccountStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_organization(self, organization: Organization, owner: User, origin: str) -> None:
        """
        Store the organization, its owner and its empty ledger: all or nothing.

        Raises:
            InvalidRequest: the name or the owner's e-mail address is taken.
        """
        try:
            async with self._database.transaction():
                await OrganizationRow.insert(
                    OrganizationRow(
                        id=organization.id,
                        name=organization.name,
                        plan=organization.plan.value,
                        created_us=organization.created_us,
                    )
                )
                await UserRow.insert(
                    UserRow(
                        id=owner.id,
                        organization_id=owner.organization_id,
                        role=owner.role.value,
                        email_sealed=owner.email_sealed,
                        email_index=owner.email_index,
                        password_hash=owner.password_hash,
                        created_us=owner.created_us,
                    )
                )
                await OrganizationRow.raw(
                    "INSERT INTO ledger (id, organization_id, origin, head_hash) VALUES ({}, {}, {}, {})",
                    str(organization.id), organization.id, origin, genesis_hash(origin),
                )  # fmt: skip
        except asyncpg.UniqueViolationError as error:
            fault = _TAKEN.get(error.constraint_name, Fault("", "it exists already"))
            raise InvalidRequest(fault.detail, [fault]) from None

    async def organization(self, organization_id: UUID) -> Organization:
        """
        Return the organization.

        Raises:
            NotFound: there is none.
        """
        with failures_named():
            row = await OrganizationRow.select().where(OrganizationRow.id == organization_id).first()
        if row is None:
            raise NotFound("there is no such organization")
        return _organization(row)

    async def organizations(self) -> Sequence[Organization]:
        """Return all organizations, oldest first."""
        with failures_named():
            rows = await OrganizationRow.select().order_by(OrganizationRow.created_us)
        return [_organization(row) for row in rows]

    async def add_key(self, key: ApiKey) -> None:
        """Store *key*."""
        with failures_named():
            await ApiKeyRow.insert(
                ApiKeyRow(
                    id=key.id,
                    organization_id=key.organization_id,
                    name=key.name,
                    prefix=key.prefix,
                    fingerprint=key.fingerprint,
                    scopes=sorted(scope.value for scope in key.scopes),
                    created_us=key.created_us,
                    expires_us=key.expires_us,
                    revoked_us=key.revoked_us,
                    seal=key.seal,
                )
            )

    async def keys(self, organization_id: UUID) -> Sequence[ApiKey]:
        """Return all keys of the organization, oldest first."""
        with failures_named():
            rows = (
                await ApiKeyRow.select()
                .where(ApiKeyRow.organization_id == organization_id)
                .order_by(ApiKeyRow.created_us)
            )
        return [_api_key(row) for row in rows]

    async def find_key(self, fingerprint: bytes) -> tuple[ApiKey, Organization] | None:
        """Return the key with this fingerprint and its organization, if there is one, whatever its state."""
        with failures_named():
            row = await ApiKeyRow.select().where(ApiKeyRow.fingerprint == fingerprint).first()
        if row is None:
            return None
        key = _api_key(row)
        return key, await self.organization(key.organization_id)


class PostgresPolicyStore:
    """``ports.PolicyStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def version_of(self, text_hash: str, text: str, now_us: int) -> tuple[int, bool]:
        """Return the version number of this text, and whether it was new."""
        insert = (
            "INSERT INTO policy_set (hash, text, created_us) VALUES ($1, $2, $3) "
            "ON CONFLICT (hash) DO NOTHING RETURNING version"
        )
        known = await self._known(text_hash)
        if known is not None:
            return known, False
        async with self._database.connection() as connection:
            fresh = await connection.fetchval(insert, text_hash, text, now_us)
        if fresh is not None:
            return int(fresh), True
        known = await self._known(text_hash)
        if known is None:
            raise NotFound("there is no such policy set")
        return known, False

    async def _known(self, text_hash: str) -> int | None:
        with failures_named():
            row = await PolicySetRow.select(PolicySetRow.version).where(PolicySetRow.hash == text_hash).first()
        return None if row is None else int(row["version"])


class DeploymentRow(Struct, frozen=True, kw_only=True):
    """This installation as stored."""

    install_id: str
    name: str
    wrapped_seed: bytes
    public_key: bytes
    created_us: int


class PostgresDeploymentStore:
    """The deployment row and the wrapped data keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> DeploymentRow | None:
        """Return the deployment row, if the deployment has been founded."""
        with failures_named():
            row = await Deployment.select().first()
        return None if row is None else DeploymentRow(**{name: row[name] for name in DeploymentRow.__struct_fields__})

    async def found(self, row: DeploymentRow) -> DeploymentRow:
        """Store *row* unless the deployment has been founded; return the row in force."""
        async with self._database.connection() as connection:
            await connection.execute(
                "INSERT INTO deployment (install_id, name, wrapped_seed, public_key, created_us) "
                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (singleton) DO NOTHING",
                row.install_id, row.name, row.wrapped_seed, row.public_key, row.created_us,
            )  # fmt: skip
        stored = await self.read()
        if stored is None:
            raise NotFound("the deployment row is gone")
        return stored

    async def data_key(self, organization_id: UUID | None, fresh: bytes) -> bytes:
        """Return the wrapped data key of the organization (or the deployment's own); *fresh* becomes it if none is."""
        owner = "deployment" if organization_id is None else str(organization_id)
        with failures_named():
            row = await DataKey.select(DataKey.wrapped).where(DataKey.owner == owner).first()
        if row is not None:
            return bytes(row["wrapped"])
        async with self._database.connection() as connection:
            await connection.execute(
                "INSERT INTO data_key (owner, wrapped) VALUES ($1, $2) ON CONFLICT (owner) DO NOTHING",
                owner,
                fresh,
            )
            return bytes(await connection.fetchval("SELECT wrapped FROM data_key WHERE owner = $1", owner))


def _organization(row: dict[str, Any]) -> Organization:
    return Organization(id=row["id"], name=row["name"], plan=Plan(row["plan"]), created_us=row["created_us"])


def _api_key(row: dict[str, Any]) -> ApiKey:
    return ApiKey(
        id=row["id"],
        organization_id=row["organization_id"],
        name=row["name"],
        prefix=row["prefix"],
        fingerprint=row["fingerprint"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"]),
        created_us=row["created_us"],
        expires_us=row["expires_us"],
        revoked_us=row["revoked_us"],
        seal=row["seal"],
    )
