"""Organizations, their users and their API keys."""

from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.access import Role, Scope
from governlayer_server.domain.plan import Plan


class Organization(Struct, frozen=True, kw_only=True):
    """An organization (tenant). Its id is also its ledger's id."""

    id: UUID
    name: str
    plan: Plan
    created_us: int


class User(Struct, frozen=True, kw_only=True):
    """A member of an organization; the e-mail address is stored encrypted, with a blind index for look-ups."""

    id: UUID
    organization_id: UUID
    role: Role
    email_sealed: bytes
    email_index: bytes
    password_hash: str | None
    created_us: int


class ApiKey(Struct, frozen=True, kw_only=True):
    """An API key without the key: only its fingerprint is kept."""

    id: UUID
    organization_id: UUID
    name: str
    prefix: str
    fingerprint: bytes
    scopes: frozenset[Scope]
    created_us: int
    expires_us: int | None = None
    revoked_us: int | None = None
    # Keyed check of what the key may do and for whom, so that who can only write the table cannot widen it.
    seal: bytes = b""
