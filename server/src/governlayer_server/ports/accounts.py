"""
Organizations and what belongs to them, as the use cases see it: all of it inside one transaction of one tenant.

What is changed and what is recorded of it on the ledgers becomes durable together or not at all.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
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
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.stale import Stale
from governlayer_server.ports.ledger import Append


class Users(Protocol):
    """The members of the tenant."""

    async def all(self) -> Sequence[User]:
        """Return all, oldest first."""

    async def page(self, after: UUID | None, limit: int) -> Sequence[User]:
        """Return up to *limit* users in the order of their ids: as they were added."""

    async def one(self, user_id: UUID, *, lock: bool = False) -> User:
        """
        Return the user; *lock* keeps others from changing it until the transaction ends.

        Raises:
            NotFound: the tenant has none with this id.
        """

    async def by_email(self, *email_indexes: bytes) -> User | None:
        """Return the user with one of these blind indexes."""

    async def add(self, user: User) -> None:
        """
        Store *user*.

        Raises:
            InvalidRequest: the e-mail address belongs to a user already, of this or another organization.
        """

    async def save(self, user: User) -> None:
        """Store the changed *user*; id, organization, address and creation never change."""

    async def rewrite(self, user: User) -> None:
        """Store *user*, who is the same as before: encrypted, indexed or sealed with other keys, the address too."""

    async def remove(self, user_id: UUID) -> None:
        """Remove the user with sessions and one-time tokens."""

    async def is_familiar(self, user_id: UUID, address: bytes, since_us: int) -> bool:
        """Return whether the user has signed in from the address with this fingerprint since *since_us*."""

    async def remember_address(self, user_id: UUID, address: bytes, now_us: int) -> None:
        """Note that the user has signed in from there now."""


class Sessions(Protocol):
    """Sign-ins."""

    async def one(self, session_id: UUID, *, lock: bool = False) -> Session | None:
        """Return the session, if the tenant has it."""

    async def of_user(self, user_id: UUID) -> Sequence[Session]:
        """Return the sessions that have not been ended, newest first."""

    async def add(self, session: Session) -> None:
        """Store *session*."""

    async def save(self, session: Session) -> None:
        """Store the changed *session*."""

    async def marked(self, mark: bytes, limit: int) -> Sequence[Session]:
        """Return up to *limit* sessions that have not been ended and whose seals are under the pepper of *mark*."""

    async def renew(self, session: Session) -> None:
        """Store *session*, which is the same as before: sealed with another pepper."""

    async def end_all(self, user_id: UUID, now_us: int, *, but: UUID | None = None) -> None:
        """End all sessions of the user, except *but*; as ``Session.ended``, without their seals."""


class OneTimeTokens(Protocol):
    """One-time tokens."""

    async def add(self, token: OneTimeToken) -> None:
        """Store *token*."""

    async def find(self, fingerprint: bytes, now_us: int) -> OneTimeToken | None:
        """Return the token and leave it as it is, unless it is unknown, used or expired."""

    async def take(self, fingerprint: bytes, now_us: int) -> OneTimeToken | None:
        """Return the token and mark it used, unless it is unknown, used or expired: two takers get it once."""

    async def all(self) -> Sequence[OneTimeToken]:
        """Return all tokens, whatever their state."""

    async def renew(self, token: OneTimeToken) -> None:
        """Store *token*, which is the same as before: sealed with another pepper."""

    async def drop(self, user_id: UUID) -> None:
        """Make all tokens of the user useless."""

    async def drop_all(self, purpose: Purpose) -> None:
        """Make all tokens for *purpose* useless."""


class Keys(Protocol):
    """API keys."""

    async def all(self) -> Sequence[ApiKey]:
        """Return all, whatever their state, oldest first."""

    async def page(self, after: UUID | None, limit: int) -> Sequence[ApiKey]:
        """Return up to *limit* keys, whatever their state, in the order of their ids: as they were made."""

    async def one(self, key_id: UUID, *, lock: bool = False) -> ApiKey:
        """
        Return the key.

        Raises:
            NotFound: the tenant has none with this id.
        """

    async def by_fingerprint(self, *fingerprints: bytes) -> ApiKey | None:
        """Return the key whose present or previous secret has one of these fingerprints, whatever its state."""

    async def add(self, key: ApiKey) -> None:
        """Store *key*."""

    async def save(self, key: ApiKey) -> None:
        """Store the changed *key*; id, organization, scopes and creation never change."""

    async def renew(self, key: ApiKey) -> None:
        """Store *key*, which is the same as before: fingerprints and seal are made with another pepper."""

    async def add_event(self, event: KeyEvent) -> None:
        """Store *event*."""

    async def events(self, key_id: UUID) -> Sequence[KeyEvent]:
        """Return all events of the key, oldest first."""


class Usage(Protocol):
    """How much was asked, per principal and day."""

    async def add(self, counts: Sequence[UsageCount]) -> None:
        """Add to what is stored."""

    async def since(self, day: int, principal_id: str | None = None) -> Sequence[UsageCount]:
        """Return the counts from *day* on, of one principal or of all, by day, principal and outcome."""

    async def last_admitted(self, principal_ids: Sequence[str]) -> Mapping[str, int]:
        """Return when a request of each of these principals was last admitted; those without any are left out."""


class Tenant(Protocol):
    """One transaction of one tenant; nothing of another tenant can be seen or changed in it."""

    @property
    def users(self) -> Users:
        """The members."""

    @property
    def sessions(self) -> Sessions:
        """The sign-ins."""

    @property
    def tokens(self) -> OneTimeTokens:
        """The one-time tokens."""

    @property
    def deployment_tokens(self) -> OneTimeTokens:
        """The one-time tokens of the deployment itself, in this transaction: an organization is founded with one."""

    @property
    def keys(self) -> Keys:
        """The API keys."""

    @property
    def usage(self) -> Usage:
        """How much was asked."""

    async def organization(self, *, lock: bool = False) -> Organization:
        """
        Return the tenant's organization.

        Raises:
            NotFound: there is none.
        """

    async def add_organization(self, organization: Organization, origin: str) -> None:
        """Store the tenant's organization and its empty ledger with this *origin*."""

    async def save_organization(self, organization: Organization) -> None:
        """Store the changed organization; id and creation never change."""

    async def remove_stale(self, stale: Stale, limit: int) -> int:
        """Remove up to *limit* rows of each kind that are *stale*; return how many went of the kind that lost most."""

    async def record(self, append: Append) -> None:
        """
        Append a record to the tenant's own ledger or to the system ledger, durable with the rest of the transaction.

        Comes last: it holds the ledger's head until the transaction ends.

        Raises:
            NotFound: there is no such ledger.
            LedgerFormatError: the record would break the format. Nothing was changed.
        """


class AccountStore(Protocol):
    """Opens transactions, and answers what is asked before the tenant is known."""

    def tenant(self, organization_id: UUID | None) -> AbstractAsyncContextManager[Tenant]:
        """
        Open a transaction of the organization, or of the deployment itself (None): all or nothing.

        After the commit every replica forgets what it keeps of the organization's principals, where anything changed
        that decides who may do what. Inside, the vault has the tenant's data key at hand.

        Raises:
            LedgerUnavailable: the database is away; where that is at the commit, nothing is promised.
        """

    async def organization_of_key(self, *fingerprints: bytes) -> UUID | None:
        """Return whose the API key with one of these fingerprints is, if there is one, whatever its state."""

    async def organization_of_user(self, *email_indexes: bytes) -> UUID | None:
        """Return whose member the user with one of these blind indexes is, if there is one."""

    async def organizations_with_bare_hashes(self) -> Sequence[UUID]:
        """Return which organizations have users whose password hashes an earlier version stored as they are."""

    async def organizations(self) -> Sequence[Organization]:
        """Return all organizations, oldest first: the operator's view."""
