"""Refresh the signing keys: what entered or left service by another process is known here within a moment."""

from msgspec import Struct

from governlayer_server.ports.ledger_keys import KeyMaker, LedgerKeyStore


class RefreshKeys(Struct, frozen=True, kw_only=True):
    """Done every second by every process that signs."""

    keys: LedgerKeyStore
    maker: KeyMaker

    async def __call__(self) -> None:
        """
        Sign with the keys that are in service now.

        Raises:
            LedgerUnavailable: the database is away; the keys stay as they were.
            CipherError: a seed does not open; the keys stay as they were.
        """
        self.maker.renew(await self.keys.all())
