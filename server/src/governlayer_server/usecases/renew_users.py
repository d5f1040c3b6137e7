"""Renew the rows of users: encrypted, indexed and sealed with the keys that are in service."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from governlayer_server.domain.account import User
from governlayer_server.domain.errors import NotFound
from governlayer_server.ports import RotatingVault, Vault
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.usecases.email_addresses import email_index, open_email
from governlayer_server.usecases.password_hashes import seal_hash
from governlayer_server.usecases.seal_rows import is_genuine, sealed, was_sealed_as_text
from governlayer_server.usecases.second_factor import place_of

_SEALED = ("email_sealed", "totp_sealed", "totp_pending", "password_hash")
_PAGE = 50


async def seal_bare_hashes(accounts: AccountStore, vault: Vault) -> None:
    """
    Encrypt the password hashes that an earlier version stored as they are.

    A row that is not as that version wrote it is never made good: it gets no seal.
    """
    for organization_id in await accounts.organizations_with_bare_hashes():
        async with accounts.tenant(organization_id) as tenant:
            ids = [user.id for user in await tenant.users.all() if _is_bare(user.password_hash)]
        for user_id in ids:
            async with accounts.tenant(organization_id) as tenant:
                user = await tenant.users.one(user_id, lock=True)
                bare = user.password_hash
                if bare is None or not _is_bare(bare):
                    continue
                was_genuine = was_sealed_as_text(vault, user, bare.decode())
                user = replace(user, password_hash=await seal_hash(vault, organization_id, user.id, bare.decode()))
                await tenant.users.rewrite(sealed(vault, user) if was_genuine else replace(user, seal=b""))


def _is_bare(stored: bytes | None) -> bool:
    return stored is not None and stored.startswith(b"$")


async def renew_users(accounts: AccountStore, vault: RotatingVault, organization_id: UUID) -> int:
    """
    Renew the rows of all users of the organization, each in a transaction of its own; return how many there are.

    Raises:
        CipherError: a row was altered, so that it does not open. It is as it was, and those before it are renewed.
    """
    after, count = None, 0
    while True:
        async with accounts.tenant(organization_id) as tenant:
            page = await tenant.users.page(after, _PAGE)
        for user in page:
            async with accounts.tenant(organization_id) as tenant:
                await _renew(tenant, vault, user.id)
        count += len(page)
        if len(page) < _PAGE:
            return count
        after = page[-1].id


async def _renew(tenant: Tenant, vault: RotatingVault, user_id: UUID) -> None:
    with suppress(NotFound):  # removed meanwhile
        user = await tenant.users.one(user_id, lock=True)
        if (renewed := await _renewed(vault, user)) != user:
            await tenant.users.rewrite(renewed)


async def _renewed(vault: RotatingVault, user: User) -> User:
    changes = dict[str, Any]()
    for column in _SEALED:
        value = getattr(user, column)
        if value is not None and not await vault.is_current(user.organization_id, value):
            place = place_of(user, column)
            changes[column] = await vault.reseal(place, value)
    if vault.is_outdated(user.email_index):
        changes["email_index"] = email_index(vault, await open_email(vault, user))
    renewed = replace(user, **changes)
    if is_genuine(vault, user):
        return sealed(vault, renewed)
    return replace(renewed, seal=b"") if vault.is_outdated(user.seal) else renewed
