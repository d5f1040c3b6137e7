"""Authenticate: find the principal behind an API key."""

import hmac

from msgspec import Struct

from governlayer_server.domain.access import Principal
from governlayer_server.domain.account import ApiKey
from governlayer_server.domain.api_key import check_api_key
from governlayer_server.domain.errors import NotAuthenticated
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.ports import AccountStore, Clock, Vault

FINGERPRINT_PURPOSE = "api-key"


def seal_of(vault: Vault, key: ApiKey) -> bytes:
    """Return the keyed check of *key*: it covers id, organization, fingerprint, scopes and expiry."""
    facts = [str(key.id), str(key.organization_id), key.fingerprint.hex(), *sorted(key.scopes), str(key.expires_us)]
    return vault.fingerprint("api-key-row", "\n".join(facts).encode())


class Authenticate(Struct, frozen=True, kw_only=True):
    """Checks credentials."""

    accounts: AccountStore
    vault: Vault
    clock: Clock

    async def __call__(self, credential: str) -> Principal:
        """
        Return the principal that *credential* belongs to.

        Raises:
            NotAuthenticated: unknown, malformed, revoked or expired; the text never says which.
            LedgerUnavailable: the database is away.
        """
        key = check_api_key(credential)
        found = await self.accounts.find_key(self.vault.fingerprint(FINGERPRINT_PURPOSE, key.encode()))
        if found is None:
            raise NotAuthenticated("the credential is not valid")
        stored, organization = found
        expired = stored.expires_us is not None and stored.expires_us <= self.clock.now_us()
        genuine = hmac.compare_digest(stored.seal, seal_of(self.vault, stored))
        if expired or stored.revoked_us is not None or not genuine:
            raise NotAuthenticated("the credential is not valid")
        return Principal(
            kind=ActorKind.API_KEY,
            id=str(stored.id),
            organization_id=organization.id,
            plan=organization.plan,
            scopes=stored.scopes,
            organization_created_us=organization.created_us,
        )
