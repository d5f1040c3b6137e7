"""``ports.accounts.AccountStore``, ``ports.PolicyStore`` and a table of data keys, in memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from governlayer_server.domain.account import (
    ApiKey,
    KeyEvent,
    OneTimeToken,
    Purpose,
    Session,
    UsageCount,
    User,
)
from governlayer_server.domain.errors import Fault, InvalidRequest, NotFound
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.stale import Stale
from governlayer_server.ports.ledger import Append, LedgerStore
from msgspec.structs import replace


@dataclass
class Rows:
    """All rows of all tenants; structs are frozen, so a shallow copy is a snapshot."""

    organizations: dict[UUID, Organization] = field(default_factory=dict)
    users: dict[UUID, User] = field(default_factory=dict)
    addresses: dict[tuple[UUID, bytes], int] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    tokens: dict[bytes, OneTimeToken] = field(default_factory=dict)
    keys: dict[UUID, ApiKey] = field(default_factory=dict)
    events: list[KeyEvent] = field(default_factory=list)
    usage: dict[tuple[UUID | None, str, int, str], UsageCount] = field(default_factory=dict)

    def copy(self) -> "Rows":
        return Rows(**{name: value.copy() for name, value in vars(self).items()})


class _Part:
    def __init__(self, rows: Rows, tenant: "MemoryTenant") -> None:
        self._rows = rows
        self._tenant = tenant
        self._id = tenant.organization_id

    def _note(self) -> None:
        self._tenant.changed = True

    def _mine(self, found: dict[UUID, Any]) -> list[Any]:
        mine = [one for one in found.values() if one.organization_id == self._id]
        return sorted(mine, key=lambda one: (one.created_us, one.id))

    def _page(self, found: dict[UUID, Any], after: UUID | None, limit: int) -> list[Any]:
        mine = sorted(self._mine(found), key=lambda one: one.id)
        return [one for one in mine if after is None or one.id > after][:limit]


class MemoryUsers(_Part):
    async def all(self) -> Sequence[User]:
        return self._mine(self._rows.users)

    async def page(self, after: UUID | None, limit: int) -> Sequence[User]:
        return self._page(self._rows.users, after, limit)

    async def one(self, user_id: UUID, *, lock: bool = False) -> User:
        for user in self._mine(self._rows.users):
            if user.id == user_id:
                assert isinstance(user, User)
                return user
        raise NotFound("there is no such user")

    async def by_email(self, *email_indexes: bytes) -> User | None:
        return next((user for user in self._mine(self._rows.users) if user.email_index in email_indexes), None)

    async def add(self, user: User) -> None:
        if any(one.email_index == user.email_index for one in self._rows.users.values()):
            fault = Fault("/email", "a user with this e-mail address exists")
            raise InvalidRequest(fault.detail, [fault])
        self._rows.users[user.id] = user

    async def save(self, user: User) -> None:
        self._note()
        self._rows.users[user.id] = user

    async def rewrite(self, user: User) -> None:
        self._rows.users[user.id] = user

    async def remove(self, user_id: UUID) -> None:
        self._note()
        del self._rows.users[user_id]
        for found in (self._rows.sessions, self._rows.tokens):
            for key in [key for key, one in found.items() if one.user_id == user_id]:  # type: ignore[attr-defined]
                del found[key]  # type: ignore[attr-defined]

    async def is_familiar(self, user_id: UUID, address: bytes, since_us: int) -> bool:
        return self._rows.addresses.get((user_id, address), -1) >= since_us

    async def remember_address(self, user_id: UUID, address: bytes, now_us: int) -> None:
        self._rows.addresses[user_id, address] = now_us


class MemorySessions(_Part):
    async def one(self, session_id: UUID, *, lock: bool = False) -> Session | None:
        return next((one for one in self._mine(self._rows.sessions) if one.id == session_id), None)

    async def of_user(self, user_id: UUID) -> Sequence[Session]:
        mine = [one for one in self._mine(self._rows.sessions) if one.user_id == user_id and one.ended_us is None]
        return mine[::-1]

    async def add(self, session: Session) -> None:
        self._rows.sessions[session.id] = session

    async def save(self, session: Session) -> None:
        self._note()
        self._rows.sessions[session.id] = session

    async def marked(self, mark: bytes, limit: int) -> Sequence[Session]:
        mine = [one for one in self._mine(self._rows.sessions) if one.ended_us is None]
        return [one for one in mine if len(one.seal) == 32 + len(mark) and one.seal.startswith(mark)][:limit]

    async def renew(self, session: Session) -> None:
        self._rows.sessions[session.id] = session

    async def end_all(self, user_id: UUID, now_us: int, *, but: UUID | None = None) -> None:
        for one in await self.of_user(user_id):
            if one.id != but:
                await self.save(one.ended(now_us))
        self._note()


class MemoryTokens(_Part):
    def __init__(self, rows: Rows, tenant: "MemoryTenant", name: str) -> None:
        super().__init__(rows, tenant)
        self._name = name

    async def add(self, token: OneTimeToken) -> None:
        self._rows.tokens[token.fingerprint] = token

    async def find(self, fingerprint: bytes, now_us: int) -> OneTimeToken | None:
        token = self._rows.tokens.get(fingerprint)
        if token is None or token.tenant != self._name or token.used_us or token.expires_us <= now_us:
            return None
        return token

    async def take(self, fingerprint: bytes, now_us: int) -> OneTimeToken | None:
        token = await self.find(fingerprint, now_us)
        if token is None:
            return None
        used = self._rows.tokens[fingerprint] = replace(token, used_us=now_us)
        return used

    async def drop_all(self, purpose: Purpose) -> None:
        for token in [one for one in self._rows.tokens.values() if one.purpose is purpose]:
            if token.tenant == self._name:
                del self._rows.tokens[token.fingerprint]

    async def all(self) -> Sequence[OneTimeToken]:
        return [one for one in self._rows.tokens.values() if one.tenant == self._name]

    async def renew(self, token: OneTimeToken) -> None:
        self._rows.tokens[token.fingerprint] = token

    async def drop(self, user_id: UUID) -> None:
        for token in [one for one in self._rows.tokens.values() if one.user_id == user_id]:
            if token.tenant == self._name:
                del self._rows.tokens[token.fingerprint]


class MemoryKeys(_Part):
    async def all(self) -> Sequence[ApiKey]:
        return self._mine(self._rows.keys)

    async def page(self, after: UUID | None, limit: int) -> Sequence[ApiKey]:
        return self._page(self._rows.keys, after, limit)

    async def one(self, key_id: UUID, *, lock: bool = False) -> ApiKey:
        for key in self._mine(self._rows.keys):
            if key.id == key_id:
                assert isinstance(key, ApiKey)
                return key
        raise NotFound("there is no such key")

    async def by_fingerprint(self, *fingerprints: bytes) -> ApiKey | None:
        mine = self._mine(self._rows.keys)
        return next((key for key in mine if {key.fingerprint, key.previous_fingerprint} & set(fingerprints)), None)

    async def add(self, key: ApiKey) -> None:
        self._rows.keys[key.id] = key

    async def save(self, key: ApiKey) -> None:
        self._note()
        self._rows.keys[key.id] = key

    async def renew(self, key: ApiKey) -> None:
        self._rows.keys[key.id] = key

    async def add_event(self, event: KeyEvent) -> None:
        self._rows.events.append(event)

    async def events(self, key_id: UUID) -> Sequence[KeyEvent]:
        mine = (one for one in self._rows.events if (one.organization_id, one.key_id) == (self._id, key_id))
        return sorted(mine, key=lambda one: one.id)


class MemoryUsage(_Part):
    async def add(self, counts: Sequence[UsageCount]) -> None:
        for one in counts:
            place = (self._id, one.principal_id, one.day, one.outcome)
            old = self._rows.usage.get(place)
            requests, last_us = (old.requests, old.last_us) if old else (0, 0)
            self._rows.usage[place] = replace(one, requests=requests + one.requests, last_us=max(last_us, one.last_us))

    async def since(self, day: int, principal_id: str | None = None) -> Sequence[UsageCount]:
        found = [one for (tenant, *_), one in self._rows.usage.items() if tenant == self._id and one.day >= day]
        chosen = [one for one in found if principal_id in {None, one.principal_id}]
        return sorted(chosen, key=lambda one: (one.day, one.principal_id, one.outcome))

    async def last_admitted(self, principal_ids: Sequence[str]) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for (tenant, *_), one in self._rows.usage.items():
            if tenant == self._id and one.outcome == "admitted" and one.principal_id in principal_ids:
                found[one.principal_id] = max(one.last_us, found.get(one.principal_id, 0))
        return found


class MemoryTenant:
    def __init__(self, rows: Rows, organization_id: UUID | None, ledger: LedgerStore) -> None:
        self._rows = rows
        self._ledger = ledger
        self.organization_id = organization_id
        self.name = "system" if organization_id is None else str(organization_id)
        self.changed = False
        self.users = MemoryUsers(rows, self)
        self.sessions = MemorySessions(rows, self)
        self.tokens = MemoryTokens(rows, self, self.name)
        self.deployment_tokens = MemoryTokens(rows, self, "system")
        self.keys = MemoryKeys(rows, self)
        self.usage = MemoryUsage(rows, self)

    async def organization(self, *, lock: bool = False) -> Organization:
        found = self._rows.organizations.get(self.organization_id) if self.organization_id else None
        if found is None:
            raise NotFound("there is no such organization")
        return found

    async def add_organization(self, organization: Organization, origin: str) -> None:
        self._rows.organizations[organization.id] = organization
        await self._ledger.create(str(organization.id), organization.id, origin)

    async def save_organization(self, organization: Organization) -> None:
        self.changed = True
        self._rows.organizations[organization.id] = organization

    async def remove_stale(self, stale: Stale, limit: int) -> int:
        rows, own = self._rows, [one.id for one in await self.users.all()]
        found: list[tuple[dict[Any, Any], list[Any]]] = [
            (rows.sessions, [one.id for one in rows.sessions.values() if one.organization_id == self.organization_id and (
                (one.ended_us is not None and one.ended_us < stale.ended_us) or one.created_us < stale.began_us)]),
            (rows.tokens, [key for key, one in rows.tokens.items()
                           if one.tenant == self.name and one.expires_us < stale.expired_us]),
            self._ledger.expired_answers(self.name, stale.answers_us),
            (rows.addresses, [key for key, seen_us in rows.addresses.items() if key[0] in own and seen_us < stale.seen_us]),
            (rows.usage, [key for key in rows.usage if key[0] == self.organization_id and key[2] < stale.day]),
        ]  # fmt: skip
        for kind, keys in found:
            for key in keys[:limit]:
                del kind[key]
        return max(len(keys[:limit]) for _, keys in found)

    async def record(self, append: Append) -> None:
        await self._ledger.append(append)


class MemoryAccountStore:
    """A transaction that fails puts back the rows and the ledgers as they were; one runs after another."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self.rows = Rows()
        self.forgotten: list[UUID] = []
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def tenant(self, organization_id: UUID | None) -> AsyncIterator[MemoryTenant]:
        async with self._turn:
            rows, ledgers = self.rows.copy(), self._ledger.snapshot()
            tenant = MemoryTenant(rows, organization_id, self._ledger)
            try:
                yield tenant
            except BaseException:
                self._ledger.restore(ledgers)
                raise
            self.rows = rows
        if organization_id is not None and tenant.changed:
            self.forgotten.append(organization_id)

    async def organization_of_key(self, *fingerprints: bytes) -> UUID | None:
        for key in self.rows.keys.values():
            if {key.fingerprint, key.previous_fingerprint} & set(fingerprints):
                return key.organization_id
        return None

    async def organization_of_user(self, *email_indexes: bytes) -> UUID | None:
        return next((one.organization_id for one in self.rows.users.values() if one.email_index in email_indexes), None)

    async def organizations_with_bare_hashes(self) -> Sequence[UUID]:
        users = self.rows.users.values()
        return sorted({one.organization_id for one in users if (one.password_hash or b"").startswith(b"$")})

    async def organizations(self) -> Sequence[Organization]:
        return sorted(self.rows.organizations.values(), key=lambda one: (one.created_us, one.id))


class MemoryPolicyStore:
    def __init__(self) -> None:
        self._versions: dict[str, int] = {}

    async def version_of(self, text_hash: str, text: str, now_us: int) -> tuple[int, bool]:
        fresh = text_hash not in self._versions
        return self._versions.setdefault(text_hash, len(self._versions) + 1), fresh
