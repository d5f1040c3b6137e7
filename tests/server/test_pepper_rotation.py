"""The pepper and the secret of access tokens are exchanged over the real PostgreSQL: nobody notices, nothing is left."""

from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import asyncpg
import pytest
from governlayer_server.adapters.crypto.peppers import number_of
from governlayer_server.adapters.crypto.totp import Totp
from governlayer_server.adapters.redis.local_attempts import LocalSignInAttempts
from governlayer_server.domain.access import Role, Scope
from governlayer_server.domain.errors import Conflict, InvalidRequest, NotAuthenticated
from governlayer_server.domain.inventory import shipped_inventory
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.plan import Plan
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.ports.secrets import SecretPurpose
from governlayer_server.settings import Settings
from governlayer_server.usecases.answer_once import Once
from governlayer_server.usecases.authenticate import Authenticate
from governlayer_server.usecases.count_usage import CountUsage
from governlayer_server.usecases.identity import Credentials, Identity, Letters, make_identity
from governlayer_server.usecases.principal_cache import PrincipalCache
from governlayer_server.usecases.rotate_pepper import Agreed
from governlayer_server.wiring import Appliance, open_appliance

from tests.fakes.rotation_steps import KilledError, Steps
from tests.fakes.servers import Servers
from tests.fakes.under_keys import values_of

EMAIL, PASSWORD, ADDRESS = "ann@example.org", "correct horse battery", "192.0.2.1"


class World:
    """One organization with an owner and two API keys; ``settled`` is called where a rotation waits for others."""

    def __init__(
        self, appliance: Appliance, settings: Settings, owner: "asyncpg.Connection[asyncpg.Record]", id_: UUID
    ) -> None:
        self.appliance, self.owner, self.id = appliance, owner, id_
        parts, accounts = appliance.parts, appliance.accounts
        self.authenticate = Authenticate(
            accounts=accounts, vault=parts.vault, clock=parts.clock, tokens=parts.keys.tokens,
            cache=PrincipalCache(parts.clock, life_us=0), usage=CountUsage(accounts, parts.clock),
            limits=settings.identity.sessions,
        )  # fmt: skip
        self.identity: Identity = make_identity(
            accounts, parts.vault, parts.clock, parts.entropy, LocalSignInAttempts(parts.clock),
            Credentials(
                passwords=parts.passwords, common=appliance.create_organization.found.common, codes=Totp(parts.entropy),
                tokens=parts.keys.tokens, lifetime_s=900, limits=settings.identity.sessions,
            ),
            Letters(mailer=None, public_url="", later=lambda work: work.close()),
        )  # fmt: skip

    async def key(self, **terms: object) -> str:
        made = await self.appliance.manage_keys.create(
            SYSTEM,
            self.id,
            KeyTerms(name="key", scopes=[Scope.GOVERN], **terms),  # type: ignore[arg-type]
        )
        return made.key

    async def pepper(self, *, force: Agreed | None = None, dies_at: int = 0) -> dict[str, int]:
        return dict(await self.appliance.rotations.pepper(Steps(dies_at), force))

    async def waits(self) -> bool:
        """Return whether a rotation waits for its end."""
        return await self.appliance.rotations.pepper.rotate.previous(SecretPurpose.PEPPER) is not None

    async def made_with(self, number: int) -> int:
        """Return how many values of all columns of bytes were made with this pepper."""
        await self.owner.execute("DELETE FROM idempotent_answer WHERE sealed = ''")  # keyed by a plain hash
        values = await values_of(self.owner, shipped_inventory())
        columns = {name: found for name, found in values.items() if found[0] == "fingerprint"}
        others = {"key_encryption_key", "subject_key"}  # keyed by other keys than the pepper
        return sum(
            number_of(value) == number for (table, _), (_, found) in columns.items() if table not in others
            for value in found if value
        )  # fmt: skip


@pytest.fixture
async def world(migrated: Settings, migrated_database: Servers) -> AsyncIterator[World]:
    owner = await asyncpg.connect(**migrated_database.owner.options())
    async with open_appliance(migrated) as appliance:
        made = await appliance.create_organization("Acme", Plan.PRO, EMAIL, PASSWORD)
        yield World(appliance, migrated, owner, made.id)
    await owner.close()


async def test_what_is_used_moves_over_and_the_old_pepper_goes_when_nothing_needs_it(world: World) -> None:
    used, idle = await world.key(), await world.key()
    session = await world.identity.sign_in(EMAIL, PASSWORD, None, ADDRESS)
    kinds = {"API keys": 2, "passwords": 1, "sessions": 1}
    assert await world.pepper() == kinds
    assert await world.pepper() == kinds, "again: the same, and nothing new was begun"
    await world.owner.execute("UPDATE secret SET moved_us = moved_us - 120000000")
    assert (await world.authenticate(used)).organization_id == world.id
    assert (await world.authenticate(used)).organization_id == world.id
    again = await world.identity.refresh(session.refresh_token)
    await world.identity.sign_in(EMAIL, PASSWORD, None, ADDRESS)
    assert await world.pepper() == {"API keys": 1}
    await world.authenticate(idle)
    assert await world.pepper() == {}
    assert await world.made_with(1) == 0
    assert await world.made_with(2) > 0
    for key in (used, idle):
        await world.authenticate(key)
    await world.identity.refresh(again.refresh_token)
    await world.identity.sign_in(EMAIL, PASSWORD, None, ADDRESS)
    records = await world.appliance.ledger.records("system", -1, 100, RecordFilter(type="secret.rotated"))
    assert [b'"activated"' in one.canonical for one in records] == [True, False]


async def test_by_force_what_still_needs_the_old_pepper_is_revoked(world: World) -> None:
    used, idle = await world.key(), await world.key()
    session = await world.identity.sign_in(EMAIL, PASSWORD, None, ADDRESS)
    await world.owner.execute("UPDATE app_user SET recovery = ARRAY[sha256('code')]")
    await world.pepper()
    await world.authenticate(used)
    told = list[Mapping[str, int]]()
    assert await world.pepper(force=told.append) == {}
    assert [sum(one.values()) for one in told] == [4]
    assert await world.made_with(1) == 0
    await world.authenticate(used)
    with pytest.raises(NotAuthenticated):
        await world.authenticate(idle)
    with pytest.raises(NotAuthenticated):
        await world.identity.refresh(session.refresh_token)
    with pytest.raises(NotAuthenticated):
        await world.identity.sign_in(EMAIL, PASSWORD, None, ADDRESS)
    records = await world.appliance.ledger.records("system", -1, 100, RecordFilter(type="secret.rotated"))
    assert b'"revoked":4' in records[-1].canonical


async def test_force_begins_no_rotation(world: World) -> None:
    key = await world.key()
    with pytest.raises(Conflict, match="without --force"):
        await world.pepper(force=list[Mapping[str, int]]().append)
    assert not await world.waits()
    await world.authenticate(key)


async def test_who_does_not_agree_to_force_keeps_everything(world: World) -> None:
    key = await world.key()

    def refused(uses: Mapping[str, int]) -> None:
        raise KilledError(uses)

    kinds = await world.pepper()
    with pytest.raises(KilledError):
        await world.pepper(force=refused)
    assert await world.pepper() == kinds
    await world.authenticate(key)


async def test_a_rotation_that_is_killed_behind_each_step_is_completed(world: World) -> None:
    key, kills, ended = await world.key(), 0, False
    while not ended:
        try:
            force = list[Mapping[str, int]]().append if await world.waits() else None
            remaining = await world.pepper(dies_at=1, force=force)
            ended = not remaining
        except KilledError:
            kills += 1
            await world.appliance.parts.keys.reload()
            ended = not await world.appliance.rotations.begun.all()
    assert kills == 4
    assert await world.made_with(1) == 0
    assert await world.appliance.rotations.begun.all() == []
    print(f"rotation of the pepper: killed {kills} times, completed")
    with pytest.raises(NotAuthenticated):
        await world.authenticate(key)


async def test_an_address_is_taken_under_either_pepper(world: World) -> None:
    await world.appliance.rotations.pepper.rotate.activate(SecretPurpose.PEPPER, Steps())
    with pytest.raises(InvalidRequest, match="exists"):
        await world.appliance.create_organization("Other", Plan.PRO, EMAIL.upper(), None)
    with pytest.raises(Conflict):
        await world.appliance.rotations.pepper.rotate.activate(SecretPurpose.PEPPER, Steps())


async def test_a_repeated_request_gets_its_answer_across_a_rotation(world: World) -> None:
    async def create() -> tuple[str, bool]:
        once, terms = Once(key="one", body=b"{}"), KeyTerms(name="key", scopes=[Scope.GOVERN])
        made = await world.appliance.manage_keys.create(SYSTEM, world.id, terms, once)
        return made.key, made.replayed

    first, _ = await create()
    await world.appliance.rotations.pepper.rotate.activate(SecretPurpose.PEPPER, Steps())
    assert await create() == (first, True)
    assert (await world.pepper())["idempotency keys"] == 1


async def test_access_tokens_of_the_secret_before_are_good_until_the_longest_of_them_has_expired(world: World) -> None:
    old = (await world.identity.sign_in(EMAIL, PASSWORD, None, ADDRESS)).access_token
    kills, left_s = 0, None
    while left_s is None:
        try:
            left_s = await world.appliance.rotations.jwt(Steps(dies_at=1))
        except KilledError:
            kills += 1
            await world.appliance.parts.keys.reload()
    assert kills == 2
    assert 3_600 < left_s <= 3_660
    new = (await world.identity.sign_in(EMAIL, PASSWORD, None, ADDRESS)).access_token
    assert old.partition(".")[0] != new.partition(".")[0]
    for token in (old, new):
        assert (await world.authenticate(token)).role is Role.OWNER
    await world.appliance.rotations.jwt.retire_quietly()
    assert (await world.authenticate(old)).role is Role.OWNER
    await world.owner.execute("UPDATE secret SET moved_us = moved_us - 3660000000")
    await world.appliance.rotations.jwt.retire_quietly()
    await world.appliance.parts.keys.reload()
    assert (await world.authenticate(new)).role is Role.OWNER
    with pytest.raises(NotAuthenticated):
        await world.authenticate(old)
    assert await world.appliance.rotations.begun.all() == []
    print(f"rotation of the JWT secret: killed {kills} times, completed")
