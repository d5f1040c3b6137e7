"""Who can write the rows of sessions and one-time tokens becomes nobody else by it (security.md, claims 7 and 10)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv6Address
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from governlayer_server.domain.access import Role
from governlayer_server.domain.account import Purpose, User
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.settings import Settings
from governlayer_server.usecases.email_addresses import email_index, seal_email
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.password_hashes import seal_hash
from governlayer_server.usecases.seal_rows import sealed
from governlayer_server.web.links import Links
from governlayer_server.wiring import Appliance, open_appliance

from tests.fakes.servers import Servers

PASSWORD, OTHERS = "quiet otters vote at nine", "a quite different staple"
YEAR_US = 365 * 24 * 3600 * 1_000_000


class People:
    """An organization with an owner and a viewer, a client of the application, and who writes the tables."""

    def __init__(self, appliance: Appliance, client: httpx.AsyncClient, tables: "asyncpg.Connection[Any]") -> None:
        self.appliance = appliance
        self.client = client
        self.tables = tables
        # Of this test alone: what was counted against others in Redis is none of it.
        self.owners, self.viewers = (f"{uuid4()}@acme.example" for _ in range(2))
        self.acme: Organization
        self.owner: User
        self.viewer: User

    async def start(self) -> "People":
        self.acme = await self.appliance.create_organization("Acme", Plan.FREE, self.owners, PASSWORD)
        async with self.appliance.accounts.tenant(self.acme.id) as tenant:
            (self.owner,) = await tenant.users.all()
        self.viewer = await self._add(self.viewers)
        return self

    async def _add(self, email: str) -> User:
        parts = self.appliance.parts
        user_id = new_id(parts.clock, parts.entropy)
        user = User(
            id=user_id,
            organization_id=self.acme.id,
            role=Role.VIEWER,
            email_sealed=await seal_email(parts.vault, self.acme.id, user_id, email),
            email_index=email_index(parts.vault, email),
            password_hash=await seal_hash(parts.vault, self.acme.id, user_id, await parts.passwords.hash(OTHERS)),
            created_us=parts.clock.now_us(),
        )
        user = sealed(parts.vault, user)
        async with self.appliance.accounts.tenant(self.acme.id) as tenant:
            await tenant.users.add(user)
        return user

    async def rewrite(self, table: str, **changes: object) -> None:
        """Write the only row of *table* anew, with *changes*; both roles can, the runtime role in its tenant."""
        tenant = str(self.acme.id)
        if await self.tables.fetchval("SELECT to_regclass($1) IS NULL", table):
            raise LookupError(table)
        async with self.tables.transaction():
            for name in (tenant, "system"):
                await self.tables.execute("SELECT set_config('governlayer.tenant', $1, true)", name)
                rows = await self.tables.fetch(f"DELETE FROM {table} RETURNING *")
                for row in rows:
                    columns = {**row, **changes}
                    places = ", ".join(f"${number + 1}" for number in range(len(columns)))
                    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"
                    await self.tables.execute(statement, *columns.values())
                if rows:
                    break
            assert len(rows) == 1
        self.appliance.parts.principals.forget(None)

    async def post(self, path: str, body: dict[str, Any], token: str | None = None) -> httpx.Response:
        self.appliance.parts.principals.forget(None)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self.client.post(path, json=body, headers=headers)

    async def sign_in(self, email: str, password: str) -> dict[str, str]:
        answer = await self.post("/v1/auth/login", {"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        pair: dict[str, str] = answer.json()
        return pair

    async def opens(self, pair: dict[str, str]) -> list[int]:
        """What each way of using a session answers."""
        self.appliance.parts.principals.forget(None)
        token = pair["access_token"]
        me = await self.client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        up = await self.post("/v1/auth/step-up", {"password": OTHERS}, token)
        refreshed = await self.post("/v1/auth/refresh", {"refresh_token": pair["refresh_token"]})
        return [me.status_code, up.status_code, refreshed.status_code]


@asynccontextmanager
async def opened(settings: Settings, servers: Servers, role: str) -> AsyncIterator[People]:
    options = (servers.owner if role == "owner" else servers.app).options()
    tables = await asyncpg.connect(**options)
    async with open_appliance(settings) as appliance:
        transport = httpx.ASGITransport(
            app=await appliance.application(settings, Links("http://test")), client=(str(IPv6Address(uuid4().int)), 1)
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield await People(appliance, client, tables).start()
    await tables.close()


@pytest.fixture(params=["owner", "runtime"])
async def people(
    request: pytest.FixtureRequest, migrated: Settings, migrated_database: Servers
) -> AsyncIterator[People]:
    async with opened(migrated, migrated_database, request.param) as made:
        yield made


async def test_a_session_as_the_appliance_wrote_it_opens_also_where_the_row_was_copied(people: People) -> None:
    pair = await people.sign_in(people.viewers, OTHERS)
    await people.rewrite("session")
    assert await people.opens(pair) == [200, 200, 200]


@pytest.mark.parametrize("change", ["user", "authenticated", "created", "seen", "generation", "id", "no-seal", "seal"])
async def test_a_session_whose_row_was_changed_opens_nothing(people: People, change: str) -> None:
    pair = await people.sign_in(people.viewers, OTHERS)
    later = people.appliance.parts.clock.now_us() + 1
    changes: dict[str, dict[str, object]] = {
        "user": {"user_id": people.owner.id},
        "authenticated": {"authenticated_us": later},
        "created": {"created_us": later},
        "seen": {"seen_us": later},
        "generation": {"generation": 7},
        "id": {"id": UUID(int=7)},
        "no-seal": {"seal": b""},
        "seal": {"seal": people.viewer.seal},
    }
    await people.rewrite("session", **changes[change])
    assert await people.opens(pair) == [401, 401, 401]


async def test_a_changed_session_is_neither_listed_nor_made_good_by_the_owner_of_another(people: People) -> None:
    await people.sign_in(people.owners, PASSWORD)
    await people.rewrite("session", user_id=people.viewer.id)
    pair = await people.sign_in(people.viewers, OTHERS)
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    listed = await people.client.get("/v1/auth/sessions", headers=headers)
    assert len(listed.json()["data"]) == 1


@pytest.mark.parametrize("everywhere", [False, True])
async def test_a_session_whose_end_was_wiped_out_stays_ended(people: People, *, everywhere: bool) -> None:
    pair = await people.sign_in(people.viewers, OTHERS)
    done = await people.post("/v1/auth/logout", {"all": everywhere}, pair["access_token"])
    assert done.status_code == 204
    await people.rewrite("session", ended_us=None)
    assert await people.opens(pair) == [401, 401, 401]


@pytest.mark.parametrize("change", ["user", "purpose", "expires", "created", "no-seal", "seal"])
async def test_a_token_whose_row_was_changed_sets_no_password(people: People, change: str) -> None:
    made = await people.appliance.operate_users.reset_token(people.acme.id, people.viewers)
    text = await join_token(people) if change == "purpose" else made.text
    changes: dict[str, dict[str, object]] = {
        "user": {"user_id": people.owner.id},
        "purpose": {"purpose": "reset"},
        "expires": {"expires_us": made.stored.expires_us + YEAR_US},
        "created": {"created_us": 1},
        "no-seal": {"seal": b""},
        "seal": {"seal": people.viewer.seal},
    }
    await people.rewrite("one_time_token", **changes[change])
    taken = "a third and unused staple"
    assert (await people.post("/v1/auth/reset", {"token": text, "new_password": taken})).status_code == 401
    await people.sign_in(people.owners, PASSWORD)
    await people.sign_in(people.viewers, OTHERS)


async def join_token(people: People) -> str:
    """An invitation of the viewer, in place of the token that is there."""
    made = people.appliance.set_up.one_time.make(people.acme.id, Purpose.JOIN, people.viewer.id, YEAR_US)
    async with people.appliance.accounts.tenant(people.acme.id) as tenant:
        await tenant.tokens.drop(people.viewer.id)
        await tenant.tokens.add(made.stored)
    return made.text


@pytest.mark.parametrize("change", [{}, {"plan": "enterprise"}, {"expires_us": 2**52}, {"purpose": "setup"}])
async def test_a_founding_token_whose_row_was_changed_founds_nothing(people: People, change: dict[str, object]) -> None:
    text = await people.appliance.manage_organizations.invite(Plan.STARTER)
    await people.rewrite("one_time_token", **change)
    body = {"email": "eve@evil.example", "password": PASSWORD, "organization": "Evil", "invite": text}
    answer = await people.post("/v1/auth/register", body)
    assert answer.status_code == (401 if change else 201), answer.text
    assert len(await people.appliance.accounts.organizations()) == (1 if change else 2)


@pytest.mark.parametrize("change", ["none", "user", "expires"])
async def test_an_invitation_whose_row_was_changed_lets_nobody_join(people: People, change: str) -> None:
    pair = await people.sign_in(people.owners, PASSWORD)
    body = {"email": "new@acme.example", "role": "viewer"}
    made = await people.post("/v1/users", body, pair["access_token"])
    assert made.status_code == 201, made.text
    changes: dict[str, dict[str, object]] = {
        "none": {},
        "user": {"user_id": people.viewer.id},
        "expires": {"expires_us": 2**52},
    }
    await people.rewrite("one_time_token", **changes[change])
    token = made.json().get("invite") or made.json().get("token")
    joined = await people.post("/v1/auth/register", {"email": body["email"], "password": PASSWORD, "invite": token})
    assert joined.status_code == (201 if change == "none" else 401), joined.text
