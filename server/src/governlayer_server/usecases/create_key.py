"""Create an API key: shown once, stored as a fingerprint, on record in the organization's ledger."""

from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.access import Scope
from governlayer_server.domain.account import ApiKey
from governlayer_server.domain.api_key import RANDOMNESS_BYTES, make_api_key, shown_prefix
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.ledger.record import Actor
from governlayer_server.ports import AccountStore, Clock, Entropy, LedgerStore, Vault
from governlayer_server.usecases.authenticate import FINGERPRINT_PURPOSE, seal_of
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.record_event import record_event

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
    ledger: LedgerStore
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
            LedgerUnavailable: the database is away; a key that was stored but not recorded is never shown.
        """
        if not 1 <= len(name.strip()) <= MAX_NAME_CHARACTERS or not name.isprintable():
            fault = Fault("/name", f"1 to {MAX_NAME_CHARACTERS} printable characters")
            raise InvalidRequest(f"name: {fault.detail}", [fault])
        if not scopes:
            fault = Fault("/scopes", f"at least one of {', '.join(Scope)}")
            raise InvalidRequest(f"scopes: {fault.detail}", [fault])
        organization = await self.accounts.organization(organization_id)
        now_us = self.clock.now_us()
        key = make_api_key(self.entropy.bytes(RANDOMNESS_BYTES))
        stored = ApiKey(
            id=new_id(self.clock, self.entropy),
            organization_id=organization.id,
            name=name,
            prefix=shown_prefix(key),
            fingerprint=self.vault.fingerprint(FINGERPRINT_PURPOSE, key.encode()),
            scopes=scopes,
            created_us=now_us,
        )
        stored = replace(stored, seal=seal_of(self.vault, stored))
        await self.accounts.add_key(stored)
        body = {"key_id": str(stored.id), "scopes": sorted(scope.value for scope in scopes)}
        await record_event(self.ledger, self.clock, self.entropy, str(organization.id), actor, "key.created", body)
        return NewKey(stored=stored, key=key)
