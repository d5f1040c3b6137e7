"""Set up: as long as nobody has an organization here, whoever started the appliance may found the first one."""

from msgspec import Struct

from governlayer_server.domain.account import Purpose
from governlayer_server.domain.times import MINUTE_US
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.usecases.one_time_tokens import OneTimeTokens

SET_UP_MINUTES = 30


class SetUp(Struct, frozen=True, kw_only=True):
    """Makes the one-time set-up token."""

    accounts: AccountStore
    one_time: OneTimeTokens

    async def __call__(self) -> str | None:
        """
        Return a token that founds the first organization within 30 minutes, or None where there is one already.

        Tokens of earlier starts are good for nothing from then on, whether they were shown to anybody or not.

        Raises:
            LedgerUnavailable: the database is away.
        """
        there_is_one = bool(await self.accounts.organizations())
        made = self.one_time.make(None, Purpose.SETUP, None, SET_UP_MINUTES * MINUTE_US)
        async with self.accounts.tenant(None) as deployment:
            await deployment.tokens.drop_all(Purpose.SETUP)
            if there_is_one:
                return None
            await deployment.tokens.add(made.stored)
        return made.text
