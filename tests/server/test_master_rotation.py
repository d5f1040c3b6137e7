"""The key-encryption key is exchanged over the real PostgreSQL: stopped behind every step, refused where it must be."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from governlayer_server.adapters.crypto.key_ring import key_id
from governlayer_server.adapters.key_providers.plain import PlainKeys
from governlayer_server.adapters.key_providers.texts import KeyText, spell_key
from governlayer_server.domain.access import Scope
from governlayer_server.domain.errors import CipherError, ConfigurationError, Conflict
from governlayer_server.domain.inventory import shipped_inventory
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.plan import Plan
from governlayer_server.ports import Place
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.settings import Settings
from governlayer_server.wiring import Appliance, open_appliance
from msgspec.structs import replace

from tests.fakes.rotation_steps import KilledError, NextKey, Steps
from tests.fakes.servers import Servers
from tests.fakes.under_keys import values_of

OLD, NEW = bytes(range(32)), bytes(range(100, 132))
Connection = asyncpg.Connection


class Deployment:
    """A database, and the keys that every process finds in the same place."""

    def __init__(self, settings: Settings, owner: Connection) -> None:
        self.kept = [OLD]
        self.owner = owner
        provider = PlainKeys("shared", lambda: [KeyText(place="shared", text=spell_key(key)) for key in self.kept])
        self.settings = replace(settings, keys=provider)

    async def rotate(self, steps: Steps, fresh: bytes = NEW) -> str:
        async with open_appliance(self.settings) as appliance:
            return await appliance.rotations.master(NextKey(self.kept, fresh), steps)


@pytest.fixture
async def deployment(migrated: Settings, migrated_database: Servers) -> AsyncIterator[Deployment]:
    owner = await asyncpg.connect(**migrated_database.owner.options())
    yield Deployment(migrated, owner)
    await owner.close()


async def fill(appliance: Appliance, name: str) -> tuple[UUID, bytes]:
    made = await appliance.create_organization(name, Plan.PRO, f"{name}@example.org", "correct horse battery")
    await appliance.manage_keys.create(SYSTEM, made.id, KeyTerms(name="key", scopes=[Scope.GOVERN]))
    vault, place = appliance.parts.vault, Place(organization_id=made.id, table="t", column="c", row="r")
    return made.id, await vault.seal(place, b"text", await vault.subjects(made.id, ["ann", "bob"]))


async def opens(appliance: Appliance, organization_id: UUID, sealed: bytes) -> bool:
    place = Place(organization_id=organization_id, table="t", column="c", row="r")
    return await appliance.parts.vault.open(place, sealed) == b"text"


async def under(deployment: Deployment, key: bytes) -> int:
    """How many values of all columns of bytes begin with the id of *key*."""
    header = b"\x02" + bytes.fromhex(key_id(key))
    found = await values_of(deployment.owner, shipped_inventory())
    return sum(value.startswith(header) for _, values in found.values() for value in values)


async def wrapped(deployment: Deployment) -> int:
    found = await values_of(deployment.owner, shipped_inventory())
    return sum(len(values) for stored, values in found.values() if stored == "wrapped")


async def test_a_rotation_that_is_killed_behind_each_step_is_completed(deployment: Deployment) -> None:
    async with open_appliance(deployment.settings) as appliance:
        filled = [await fill(appliance, name) for name in ("one", "other")]
    count = await wrapped(deployment)
    # Two ledger keys, the deployment's seed, pepper and JWT secret; data, index and two subject keys of each.
    assert count >= 5 + 2 * 4
    assert await under(deployment, OLD) == count
    kills = 0
    ended = False
    while not ended:
        try:
            await deployment.rotate(Steps(dies_at=1))
            ended = True
        except KilledError:
            kills += 1
            async with open_appliance(deployment.settings, found=False) as appliance:
                assert all([await opens(appliance, *one) for one in filled])
    assert kills == 6
    assert deployment.kept == [NEW]
    assert (await under(deployment, OLD), await under(deployment, NEW)) == (0, count)
    async with open_appliance(deployment.settings) as appliance:
        assert all([await opens(appliance, *one) for one in filled])
        records = await appliance.ledger.records("system", -1, 100, RecordFilter(type="secret.rotated"))
        bodies = [record.canonical for record in records]
        assert [(b'"activated"' in one, key_id(NEW).encode() in one) for one in bodies] == [
            (True, True),
            (False, False),
        ]
        assert key_id(OLD).encode() in bodies[1]
        assert await appliance.rotations.begun.all() == []
    print(f"rotation of the key-encryption key: killed {kills} times, completed; {count} keys under the new one")


async def test_each_step_is_survived_by_itself(deployment: Deployment) -> None:
    """Killed once, and completed by the next run: from every step, not only from the one behind the one before."""
    steps = Steps()
    async with open_appliance(deployment.settings) as appliance:
        organization_id, sealed = await fill(appliance, "one")
    await deployment.rotate(steps)
    for number, step in enumerate(steps.told, 1):
        fresh = bytes(range(number, number + 32))
        before = deployment.kept[0]
        with pytest.raises(KilledError):
            await deployment.rotate(Steps(number), fresh)
        await deployment.rotate(Steps(), bytes(range(200, 232)))
        assert deployment.kept == [fresh], step
        assert await under(deployment, before) == 0
    async with open_appliance(deployment.settings, found=False) as appliance:
        assert await opens(appliance, organization_id, sealed)


async def test_another_process_opens_all_through_the_rotation(deployment: Deployment) -> None:
    async with open_appliance(deployment.settings) as replica:
        organization_id, sealed = await fill(replica, "one")

        async def reload() -> None:
            await replica.parts.keys.reload()
            assert await opens(replica, organization_id, sealed)

        await deployment.rotate(Steps(settle=reload))
        await reload()
        assert replica.parts.keys.ring.active == key_id(NEW)
        # Who lags behind cannot wrap with what is retired.
        replica.parts.keys.ring.renew([OLD], key_id(OLD), key_id(OLD))
        with pytest.raises(Exception, match=r"retired|as it should"):
            await replica.parts.vault.subjects(organization_id, ["carol"])


@pytest.mark.parametrize("kept", [[NEW], [bytes(range(1, 33))]], ids=["swapped", "wrong"])
async def test_a_wrong_key_is_refused_at_the_start_by_its_id(deployment: Deployment, kept: list[bytes]) -> None:
    async with open_appliance(deployment.settings):
        pass
    deployment.kept = kept
    with pytest.raises(ConfigurationError) as refused:
        async with open_appliance(deployment.settings):
            pytest.fail("it opened")
    assert key_id(OLD) in str(refused.value)
    assert key_id(kept[0]) in str(refused.value)
    assert spell_key(kept[0]) not in str(refused.value)


async def test_the_old_key_in_the_place_of_the_new_one_is_refused(deployment: Deployment) -> None:
    await deployment.rotate(Steps())
    deployment.kept = [OLD]
    with pytest.raises(ConfigurationError, match=key_id(NEW)):
        await deployment.rotate(Steps())
    deployment.kept = [NEW, OLD]
    with pytest.raises(Conflict, match="was in service before"):
        await deployment.rotate(Steps())


async def test_without_its_new_key_an_unfinished_rotation_is_not_begun_anew(deployment: Deployment) -> None:
    with pytest.raises(KilledError):
        await deployment.rotate(Steps(2))
    deployment.kept = [OLD]
    with pytest.raises(ConfigurationError, match="put it back"):
        await deployment.rotate(Steps())


async def test_what_does_not_open_keeps_the_old_key(deployment: Deployment) -> None:
    async with open_appliance(deployment.settings) as appliance:
        await fill(appliance, "one")
    await deployment.owner.execute("UPDATE subject_key SET wrapped = set_byte(wrapped, 40, get_byte(wrapped, 40) # 1)")
    with pytest.raises(ConfigurationError, match=r"subject_key .* does not open"):
        await deployment.rotate(Steps())
    assert deployment.kept == [OLD, NEW]
    async with open_appliance(deployment.settings, found=False) as appliance:
        with pytest.raises(CipherError):
            appliance.parts.keys.ring.unwrap("secret/pepper/1", b"\x02" + bytes(80))
