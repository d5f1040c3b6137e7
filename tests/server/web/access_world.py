"""Every route of the application with a request that succeeds, by whoever may make it, and those who try."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pyotp
from governlayer_server.console.pages import Assets
from governlayer_server.domain.access import STEP_UP_US, Role, Scope
from governlayer_server.domain.account import User
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.usecases.manage_holds import HoldTerms
from governlayer_server.usecases.password_hashes import seal_hash
from governlayer_server.usecases.seal_rows import sealed
from governlayer_server.web.edge import Edge
from msgspec.structs import replace

from tests.fakes.appliance import action, principal_of
from tests.fakes.people import PASSWORD, add_user, principal_for, sign_in
from tests.server.web.conftest import METRICS_TOKEN, QUESTION, Site, bearer

NEW_PASSWORD = "quiet otters vote at eleven"
STEP_US = 30_000_000
Place = tuple[str, str]
Asked = tuple[str, Any]


class Credential(NamedTuple):
    """What comes with a request; *lately* is whether the user has just shown password and code."""

    scope: Scope | None = None
    role: Role | None = None
    lately: bool = True
    garbage: str = ""

    @property
    def name(self) -> str:
        if self.scope:
            return f"key:{self.scope}"
        return f"{self.role}:{'fresh' if self.lately else 'old'}" if self.role else self.garbage or "none"


CREDENTIALS = (
    Credential(),
    *(Credential(garbage=one) for one in ("gl_" + "0" * 36, "a.b.c", "x")),
    *(Credential(scope=scope) for scope in Scope),
    *(Credential(role=role, lately=lately) for role in Role for lately in (True, False)),
)


@dataclass
class World:
    """An application of its own for each place, so that no limit of requests is met."""

    site: Site
    client: httpx.AsyncClient
    acme: Organization
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1_000)))

    async def member(self, role: Role, *, joined: bool = True) -> User:
        """Return a member; who has joined has ``PASSWORD``."""
        made = self.site.appliance
        user = await add_user(made, self.acme, role, joined=joined)
        if joined:
            hashed = await seal_hash(made.vault, user.organization_id, user.id, await made.passwords.hash(PASSWORD))
            user = sealed(made.vault, replace(user, password_hash=hashed))
            made.accounts.rows.users[user.id] = user
        return user

    async def headers(self, credential: Credential) -> tuple[dict[str, str], User | None]:
        made = self.site.appliance
        if credential.scope:
            return bearer(await made.key_for(self.acme, credential.scope)), None
        if credential.role:
            user = await self.member(credential.role)
            moment = made.clock.now_us() - (0 if credential.lately else STEP_UP_US + 1)
            return bearer(await sign_in(made, user, authenticated_us=moment)), user
        return bearer(credential.garbage) if credential.garbage else {}, None

    def address(self) -> str:
        return f"new{next(self.numbers)}@example.org"

    async def signed_in(self) -> dict[str, Any]:
        email = f"{(await self.member(Role.VIEWER)).id}@example.org"
        answer = await self.client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
        return {**answer.json(), "email": email}

    async def pending_code(self, user: User | None, *, in_force: bool = False) -> str:
        """Return a code of a second factor that *user* has begun, or has."""
        if user is None:
            return "000000"
        made = self.site.appliance
        (session,) = [one for one in made.accounts.rows.sessions.values() if one.user_id == user.id]
        principal = replace(principal_for(user, self.acme), session_id=session.id)
        totp = pyotp.TOTP((await made.identity.totp.begin(principal)).secret)
        if in_force:
            await made.identity.totp.confirm(principal, totp.at(made.clock.now_us() // 1_000_000))
            made.clock.advance(STEP_US)
        return totp.at(made.clock.now_us() // 1_000_000)


async def _key_path(world: World, ending: str = "") -> str:
    made = await world.site.appliance.manage_keys.create(
        SYSTEM, world.acme.id, KeyTerms(name="key", scopes=[Scope.GOVERN])
    )
    return f"/v1/keys/{made.stored.id}{ending}"


async def _register(world: World, _: User | None) -> Asked:
    invite = await world.site.appliance.manage_organizations.invite(Plan.PRO)
    return "/v1/auth/register", {
        "organization": "New", "email": world.address(), "password": PASSWORD, "invite": invite
    }  # fmt: skip


async def _login(world: World, _: User | None) -> Asked:
    email = f"{(await world.member(Role.VIEWER)).id}@example.org"
    return "/v1/auth/login", {"email": email, "password": PASSWORD}


async def _refresh(world: World, _: User | None) -> Asked:
    return "/v1/auth/refresh", {"refresh_token": (await world.signed_in())["refresh_token"]}


async def _reset(world: World, _: User | None) -> Asked:
    user = await world.member(Role.VIEWER)
    made = await world.site.appliance.operate_users.reset_token(world.acme.id, f"{user.id}@example.org")
    return "/v1/auth/reset", {"token": made.text, "new_password": NEW_PASSWORD}


async def _forgot(world: World, _: User | None) -> Asked:
    return "/v1/auth/forgot", {"email": world.address()}


async def _password(_: World, __: User | None) -> Asked:
    return "/v1/auth/password", {"password": PASSWORD, "new_password": NEW_PASSWORD}


async def _step_up(_: World, __: User | None) -> Asked:
    return "/v1/auth/step-up", {"password": PASSWORD}


async def _end_session(world: World, user: User | None) -> Asked:
    owner = user or await world.member(Role.VIEWER)
    await sign_in(world.site.appliance, owner)
    sessions = world.site.appliance.accounts.rows.sessions.values()
    return f"/v1/auth/sessions/{[one.id for one in sessions if one.user_id == owner.id][-1]}", None


async def _confirm_totp(world: World, user: User | None) -> Asked:
    return "/v1/auth/totp/confirm", {"code": await world.pending_code(user)}


async def _remove_totp(world: World, user: User | None) -> Asked:
    return "/v1/auth/totp", {"code": await world.pending_code(user, in_force=True)}


async def _govern(_: World, __: User | None) -> Asked:
    return "/v1/govern", QUESTION


async def _create_key(_: World, __: User | None) -> Asked:
    return "/v1/keys", {"name": "n", "scopes": ["govern"]}


async def _key(world: World, _: User | None) -> Asked:
    return await _key_path(world), None


async def _rotate(world: World, _: User | None) -> Asked:
    return await _key_path(world, "/rotate"), {"grace_seconds": 0}


async def _key_events(world: World, _: User | None) -> Asked:
    return await _key_path(world, "/events"), None


async def _create_hold(_: World, __: User | None) -> Asked:
    return "/v1/privacy/legal-holds", {"reason": "why"}


async def _hold(world: World, _: User | None) -> Asked:
    made = await world.site.appliance.manage_holds.create(SYSTEM, world.acme.id, HoldTerms(reason="why"))
    return f"/v1/privacy/legal-holds/{made.stored.id}", None


async def _release_hold(world: World, user: User | None) -> Asked:
    return f"{(await _hold(world, user))[0]}/release", {"reason": "over"}


async def _export_subject(world: World, _: User | None) -> Asked:
    asked = action("text", data_subjects=["ann"])
    await world.site.appliance.govern(principal_of(world.acme), asked)
    return "/v1/privacy/subject-exports", {"data_subject": "ann"}


def _of_the_ledger(path: str) -> Callable[[World, User | None], Awaitable[Asked]]:
    async def asked(world: World, _: User | None) -> Asked:
        await _key_path(world)
        return f"/v1/ledger/{path}", None

    return asked


async def _change_organization(_: World, __: User | None) -> Asked:
    return "/v1/organization", {"name": "Acme"}


async def _invite(world: World, _: User | None) -> Asked:
    return "/v1/users", {"email": world.address(), "role": "viewer"}


async def _invite_again(world: World, _: User | None) -> Asked:
    return f"/v1/users/{(await world.member(Role.VIEWER, joined=False)).id}/invitation", None


async def _user(world: World, _: User | None) -> Asked:
    return f"/v1/users/{(await world.member(Role.VIEWER)).id}", None


async def _change_user(world: World, _: User | None) -> Asked:
    return f"/v1/users/{(await world.member(Role.VIEWER)).id}", {"disabled": True}


async def _leave(world: World, user: User | None) -> Asked:
    # Anybody may leave; whom else a member may remove, the use case knows (tests/server/domain/test_membership.py).
    return f"/v1/users/{(user or await world.member(Role.VIEWER)).id}", None


async def _named(world: World) -> str:
    """Decide about a new data subject, and return the name."""
    name = world.address()
    made = world.site.appliance
    await made.govern(principal_of(world.acme), action("text", data_subjects=[name]), None)
    return name


async def _erase(world: World, _: User | None) -> Asked:
    return "/v1/privacy/erasures", {"data_subject": await _named(world), "basis": "GDPR Art. 17(1)(a)"}


async def _erasure(world: World, _: User | None) -> Asked:
    made = world.site.appliance
    erased = await made.erase.subject(SYSTEM, world.acme.id, await _named(world), "GDPR Art. 17(1)(a)")
    return f"/v1/privacy/erasures/{erased.erasure.tombstone.id}", None


async def _problem_page(_: World, __: User | None) -> Asked:
    return "/problems/not_found", None


async def _static(_: World, __: User | None) -> Asked:
    return urlsplit(Assets.shipped().url("docs.css")).path, None


ASKED: dict[Place, Callable[[World, User | None], Awaitable[Asked]]] = {
    ("GET", "/problems/{code}"): _problem_page,
    ("GET", "/static/{name}"): _static,
    ("POST", "/v1/auth/forgot"): _forgot,
    ("POST", "/v1/auth/login"): _login,
    ("POST", "/v1/auth/password"): _password,
    ("POST", "/v1/auth/refresh"): _refresh,
    ("POST", "/v1/auth/register"): _register,
    ("POST", "/v1/auth/reset"): _reset,
    ("DELETE", "/v1/auth/sessions/{session_id}"): _end_session,
    ("POST", "/v1/auth/step-up"): _step_up,
    ("DELETE", "/v1/auth/totp"): _remove_totp,
    ("POST", "/v1/auth/totp/confirm"): _confirm_totp,
    ("POST", "/v1/govern"): _govern,
    ("POST", "/v1/keys"): _create_key,
    ("DELETE", "/v1/keys/{key_id}"): _key,
    ("GET", "/v1/keys/{key_id}"): _key,
    ("GET", "/v1/keys/{key_id}/events"): _key_events,
    ("POST", "/v1/keys/{key_id}/rotate"): _rotate,
    ("GET", "/v1/ledger/proofs/consistency"): _of_the_ledger("proofs/consistency?from=1"),
    ("GET", "/v1/ledger/proofs/inclusion"): _of_the_ledger("proofs/inclusion?seq=0"),
    ("GET", "/v1/ledger/records/{seq}"): _of_the_ledger("records/0"),
    ("GET", "/v1/ledger/records/{seq}/receipt"): _of_the_ledger("records/0/receipt"),
    ("GET", "/v1/ledger/tile/entries/{number}"): _of_the_ledger("tile/entries/000.p/1"),
    ("GET", "/v1/ledger/tile/{level}/{number}"): _of_the_ledger("tile/0/000.p/1"),
    ("PATCH", "/v1/organization"): _change_organization,
    ("POST", "/v1/privacy/erasures"): _erase,
    ("GET", "/v1/privacy/erasures/{erasure_id}"): _erasure,
    ("POST", "/v1/privacy/legal-holds"): _create_hold,
    ("GET", "/v1/privacy/legal-holds/{hold_id}"): _hold,
    ("POST", "/v1/privacy/legal-holds/{hold_id}/release"): _release_hold,
    ("POST", "/v1/privacy/subject-exports"): _export_subject,
    ("POST", "/v1/users"): _invite,
    ("DELETE", "/v1/users/{user_id}"): _leave,
    ("GET", "/v1/users/{user_id}"): _user,
    ("PATCH", "/v1/users/{user_id}"): _change_user,
    ("POST", "/v1/users/{user_id}/invitation"): _invite_again,
}
"""What is sent where more than the path is needed."""


@asynccontextmanager
async def new_world() -> AsyncIterator[World]:
    edge = Edge(metrics_token=METRICS_TOKEN, security_contact="mailto:security@example.org")
    site = Site(edge=edge)
    acme = await site.appliance.start()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=site.app), base_url="http://test") as client:
        world = World(site, client, acme)
        await world.member(Role.OWNER)
        yield world


async def ask(world: World, place: Place, headers: dict[str, str], user: User | None) -> httpx.Response:
    method, template = place
    path, body = await ASKED[place](world, user) if place in ASKED else (template, None)
    return await world.client.request(method, path, json=body, headers=headers)
