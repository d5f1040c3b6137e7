"""E-mail addresses: stored encrypted, found by a keyed blind index; one address in other letters is the same one."""

from collections.abc import Sequence
from uuid import UUID

from governlayer_server.domain.account import User
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.ports import Place, Vault
from governlayer_server.ports.accounts import AccountStore

MAX_EMAIL_CHARACTERS = 254
TAKEN = "a user with this e-mail address exists"


def email_faults(email: str, pointer: str) -> list[Fault]:
    """Return what is wrong with *email*, which stands at *pointer* of a body: nothing, or one fault."""
    plain = email.isprintable() and " " not in email
    if plain and len(email) <= MAX_EMAIL_CHARACTERS and email.count("@") == 1 and all(email.split("@")):
        return []
    return [Fault(pointer, f"an e-mail address of at most {MAX_EMAIL_CHARACTERS} characters")]


def email_index(vault: Vault, email: str) -> bytes:
    """Return the blind index of *email*: equal for equal addresses, useless without the pepper."""
    return email_indexes(vault, email)[0]


def email_indexes(vault: Vault, email: str) -> Sequence[bytes]:
    """Return the blind indexes by which *email* may be stored, that of the pepper in service first."""
    return vault.fingerprints("email", email.casefold().encode("utf-8", "surrogatepass"))


async def require_free(accounts: AccountStore, vault: Vault, email: str, pointer: str) -> None:
    """
    Return if *email* is nobody's under another pepper than the one in service; that one is looked after at the end.

    Raises:
        InvalidRequest: it belongs to a user already.
    """
    others = email_indexes(vault, email)[1:]
    if others and await accounts.organization_of_user(*others) is not None:
        fault = Fault(pointer, TAKEN)
        raise InvalidRequest(fault.detail, [fault])


async def seal_email(vault: Vault, organization_id: UUID, user_id: UUID, email: str) -> bytes:
    """Return *email* encrypted for the row of the user."""
    return await vault.seal(_place(organization_id, user_id), email.encode())


async def open_email(vault: Vault, user: User) -> str:
    """Return the e-mail address of *user*."""
    return (await vault.open(_place(user.organization_id, user.id), user.email_sealed)).decode()


def _place(organization_id: UUID, user_id: UUID) -> Place:
    return Place(organization_id=organization_id, table="app_user", column="email_sealed", row=str(user_id))
