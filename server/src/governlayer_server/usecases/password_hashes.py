"""Hashes of passwords: stored encrypted, so that a stolen database gives nothing to guess at."""

from uuid import UUID

from governlayer_server.domain.account import User
from governlayer_server.domain.errors import CipherError
from governlayer_server.ports import Place, Vault


async def seal_hash(vault: Vault, organization_id: UUID, user_id: UUID, made: str) -> bytes:
    """Return the hash *made* encrypted for the row of the user."""
    return await vault.seal(_place(organization_id, user_id), made.encode())


async def open_hash(vault: Vault, user: User) -> str | None:
    """Return the hash of the user's password; None where there is none, or none that opens."""
    if user.password_hash is None:
        return None
    try:
        return (await vault.open(_place(user.organization_id, user.id), user.password_hash)).decode()
    except CipherError:
        return None


def _place(organization_id: UUID, user_id: UUID) -> Place:
    return Place(organization_id=organization_id, table="app_user", column="password_hash", row=str(user_id))
