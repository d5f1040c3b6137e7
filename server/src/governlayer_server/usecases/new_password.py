"""What a user's new password must be, with what is known of the user."""

from msgspec import Struct

from governlayer_server.domain.account import User
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.password import about_user, check_new_password
from governlayer_server.ports import CommonPasswords, Vault
from governlayer_server.usecases.email_addresses import open_email


class NewPassword(Struct, frozen=True, kw_only=True):
    """Checks new passwords."""

    vault: Vault
    common: CommonPasswords

    def check_alone(self, password: str, pointer: str) -> None:
        """
        Return if *password*, which stands at *pointer*, may be somebody's.

        Raises:
            InvalidRequest: it is too short, too long or common. No part of it is repeated.
        """
        check_new_password(password, pointer, about=(), guessable=self.common.guessable)

    async def check(self, password: str, pointer: str, user: User, organization: Organization) -> None:
        """
        Return if *password* may be the new one of *user*.

        Raises:
            InvalidRequest: as ``check_alone``, or it is built around the user's address or organization.
        """
        about = about_user(await open_email(self.vault, user), organization.name)
        check_new_password(password, pointer, about=about, guessable=self.common.guessable)
