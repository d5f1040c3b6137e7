"""``ports.AccountStore``, ``ports.PolicyStore`` and a table of data keys, in memory."""

from collections.abc import Sequence
from uuid import UUID

from governlayer_server.domain.account import ApiKey, Organization, User
from governlayer_server.domain.errors import Fault, InvalidRequest, NotFound
from governlayer_server.ports import LedgerStore


class MemoryAccountStore:
    def __init__(self, ledger: LedgerStore) -> None:
        self._ledger = ledger
        self._organizations: dict[UUID, Organization] = {}
        self.users: dict[UUID, User] = {}
        self._keys: list[ApiKey] = []

    async def add_organization(self, organization: Organization, owner: User, origin: str) -> None:
        if any(one.name == organization.name for one in self._organizations.values()):
            fault = Fault("/name", "an organization with this name exists")
            raise InvalidRequest(fault.detail, [fault])
        if any(one.email_index == owner.email_index for one in self.users.values()):
            fault = Fault("/owner_email", "a user with this e-mail address exists")
            raise InvalidRequest(fault.detail, [fault])
        self._organizations[organization.id] = organization
        self.users[owner.id] = owner
        await self._ledger.create(str(organization.id), organization.id, origin)

    async def organization(self, organization_id: UUID) -> Organization:
        if organization_id not in self._organizations:
            raise NotFound("there is no such organization")
        return self._organizations[organization_id]

    async def organizations(self) -> Sequence[Organization]:
        return sorted(self._organizations.values(), key=lambda one: one.created_us)

    async def add_key(self, key: ApiKey) -> None:
        self._keys.append(key)

    async def keys(self, organization_id: UUID) -> Sequence[ApiKey]:
        mine = [key for key in self._keys if key.organization_id == organization_id]
        return sorted(mine, key=lambda key: key.created_us)

    async def find_key(self, fingerprint: bytes) -> tuple[ApiKey, Organization] | None:
        for key in self._keys:
            if key.fingerprint == fingerprint:
                return key, await self.organization(key.organization_id)
        return None


class MemoryPolicyStore:
    def __init__(self) -> None:
        self._versions: dict[str, int] = {}

    async def version_of(self, text_hash: str, text: str, now_us: int) -> tuple[int, bool]:
        fresh = text_hash not in self._versions
        return self._versions.setdefault(text_hash, len(self._versions) + 1), fresh


class MemoryDataKeys:
    """Where ``EnvelopeVault`` keeps its wrapped data keys."""

    def __init__(self) -> None:
        self.wrapped: dict[UUID | None, bytes] = {}

    async def __call__(self, organization_id: UUID | None, fresh: bytes) -> bytes:
        return self.wrapped.setdefault(organization_id, fresh)
