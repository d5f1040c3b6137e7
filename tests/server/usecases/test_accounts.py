"""Organizations, keys and who they let in."""

import json

import pytest
from governlayer_server.domain.access import Scope
from governlayer_server.domain.account import ApiKey
from governlayer_server.domain.api_key import make_api_key
from governlayer_server.domain.errors import InvalidRequest, NotAuthenticated
from governlayer_server.domain.plan import Plan
from governlayer_server.ports import Place
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.usecases.password_hashes import open_hash
from governlayer_server.usecases.seal_rows import sealed
from msgspec.structs import replace

from tests.fakes.appliance import FakeAppliance

ALL = RecordFilter()


async def bodies(appliance: FakeAppliance, ledger_id: str) -> list[tuple[str, dict[str, object]]]:
    records = await appliance.ledger.records(ledger_id, -1, 100, ALL)
    return [(record.type, json.loads(record.canonical)["body"]) for record in records]


async def test_an_organization_is_on_record_in_its_own_and_in_the_system_ledger(appliance: FakeAppliance) -> None:
    made = await appliance.start("Acme")
    event = {"event": "created", "organization_id": str(made.id), "plan": "pro"}
    assert await bodies(appliance, "system") == [("organization.changed", event)]
    own = await bodies(appliance, str(made.id))
    assert own[0] == ("organization.changed", event)
    assert own[1][0] == "user.created"
    assert own[1][1]["role"] == "owner"
    head = await appliance.ledger.head(str(made.id))
    assert head.origin == f"gl.example.com/ledgers/{made.id}"


async def test_the_owners_address_is_stored_encrypted_and_stands_in_no_record(appliance: FakeAppliance) -> None:
    made = await appliance.start("Acme")
    (owner,) = appliance.accounts.rows.users.values()
    assert b"acme" not in owner.email_sealed
    place = Place(organization_id=made.id, table="app_user", column="email_sealed", row=str(owner.id))
    assert await appliance.vault.open(place, owner.email_sealed) == b"acme@example.com"
    for ledger_id in ("system", str(made.id)):
        for record in await appliance.ledger.records(ledger_id, -1, 100, ALL):
            assert b"example.com" not in record.canonical
            assert b"Acme" not in record.canonical


async def test_one_address_in_other_letters_is_the_same_address(appliance: FakeAppliance) -> None:
    await appliance.start("Acme")
    with pytest.raises(InvalidRequest) as refused:
        await appliance.create_organization("Other", Plan.FREE, "ACME@Example.com", None)
    assert [fault.pointer for fault in refused.value.faults] == ["/email"]


async def test_a_password_is_hashed_and_can_be_left_out(appliance: FakeAppliance) -> None:
    await appliance.start("Acme")
    await appliance.create_organization("Other", Plan.FREE, "b@example.com", "correct horse battery")
    hashes = [await open_hash(appliance.vault, user) for user in appliance.accounts.rows.users.values()]
    without, with_one = hashes
    assert without is None
    assert (with_one or "").startswith("$2b$")
    assert not any((user.password_hash or b"").startswith(b"$") for user in appliance.accounts.rows.users.values())


@pytest.mark.parametrize(
    ("name", "email", "password", "pointers"),
    [
        ("", "a@b.c", None, ["/name"]),
        ("   ", "a@b.c", None, ["/name"]),
        ("x" * 101, "a@b.c", None, ["/name"]),
        ("a\nb", "a@b.c", None, ["/name"]),
        ("a\u202eb", "a@b.c", None, ["/name"]),
        ("a", "", None, ["/owner_email"]),
        ("a", "a", None, ["/owner_email"]),
        ("a", "a@", None, ["/owner_email"]),
        ("a", "@b", None, ["/owner_email"]),
        ("a", "a@b@c", None, ["/owner_email"]),
        ("a", "a b@c", None, ["/owner_email"]),
        ("a", "a\n@b.c", None, ["/owner_email"]),
        ("a", "a\t@b.c", None, ["/owner_email"]),
        ("a", "a\0@b.c", None, ["/owner_email"]),
        ("a", "a\ud800@b.c", None, ["/owner_email"]),
        ("a", "a" * 251 + "@b.c", None, ["/owner_email"]),
        ("a", "a@b.c", "x" * 11, ["/owner_password"]),
        ("a", "a@b.c", "x" * 129, ["/owner_password"]),
        ("a", "a@b.c", "", ["/owner_password"]),
        ("", "", "", ["/name", "/owner_email"]),
    ],
)
async def test_values_outside_their_limits_are_refused_and_nothing_is_stored(
    appliance: FakeAppliance, name: str, email: str, password: str | None, pointers: list[str]
) -> None:
    await appliance.start("Acme")
    with pytest.raises(InvalidRequest) as refused:
        await appliance.create_organization(name, Plan.FREE, email, password)
    assert [fault.pointer for fault in refused.value.faults] == pointers
    assert len(await appliance.accounts.organizations()) == 1


@pytest.mark.parametrize(
    "password",
    ["bq7 xv2 mk9 z", "bq7xv2mk9zt4" * 10 + "lastword", "😀🐙🎻🚲🌵🧀🪁🎲🦔🧵🪴🛶", "шкаф несёт зелёный чай"],
)
async def test_passwords_of_any_script_are_admitted(appliance: FakeAppliance, password: str) -> None:
    await appliance.start("Acme")
    made = await appliance.create_organization("Other", Plan.FREE, "b@example.com", password)
    assert made in await appliance.accounts.organizations()


async def test_a_key_lets_in_as_its_organization_with_its_scopes(appliance: FakeAppliance) -> None:
    acme = await appliance.start()
    key = await appliance.key_for(acme, Scope.AUDIT)
    principal = await appliance.authenticate(key)
    (stored,) = appliance.accounts.rows.keys.values()
    assert (principal.id, principal.organization_id, principal.plan) == (str(stored.id), acme.id, Plan.PRO)
    assert principal.scopes == {Scope.AUDIT}


async def test_unknown_revoked_and_expired_keys_are_refused_with_the_same_words(appliance: FakeAppliance) -> None:
    acme = await appliance.start()
    key = await appliance.key_for(acme)
    unknown = make_api_key(bytes(32))
    (stored,) = appliance.accounts.rows.keys.values()
    now_us = appliance.clock.now_us()
    messages = set()

    def changed(**state: int) -> ApiKey:
        """The row as the appliance itself would have written it."""
        return sealed(appliance.vault, replace(stored, **state))

    for candidate, state in (
        (unknown, {}),
        ("", {}),
        (key, {"revoked_us": now_us - 1}),
        (key, {"expires_us": now_us}),
        (key, {"expires_us": now_us - 1}),
    ):
        appliance.accounts.rows.keys = {stored.id: changed(**state)}
        with pytest.raises(NotAuthenticated) as refused:
            await appliance.authenticate(candidate)
        messages.add(str(refused.value))
    assert messages == {"the credential is not valid"}
    appliance.accounts.rows.keys = {stored.id: changed(expires_us=now_us + 1)}
    assert (await appliance.authenticate(key)).id == str(stored.id)
