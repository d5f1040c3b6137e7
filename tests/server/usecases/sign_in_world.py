"""A user who can sign in, over an appliance in memory."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
import pyotp
from governlayer_server.domain.access import Principal
from governlayer_server.domain.account import Session, User
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.usecases.create_organization import origin_of
from governlayer_server.usecases.seal_rows import sealed
from governlayer_server.usecases.session_tokens import SignedIn
from msgspec.structs import replace

from tests.fakes.appliance import DEPLOYMENT, FakeAppliance

EMAIL, PASSWORD, NEW = "ann@acme.example", "correct horse battery", "a quite different staple"
HOME, CAFE = "192.0.2.7", "198.51.100.9"
STEP_US = 30_000_000


@dataclass
class World:
    """One organization with one owner who has a password."""

    made: FakeAppliance = field(default_factory=FakeAppliance)
    secret: str = ""
    recovery: tuple[str, ...] = ()

    async def start(self) -> "World":
        await self.made.ledger.create(SYSTEM_LEDGER, None, origin_of(DEPLOYMENT, SYSTEM_LEDGER))
        self.acme: Organization = await self.made.create_organization("Acme", Plan.PRO, EMAIL, PASSWORD)
        return self

    @property
    def user(self) -> User:
        (found,) = [one for one in self.made.accounts.rows.users.values() if one.organization_id == self.acme.id]
        return found

    @property
    def sessions(self) -> list[Session]:
        return [one for one in self.made.accounts.rows.sessions.values() if one.ended_us is None]

    def change_user(self, *, seal: bool = True, **changes: Any) -> None:
        """Change the row; without *seal* as somebody does who can only write the table."""
        user = replace(self.user, **changes)
        self.made.accounts.rows.users[user.id] = sealed(self.made.vault, user) if seal else user

    def close_organization(self) -> None:
        rows = self.made.accounts.rows.organizations
        rows[self.acme.id] = replace(rows[self.acme.id], closed_us=self.made.clock.now_us())

    async def sign_in(
        self, email: str = EMAIL, password: str = PASSWORD, code: str | None = None, address: str = HOME
    ) -> SignedIn:
        return await self.made.identity.sign_in(email, password, code, address)

    async def principal(self, signed_in: SignedIn | None = None) -> Principal:
        return await self.made.authenticate((signed_in or await self.sign_in()).access_token)

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).generate_otp(self.made.clock.now_us() // STEP_US + steps)

    async def with_totp(self) -> Principal:
        """Put a second factor in force; the next codes are those of the next step."""
        principal = await self.principal()
        self.secret = (await self.made.identity.totp.begin(principal)).secret
        self.recovery = await self.made.identity.totp.confirm(principal, self.code())
        self.made.clock.advance(STEP_US)
        return principal

    async def events(self, ledger_id: UUID | str | None = None) -> list[dict[str, Any]]:
        """The bodies of ``user.changed`` in the organization's ledger, or in another."""
        name = str(ledger_id or self.acme.id)
        records = await self.made.ledger.records(name, -1, 1000, RecordFilter(type="user.changed"))
        return [msgspec.json.decode(record.canonical)["body"] for record in records]

    async def named(self, name: str) -> list[dict[str, Any]]:
        return [one for one in await self.events() if one["event"] == name]
