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


class LedgerKeyRow(Table, tablename="ledger_key"):
    """A key that signs checkpoints."""

    key_id = Text(primary_key=True)
    number = BigInt()
    algorithm = Text()
    vkey = Text()
    wrapped_seed = Bytea()
    state = Text()
    introduced_us = BigInt()
    retired_us = BigInt(null=True, default=None)


class OrganizationRow(Table, tablename="organization"):
    """An organization with its settings."""

    id = UUID(primary_key=True)
    name = Text()
    plan = Text()
    created_us = BigInt()
    on_error = Text()
    default_decision = Text()
    retention_days = BigInt(null=True, default=None)
    retention = Text()
    retention_reason = Text(null=True, default=None)
    store_payloads = Text()
    registration = Text()
    closed_us = BigInt(null=True, default=None)
    erased_us = BigInt(null=True, default=None)


class UserRow(Table, tablename="app_user"):
    """A user; e-mail address and password hash encrypted, found by blind index."""

    id = UUID(primary_key=True)
    organization_id = UUID()
    role = Text()
    email_sealed = Bytea()
    email_index = Bytea()
    password_hash = Bytea(null=True, default=None)
    created_us = BigInt()
    disabled_us = BigInt(null=True, default=None)
    totp_sealed = Bytea(null=True, default=None)
    totp_pending = Bytea(null=True, default=None)
    totp_step = BigInt()
    recovery = Array(base_column=Bytea())
    seal = Bytea()


class FamiliarAddressRow(Table, tablename="familiar_address"):
    """Where a user has signed in from, by keyed fingerprint."""

    organization_id = UUID()
    user_id = UUID(primary_key=True)
    address = Bytea()
    seen_us = BigInt()


class SessionRow(Table, tablename="session"):
    """A sign-in."""

    id = UUID(primary_key=True)
    organization_id = UUID()
    user_id = UUID()
    created_us = BigInt()
    seen_us = BigInt()
    authenticated_us = BigInt()
    generation = BigInt()
    ended_us = BigInt(null=True, default=None)
    seal = Bytea()


class OneTimeTokenRow(Table, tablename="one_time_token"):
    """A token that works once, by fingerprint."""

    fingerprint = Bytea(primary_key=True)
    tenant = Text()
    purpose = Text()
    user_id = UUID(null=True, default=None)
    created_us = BigInt()
    expires_us = BigInt()
    used_us = BigInt(null=True, default=None)
    plan = Text(null=True, default=None)
    seal = Bytea()


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
    previous_fingerprint = Bytea(null=True, default=None)
    previous_until_us = BigInt(null=True, default=None)
    rate_limit = BigInt(null=True, default=None)
    allowed_ips = Array(base_column=Text())
    seal = Bytea()


class KeyEventRow(Table, tablename="api_key_event"):
    """What happened to an API key."""

    id = UUID(primary_key=True)
    organization_id = UUID()
    key_id = UUID()
    event = Text()
    actor_id = Text()
    actor_kind = Text()
    time_us = BigInt()


class UsageRow(Table, tablename="usage_count"):
    """Requests per principal, day and outcome."""

    organization_id = UUID(primary_key=True)
    principal_id = Text()
    day = BigInt()
    outcome = Text()
    requests = BigInt()
    last_us = BigInt()


class PolicySetRow(Table, tablename="policy_set"):
    """The text of a policy set that was in force."""

    version = BigInt(primary_key=True)
    hash = Text()
    text = Text()
    created_us = BigInt()


TABLES = (
    Deployment,
    LedgerKeyRow,
    OrganizationRow,
    UserRow,
    FamiliarAddressRow,
    SessionRow,
    OneTimeTokenRow,
    ApiKeyRow,
    KeyEventRow,
    UsageRow,
    PolicySetRow,
)
