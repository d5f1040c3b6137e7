"""
Manage API keys: create, list, rotate, revoke; the one way for command line and API.

A key is shown once and stored as a fingerprint. What changes it, the event that its owner sees, and the record in the
organization's ledger are one transaction; after it, every replica forgets what it kept of the organization's keys.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from msgspec import Struct

from governlayer_server.domain.access import Scope
from governlayer_server.domain.account import ApiKey, KeyEvent, UsageCount
from governlayer_server.domain.api_key import RANDOMNESS_BYTES, make_api_key, shown_prefix
from governlayer_server.domain.errors import Conflict, Forbidden
from governlayer_server.domain.key_terms import (
    KeyStatus,
    KeyTerms,
    check_grace,
    check_terms,
    require_held,
    status_of,
)
from governlayer_server.domain.ledger.record import Actor, ActorKind
from governlayer_server.domain.record_type import RecordType
from governlayer_server.domain.times import DAY_US, SECOND_US
from governlayer_server.ports import Clock, Entropy, Vault
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.answer_once import AnswerOnce, Keep, Kept, Once
from governlayer_server.usecases.authenticate import FINGERPRINT_PURPOSE
from governlayer_server.usecases.members import active_user
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.record_event import event
from governlayer_server.usecases.seal_rows import is_genuine, sealed

USAGE_DAYS = 90


class NewKey(Struct, frozen=True, kw_only=True):
    """The stored key, the secret that is shown this once, and when it was made."""

    stored: ApiKey
    key: str
    made_us: int
    replayed: bool = False

    def __repr__(self) -> str:
        """No secret."""
        return f"NewKey({self.stored.id})"


class KeyFacts(Struct, frozen=True, kw_only=True):
    """A key as its owners see it; ``last_used_us`` is when a request with it was last admitted, to within seconds."""

    stored: ApiKey
    status: KeyStatus
    last_used_us: int | None = None


class KeyHistory(Struct, frozen=True, kw_only=True):
    """What happened to a key, oldest first, and the requests with it by day and outcome."""

    events: Sequence[KeyEvent]
    usage: Sequence[UsageCount]


class ManageKeys(Struct, frozen=True, kw_only=True):
    """
    Manages API keys.

    Who may is decided by the rules of the routes; here it is held that no user makes or obtains a key that may do more
    than the user (API contract §2), by the role that the database holds at that moment. The operator may all.
    """

    accounts: AccountStore
    once: AnswerOnce
    vault: Vault
    clock: Clock
    entropy: Entropy

    async def create(self, actor: Actor, organization_id: UUID, terms: KeyTerms, once: Once | None = None) -> NewKey:
        """
        Return a new key of the organization, or the one that the same request was answered with before.

        Args:
            actor: who creates it: a user, or the operator.
            organization_id: whose key it is.
            terms: what it is to be.
            once: the caller's idempotency key, with the body.

        Raises:
            InvalidRequest: a value breaks its limits. Nothing was stored.
            Forbidden: the user's role does not hold one of the scopes. Nothing was stored.
            NotFound: there is no such organization.
            IdempotencyKeyReused, IdempotencyInProgress: see ``AnswerOnce``. Nothing was stored.
            LedgerUnavailable: the database is away. No key is shown; at most one that nobody knows was stored.
        """

        async def work(keep: Keep) -> bytes:
            return msgspec.json.encode(await self._create(actor, organization_id, terms, keep))

        kept = await self.once(actor, organization_id, "POST /v1/keys", once, work)
        return await self._made(actor, organization_id, kept)

    async def _create(self, actor: Actor, organization_id: UUID, terms: KeyTerms, keep: Keep) -> NewKey:
        async with self.accounts.tenant(organization_id) as tenant:
            organization = await tenant.organization()
        now_us = self.clock.now_us()
        networks = check_terms(terms, now_us, organization.plan)
        key = self._new_secret()
        stored = ApiKey(
            id=new_id(self.clock, self.entropy),
            organization_id=organization_id,
            name=terms.name,
            prefix=shown_prefix(key),
            fingerprint=self._fingerprint(key),
            scopes=frozenset(terms.scopes),
            created_us=now_us,
            expires_us=terms.expires_us,
            rate_limit=terms.rate_limit,
            allowed_ips=networks,
        )
        made = NewKey(stored=sealed(self.vault, stored), key=key, made_us=now_us)
        facts = {"allowed_ips": len(networks), "expires_us": terms.expires_us, "rate_limit": terms.rate_limit}
        record = await keep(self._record(actor, "key.created", made.stored, facts), msgspec.json.encode(made))
        async with self.accounts.tenant(organization_id) as tenant:
            await _require_held(tenant, self.vault, actor, stored.scopes)
            await tenant.keys.add(made.stored)
            await tenant.keys.add_event(self._event(actor, "created", stored, now_us))
            await tenant.record(record)
        return made

    async def rotate(
        self, actor: Actor, organization_id: UUID, key_id: UUID, grace_seconds: int, once: Once | None = None
    ) -> NewKey:
        """
        Return a new secret under the same id; the one before works on for *grace_seconds*.

        One secret is current and at most one before it works: rotating again within a grace ends the older one's.

        Args:
            actor: who rotates it: a user, or the operator.
            organization_id: whose key it is.
            key_id: which.
            grace_seconds: 0 (refused at once) to 2,592,000.
            once: the caller's idempotency key, with the body.

        Raises:
            InvalidRequest: the grace is out of its range. Nothing was changed.
            NotFound: the organization has no such key.
            Forbidden: the user's role does not hold one of the key's scopes. Nothing was changed.
            Conflict: the key is revoked or expired, or its row was altered. Nothing was changed.
            IdempotencyKeyReused, IdempotencyInProgress: see ``AnswerOnce``. Nothing was changed.
            LedgerUnavailable: the database is away; the answer to a commit may be lost: rotate again.
        """
        check_grace(grace_seconds)

        async def work(keep: Keep) -> bytes:
            return msgspec.json.encode(await self._rotate(actor, organization_id, key_id, grace_seconds, keep))

        kept = await self.once(actor, organization_id, f"POST /v1/keys/{key_id}/rotate", once, work)
        return await self._made(actor, organization_id, kept)

    async def _made(self, actor: Actor, organization_id: UUID, kept: Kept) -> NewKey:
        made = msgspec.json.decode(kept.answer, type=NewKey)
        if kept.replayed:
            # The role may have changed since: what the user could not obtain now is not handed out again.
            async with self.accounts.tenant(organization_id) as tenant:
                await _require_held(tenant, self.vault, actor, made.stored.scopes)
        return msgspec.structs.replace(made, replayed=kept.replayed)

    async def _rotate(
        self, actor: Actor, organization_id: UUID, key_id: UUID, grace_seconds: int, keep: Keep
    ) -> NewKey:
        key = self._new_secret()
        async with self.accounts.tenant(organization_id) as tenant:
            old = await tenant.keys.one(key_id, lock=True)
            await _require_held(tenant, self.vault, actor, old.scopes)
            now_us = self.clock.now_us()
            self._require_active(old, now_us)
            new = msgspec.structs.replace(
                old,
                prefix=shown_prefix(key),
                fingerprint=self._fingerprint(key),
                previous_fingerprint=old.fingerprint,
                # Without a grace it ends in the past, whatever the clocks of the replicas say.
                previous_until_us=now_us + grace_seconds * SECOND_US if grace_seconds else 0,
            )
            new = sealed(self.vault, new)
            await tenant.keys.save(new)
            await tenant.keys.add_event(self._event(actor, "rotated", new, now_us))
            made = NewKey(stored=new, key=key, made_us=now_us)
            record = self._record(actor, "key.rotated", new, {"grace_seconds": grace_seconds})
            await tenant.record(await keep(record, msgspec.json.encode(made)))
        return made

    async def revoke(self, actor: Actor, organization_id: UUID, key_id: UUID) -> ApiKey:
        """
        Return the key, revoked: refused by every replica within one second. A second time changes nothing.

        Raises:
            NotFound: the organization has no such key.
            LedgerUnavailable: the database is away; the key may or may not be revoked.
        """
        async with self.accounts.tenant(organization_id) as tenant:
            old = await tenant.keys.one(key_id, lock=True)
            if old.revoked_us is not None:
                return old
            now_us = self.clock.now_us()
            new = msgspec.structs.replace(old, revoked_us=now_us)
            # A row that was altered is revoked too, but never made good by a fresh seal.
            new = sealed(self.vault, new) if is_genuine(self.vault, old) else new
            await tenant.keys.save(new)
            await tenant.keys.add_event(self._event(actor, "revoked", new, now_us))
            await tenant.record(self._record(actor, "key.revoked", new, {}))
        return new

    async def page(self, organization_id: UUID, after: UUID | None, limit: int) -> Sequence[KeyFacts]:
        """Return up to *limit* keys made after the key *after*, whatever their state, oldest first."""
        async with self.accounts.tenant(organization_id) as tenant:
            keys = await tenant.keys.page(after, limit)
            return await self._facts(tenant, keys)

    async def one(self, organization_id: UUID, key_id: UUID) -> KeyFacts:
        """
        Return the key.

        Raises:
            NotFound: the organization has none with this id.
        """
        async with self.accounts.tenant(organization_id) as tenant:
            (facts,) = await self._facts(tenant, [await tenant.keys.one(key_id)])
        return facts

    async def history(self, organization_id: UUID, key_id: UUID) -> KeyHistory:
        """
        Return all events of the key, and its usage of the last 90 days.

        Raises:
            NotFound: the organization has none with this id.
        """
        since = self.clock.now_us() // DAY_US - USAGE_DAYS
        async with self.accounts.tenant(organization_id) as tenant:
            await tenant.keys.one(key_id)
            events = await tenant.keys.events(key_id)
            return KeyHistory(events=events, usage=await tenant.usage.since(since, str(key_id)))

    async def _facts(self, tenant: Tenant, keys: Sequence[ApiKey]) -> Sequence[KeyFacts]:
        used = await tenant.usage.last_admitted([str(key.id) for key in keys])
        now_us = self.clock.now_us()
        return [KeyFacts(stored=key, status=status_of(key, now_us), last_used_us=used.get(str(key.id))) for key in keys]

    def _require_active(self, key: ApiKey, now_us: int) -> None:
        status = status_of(key, now_us)
        if status is not KeyStatus.ACTIVE:
            raise Conflict(f"this key is {status}: create a new one")
        if not is_genuine(self.vault, key):
            raise Conflict("this key was altered in the database: revoke it and create a new one")

    def _new_secret(self) -> str:
        return make_api_key(self.entropy.bytes(RANDOMNESS_BYTES))

    def _fingerprint(self, key: str) -> bytes:
        return self.vault.fingerprint(FINGERPRINT_PURPOSE, key.encode())

    def _event(self, actor: Actor, what: str, key: ApiKey, now_us: int) -> KeyEvent:
        return KeyEvent(
            id=new_id(self.clock, self.entropy),
            organization_id=key.organization_id,
            key_id=key.id,
            event=what,
            actor_id=actor.id,
            actor_kind=actor.kind,
            time_us=now_us,
        )

    def _record(self, actor: Actor, what: RecordType, key: ApiKey, facts: dict[str, int | None]) -> Append:
        body = {"key_id": str(key.id), "scopes": sorted(scope.value for scope in key.scopes), **facts}
        return event(self.clock, self.entropy, str(key.organization_id), actor, what, body)


async def _require_held(tenant: Tenant, vault: Vault, actor: Actor, scopes: frozenset[Scope]) -> None:
    """
    Return if *actor* may have a key with *scopes*.

    Raises:
        Forbidden: an API key asks, or a user who is no member any more, was altered, or lacks one of the scopes.
    """
    if actor.kind is ActorKind.SYSTEM:
        return
    if actor.kind is not ActorKind.USER:
        raise Forbidden("API keys cannot do this")
    user = await active_user(tenant, vault, UUID(actor.id))
    if user is None:
        raise Forbidden("your role may not do this")
    require_held(user.role, scopes)
