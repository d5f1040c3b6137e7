"""
The tables as Piccolo knows them, for ordinary reads and writes.

The ledger's own tables are left to ``ledger_store``, which speaks SQL over asyncpg. A test holds these classes
against the schema that the migrations make.
"""

from piccolo.columns import UUID, Array, BigInt, Boolean, Bytea, Text
from piccolo.table import Table


class Deployment(Table, tablename="deployment"):
    """This installation: one row."""

    singleton = Boolean(primary_key=True, default=True)
    install_id = Text()
    name = Text()
    wrapped_seed = Bytea()
    public_key = Bytea()
    created_us = BigInt()


class DataKey(Table, tablename="data_key"):
    """The wrapped data key of an organization, or of the deployment itself."""

    owner = Text(primary_key=True)
    wrapped = Bytea()


class OrganizationRow(Table, tablename="organization"):
    """An organization."""

    id = UUID(primary_key=True)
    name = Text()
    plan = Text()
    created_us = BigInt()


class UserRow(Table, tablename="app_user"):
    """A user; e-mail address encrypted, found by blind index."""

    id = UUID(primary_key=True)
    organization_id = UUID()
    role = Text()
    email_sealed = Bytea()
    email_index = Bytea()
    password_hash = Text(null=True, default=None)
    created_us = BigInt()


class ApiKeyRow(Table, tablename="api_key"):
    """An API key, by fingerprint."""

    id = UUID(primary_key=True)
    organization_id = UUID()
    name = Text()
    prefix = Text()
    fingerprint = Bytea()
    scopes = Array(base_column=Text())
    created_us = BigInt()
    expires_us = BigInt(null=True, default=None)
    revoked_us = BigInt(null=True, default=None)
    seal = Bytea()


class PolicySetRow(Table, tablename="policy_set"):
    """The text of a policy set that was in force."""

    version = BigInt(primary_key=True)
    hash = Text()
    text = Text()
    created_us = BigInt()


TABLES = (Deployment, DataKey, OrganizationRow, UserRow, ApiKeyRow, PolicySetRow)
