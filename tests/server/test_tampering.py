"""Who can write the tables, and knows no key of the appliance, gains nothing (security.md, claims 7 and 10)."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from governlayer_server.domain.access import Scope
from governlayer_server.domain.account import ApiKey
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.settings import Settings
from governlayer_server.usecases.seal_rows import sealed
from governlayer_server.web.links import Links
from governlayer_server.wiring import Appliance, open_appliance
from msgspec.structs import replace

from tests.fakes.servers import Servers

HARMLESS = {"stage": "input", "agent": {"id": "a"}, "action": {"name": "chat"}}
FINAL = {"stage": "tool_call", "agent": {"id": "a"}, "action": {"name": "crm.deleteCustomer"}}
YEAR_US = 365 * 24 * 3600 * 1_000_000


class Deployment:
    """Two organizations, a client of the application, and the tables as their owner."""

    def __init__(self, appliance: Appliance, client: httpx.AsyncClient, tables: "asyncpg.Connection[Any]") -> None:
        self.appliance = appliance
        self.client = client
        self.tables = tables

    async def organization(self, name: str) -> Organization:
        return await self.appliance.create_organization(name, Plan.FREE, f"{name}@example.org", None)

    async def key(self, organization: Organization, *scopes: Scope) -> tuple[str, ApiKey]:
        made = await self.appliance.manage_keys.create(SYSTEM, organization.id, KeyTerms(name="key", scopes=scopes))
        return made.key, made.stored

    async def status(self, key: str, path: str = "/v1/ledger") -> int:
        self.appliance.parts.principals.forget(None)
        return (await self.client.get(path, headers={"Authorization": f"Bearer {key}"})).status_code

    async def govern(self, key: str, question: dict[str, Any], once: str) -> httpx.Response:
        self.appliance.parts.principals.forget(None)
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": once}
        return await self.client.post("/v1/govern", json=question, headers=headers)


@pytest.fixture
async def deployment(migrated: Settings, migrated_database: Servers) -> AsyncIterator[Deployment]:
    tables = await asyncpg.connect(**migrated_database.owner.options())
    async with open_appliance(migrated) as appliance:
        transport = httpx.ASGITransport(app=await appliance.application(migrated, Links("http://test")))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield Deployment(appliance, client, tables)
    await tables.close()


@pytest.mark.parametrize(
    "change",
    [
        "organization_id = other.organization_id",
        "scopes = ARRAY['audit', 'govern']",
        "scopes = '{}'",
        "expires_us = 9007199254740991",
        "expires_us = 0",
        "id = gen_random_uuid()",
        "seal = other.seal",
        "seal = ''",
        "seal = sha256(mine.seal)",
        "organization_id = other.organization_id, scopes = other.scopes, seal = other.seal",
    ],
)
async def test_a_key_whose_row_was_changed_opens_nothing(deployment: Deployment, change: str) -> None:
    acme, other = [await deployment.organization(name) for name in ("acme", "other")]
    key, mine = await deployment.key(acme, Scope.AUDIT)
    theirs, strong = await deployment.key(other, Scope.AUDIT, Scope.GOVERN)
    assert await deployment.status(key) == 200
    before = await deployment.tables.fetchrow("SELECT * FROM api_key WHERE id = $1", mine.id)
    await deployment.tables.execute("DELETE FROM api_key_event")
    done = await deployment.tables.execute(
        f"UPDATE api_key mine SET {change} FROM api_key other WHERE mine.id = $1 AND other.id = $2", mine.id, strong.id
    )
    assert done == "UPDATE 1"
    assert await deployment.tables.fetchrow("SELECT * FROM api_key WHERE fingerprint = $1", mine.fingerprint) != before
    for path in ("/v1/ledger", "/v1/ledger/dump"):
        assert await deployment.status(key, path) == 401
    assert (await deployment.govern(key, HARMLESS, "one")).status_code == 401
    assert await deployment.status(theirs) == 200


async def test_a_fingerprint_under_another_key_opens_nothing(deployment: Deployment) -> None:
    """One's own key in the row of a stronger one: what the row may do is not what the key was made for."""
    acme, other = [await deployment.organization(name) for name in ("acme", "other")]
    key, mine = await deployment.key(acme, Scope.AUDIT)
    _, strong = await deployment.key(other, Scope.AUDIT, Scope.GOVERN)
    await deployment.tables.execute("DELETE FROM api_key_event")
    await deployment.tables.execute("DELETE FROM api_key WHERE id = $1", mine.id)
    await deployment.tables.execute("UPDATE api_key SET fingerprint = $1 WHERE id = $2", mine.fingerprint, strong.id)
    assert await deployment.status(key) == 401


async def test_a_row_that_was_written_by_hand_opens_nothing(deployment: Deployment) -> None:
    acme, other = [await deployment.organization(name) for name in ("acme", "other")]
    key, mine = await deployment.key(acme, Scope.AUDIT)
    columns = "name, prefix, scopes, created_us, expires_us, revoked_us, seal"
    await deployment.tables.execute("UPDATE api_key SET fingerprint = ''")
    await deployment.tables.execute(
        f"INSERT INTO api_key (id, organization_id, fingerprint, {columns}) "
        f"SELECT gen_random_uuid(), $1, $2, {columns} FROM api_key WHERE id = $3",
        other.id, mine.fingerprint, mine.id,
    )  # fmt: skip
    assert await deployment.status(key) == 401


@pytest.mark.parametrize("change", ["NULL", "expires_us + 1", "expires_us - 1"])
async def test_the_expiry_of_a_key_cannot_be_put_off(deployment: Deployment, change: str) -> None:
    key, stored = await deployment.key(await deployment.organization("acme"), Scope.AUDIT)
    vault = deployment.appliance.parts.vault
    limited = sealed(vault, replace(stored, expires_us=stored.created_us + YEAR_US))
    statement = "UPDATE api_key SET expires_us = $1, seal = $2"
    await deployment.tables.execute(statement, limited.expires_us, limited.seal)
    assert await deployment.status(key) == 200, "as the appliance itself would have written it"
    await deployment.tables.execute(f"UPDATE api_key SET expires_us = {change}")
    assert await deployment.status(key) == 401


async def test_a_changed_row_that_is_put_back_is_good_again_and_a_revoked_one_is_not(deployment: Deployment) -> None:
    key, stored = await deployment.key(await deployment.organization("acme"), Scope.AUDIT)
    await deployment.tables.execute("UPDATE api_key SET scopes = ARRAY['audit', 'govern']")
    assert await deployment.status(key) == 401
    await deployment.tables.execute("UPDATE api_key SET scopes = ARRAY['audit']")
    assert await deployment.status(key) == 200
    await deployment.tables.execute("UPDATE api_key SET revoked_us = $1", stored.created_us)
    assert await deployment.status(key) == 401


KEPT = "sealed, record_id, size, proof, expires_us"


@pytest.mark.parametrize("columns", ["sealed", "sealed, record_id", KEPT, f"{KEPT}, body"])
@pytest.mark.parametrize("question", [FINAL, HARMLESS], ids=["other-body", "same-body"])
async def test_a_kept_answer_in_the_row_of_another_question_is_no_answer(
    deployment: Deployment, columns: str, question: dict[str, Any]
) -> None:
    key, _ = await deployment.key(await deployment.organization("acme"), Scope.GOVERN)
    allowed = await deployment.govern(key, HARMLESS, "one")
    refused = await deployment.govern(key, question, "two")
    assert allowed.json()["decision"] == "allow"
    rows = await deployment.tables.fetch("SELECT key, record_id FROM idempotent_answer")
    key_of = {str(row["record_id"]): row["key"] for row in rows}
    source = ", ".join(f"one.{column}" for column in columns.split(", "))
    done = await deployment.tables.execute(
        f"UPDATE idempotent_answer two SET ({columns}) = ROW({source}) FROM idempotent_answer one "
        "WHERE one.key = $1 AND two.key = $2",
        key_of[allowed.json()["decision_id"]], key_of[refused.json()["decision_id"]],
    )  # fmt: skip
    assert done == "UPDATE 1"
    for asked in (question, HARMLESS):
        again = await deployment.govern(key, asked, "two")
        assert again.status_code in {422, 500}
        assert "decision" not in again.json()
    assert (await deployment.govern(key, HARMLESS, "one")).content == allowed.content


async def test_a_kept_answer_is_no_answer_to_another_body(deployment: Deployment) -> None:
    """The row says that the key was used with the dangerous question; the answer in it was given to the harmless one."""
    key, _ = await deployment.key(await deployment.organization("acme"), Scope.GOVERN)
    allowed = await deployment.govern(key, HARMLESS, "one")
    refused = await deployment.govern(key, FINAL, "two")
    done = await deployment.tables.execute(
        "UPDATE idempotent_answer one SET body = two.body FROM idempotent_answer two "
        "WHERE one.record_id = $1 AND two.record_id = $2",
        allowed.json()["decision_id"], refused.json()["decision_id"],
    )  # fmt: skip
    assert done == "UPDATE 1"
    again = await deployment.govern(key, FINAL, "one")
    assert (again.status_code, "decision" in again.json()) == (500, False)


async def test_a_kept_answer_in_the_ledger_of_another_organization_is_no_answer(deployment: Deployment) -> None:
    acme, other = [await deployment.organization(name) for name in ("acme", "other")]
    mine, _ = await deployment.key(acme, Scope.GOVERN)
    theirs, _ = await deployment.key(other, Scope.GOVERN)
    assert (await deployment.govern(mine, HARMLESS, "one")).json()["decision"] == "allow"
    columns = "key, body, sealed, record_id, size, proof, expires_us"
    await deployment.tables.execute(
        f"INSERT INTO idempotent_answer (ledger_id, {columns}) SELECT $1, {columns} FROM idempotent_answer",
        str(other.id),
    )
    again = await deployment.govern(theirs, HARMLESS, "one")
    assert (again.status_code, "decision" in again.json()) == (500, False)
