"""Create an API key: shown once, stored as a fingerprint, on record in the organization's ledger."""

from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.access import Scope
from governlayer_server.domain.account import ApiKey, KeyEvent
from governlayer_server.domain.api_key import RANDOMNESS_BYTES, make_api_key, shown_prefix
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.ledger.record import Actor
from governlayer_server.ports import Clock, Entropy, Vault
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.usecases.authenticate import FINGERPRINT_PURPOSE
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.record_event import event
from governlayer_server.usecases.seal_rows import sealed

MAX_NAME_CHARACTERS = 100


class NewKey(Struct, frozen=True, kw_only=True):
    """The stored key, and the secret that is shown this once."""

    stored: ApiKey
    key: str

    def __repr__(self) -> str:
        """No secret."""
        return f"NewKey({self.stored.id})"


class CreateKey(Struct, frozen=True, kw_only=True):
    """Creates API keys."""

    accounts: AccountStore
    vault: Vault
    clock: Clock
    entropy: Entropy

    async def __call__(self, actor: Actor, organization_id: UUID, name: str, scopes: frozenset[Scope]) -> NewKey:
        """
        Return a new key of the organization.

        Args:
            actor: who creates it.
            organization_id: whose key it is.
            name: 1 to 100 printable characters.
            scopes: at least one.

        Raises:
            InvalidRequest: a value breaks its limits. Nothing was stored.
            NotFound: there is no such organization.
            LedgerUnavailable: the database is away. No key is shown; at most one that nobody knows was stored.
        """
        if not 1 <= len(name.strip()) <= MAX_NAME_CHARACTERS or not name.isprintable():
            fault = Fault("/name", f"1 to {MAX_NAME_CHARACTERS} printable characters")
            raise InvalidRequest(f"name: {fault.detail}", [fault])
        if not scopes:
            fault = Fault("/scopes", f"at least one of {', '.join(Scope)}")
            raise InvalidRequest(f"scopes: {fault.detail}", [fault])
        now_us = self.clock.now_us()
        key = make_api_key(self.entropy.bytes(RANDOMNESS_BYTES))
        stored = ApiKey(
            id=new_id(self.clock, self.entropy),
            organization_id=organization_id,
            name=name,
            prefix=shown_prefix(key),
            fingerprint=self.vault.fingerprint(FINGERPRINT_PURPOSE, key.encode()),
            scopes=scopes,
            created_us=now_us,
        )
        stored = sealed(self.vault, stored)
        noted = KeyEvent(
            id=new_id(self.clock, self.entropy),
            organization_id=organization_id,
            key_id=stored.id,
            event="created",
            actor_id=actor.id,
            actor_kind=actor.kind,
            time_us=now_us,
        )
        body = {"key_id": str(stored.id), "scopes": sorted(scope.value for scope in scopes)}
        async with self.accounts.tenant(organization_id) as tenant:
            await tenant.organization()
            await tenant.keys.add(stored)
            await tenant.keys.add_event(noted)
            await tenant.record(event(self.clock, self.entropy, str(organization_id), actor, "key.created", body))
        return NewKey(stored=stored, key=key)
