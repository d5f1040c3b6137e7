"""Read users: the members of an organization, and the caller."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.access import Principal
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.domain.organization import Organization
from governlayer_server.ports import Vault
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.usecases.email_addresses import open_email
from governlayer_server.usecases.members import Member, shown


class Caller(Struct, frozen=True, kw_only=True):
    """Who asks: the principal, their organization, and the e-mail address of a user."""

    principal: Principal
    organization: Organization
    email: str | None

    def __repr__(self) -> str:
        """No address."""
        return f"Caller({self.principal.id})"


class ReadUsers(Struct, frozen=True, kw_only=True):
    """Reads the members of an organization."""

    accounts: AccountStore
    vault: Vault

    async def page(self, organization_id: UUID, limit: int, after: UUID | None) -> Sequence[Member]:
        """Return up to *limit* members after the id *after*, in the order of their ids, which is that of time."""
        async with self.accounts.tenant(organization_id) as tenant:
            users = await tenant.users.page(after, limit)
        return [await shown(self.vault, user) for user in users]

    async def one(self, organization_id: UUID, user_id: UUID) -> Member:
        """
        Return the member.

        Raises:
            NotFound: the organization has none with this id.
        """
        async with self.accounts.tenant(organization_id) as tenant:
            user = await tenant.users.one(user_id)
        return await shown(self.vault, user)

    async def caller(self, principal: Principal) -> Caller:
        """Return who *principal* is."""
        email = None
        async with self.accounts.tenant(principal.organization_id) as tenant:
            organization = await tenant.organization()
            if principal.kind is ActorKind.USER:
                email = await open_email(self.vault, await tenant.users.one(principal.user_id))
        return Caller(principal=principal, organization=organization, email=email)
