"""Row level security holds by itself: plain SQL of the runtime role, without any filter of the application's (claim 8)."""

import dataclasses
from uuid import UUID, uuid4

import asyncpg
import pytest
from governlayer_server.adapters.postgres.account_store import PostgresAccountStore
from governlayer_server.adapters.postgres.anchors import PostgresAnchorStore
from governlayer_server.adapters.postgres.checkpoints import PostgresCheckpointStore
from governlayer_server.adapters.postgres.data_keys import PostgresDataKeys
from governlayer_server.adapters.postgres.database import Database, connect
from governlayer_server.adapters.postgres.erasures import PostgresErasures
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.adapters.postgres.migrations import m0007_anchors, m0011_erasures
from governlayer_server.adapters.postgres.refusals import PostgresRefusals
from governlayer_server.domain.account import KeyEvent, OneTimeToken, Purpose, UsageCount
from governlayer_server.domain.erasure import ErasureKind, Tombstone
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.ledger.tiles import Tile
from governlayer_server.domain.legal_hold import HoldScope
from governlayer_server.ports.anchors import StoredCosignature, StoredTimestamp
from governlayer_server.ports.checkpoints import Fork
from governlayer_server.ports.data_keys import DataKeyState, StoredDataKey, StoredSubjectKey
from governlayer_server.ports.erasures import StoredErasure
from governlayer_server.ports.holds import StoredHold
from governlayer_server.ports.ledger import Remember, SealedPayload
from governlayer_server.ports.refusals import Refusal
from msgspec.structs import replace

from tests.contract.conftest import ACTOR, World
from tests.contract.test_account_store import key_of, organization, session_of, user_of
from tests.contract.test_checkpoint_store import ROOT, checkpoint
from tests.fakes.clock import FakeClock
from tests.fakes.servers import Servers, address
from tests.fakes.tenant_tables import TENANT_TABLES

SHARED = {
    *("deployment", "key_change", "key_encryption_key", "ledger_key", "policy_set", "migration"),
    *("rotation", "secret"),
}
Connection = asyncpg.Connection


async def tenant_with_everything(database: Database, clock: FakeClock) -> UUID:
    """Make an organization that has a row in every table of tenants."""
    one = organization()
    user, key = user_of(one), key_of(one)

    async def forget(_: UUID | None) -> None:
        pass

    accounts, ledger = PostgresAccountStore(database, clock, forget, forget), PostgresLedgerStore(database, clock)
    world = World(ledger=ledger, accounts=accounts, clock=clock)
    async with accounts.tenant(one.id) as tenant:
        await tenant.add_organization(one, f"test/ledgers/{one.id}")
        await tenant.users.add(user)
        await tenant.users.remember_address(user.id, b"here", 1)
        await tenant.sessions.add(session_of(user))
        await tenant.keys.add(key)
        await tenant.keys.add_event(
            KeyEvent(id=uuid4(), organization_id=one.id, key_id=key.id, event="created", actor_id=ACTOR.id,
                     actor_kind=ACTOR.kind.value, time_us=1)
        )  # fmt: skip
        await tenant.tokens.add(
            OneTimeToken(fingerprint=uuid4().bytes, tenant=str(one.id), purpose=Purpose.RESET, user_id=user.id,
                         created_us=1, expires_us=2)
        )  # fmt: skip
        await tenant.usage.add([UsageCount(principal_id="a", day=1, outcome="admitted", requests=1, last_us=1)])
        remember = Remember(key=b"k", body=b"b", sealed=b"s", expires_us=clock.now_us() + 1)
        payload = SealedPayload(name="content", sealed=b"sealed")
        await tenant.record(replace(world.append(payloads=(payload,), remember=remember), ledger_id=str(one.id)))
    data_keys, subject = PostgresDataKeys(database), uuid4()
    await data_keys.add_subject_keys(str(one.id), [StoredSubjectKey(id=subject, index=b"index", wrapped=b"wrapped")], 1)
    await ledger.append(replace(world.append(), ledger_id=str(one.id), subjects=(subject,)))
    await ledger.add_tiles(str(one.id), {Tile(1, 0): bytes(32)})
    await data_keys.add_data_key(str(one.id), StoredDataKey(number=1, wrapped=b"wrapped", state=DataKeyState.ACTIVE), 1)
    checkpoints = PostgresCheckpointStore(database)
    await checkpoints.add(checkpoint(str(one.id), 1))
    await checkpoints.add_fork(
        Fork(ledger_id=str(one.id), published_size=1, size=1, root=ROOT, head_hash=ROOT, found_us=1)
    )
    anchors = PostgresAnchorStore(database)
    await anchors.add_cosignature(
        StoredCosignature(ledger_id=str(one.id), size=1, witness="w+00000000", line="line", time_us=1)
    )
    await anchors.add_timestamp(StoredTimestamp(ledger_id=str(one.id), size=1, token=b"token", time_us=1))
    refusals = PostgresRefusals(database, clock)
    await refusals.refuse(Refusal(ledger_id=str(one.id), found_us=1, evidence="{}"))
    await refusals.reopen(replace(world.append(), ledger_id=str(one.id)), 9)
    async with PostgresErasures(database, clock).hold(str(one.id)) as held:
        tombstone = Tombstone(
            id=uuid4(), ledger_id=str(one.id), origin="o", kind=ErasureKind.SUBJECT, subjects=(), decision=None,
            ranges=((0, 0),), basis="law", actor=ACTOR, records=1, erasure_records=(), time_us=1,
        )  # fmt: skip
        await held.keep(StoredErasure(tombstone=tombstone, certificate="text"), b"index")
        await held.holds.add(
            StoredHold(id=uuid4(), ledger_id=str(one.id), scope=HoldScope(), sealed=b"why", actor=ACTOR, created_us=1)
        )
    return one.id


@pytest.fixture
async def tenants(database: Database, clock: FakeClock) -> tuple[str, str]:
    mine, theirs = [await tenant_with_everything(database, clock) for _ in range(2)]
    return str(mine), str(theirs)


@pytest.fixture
async def as_mine(app_connection: Connection, tenants: tuple[str, str]) -> Connection:
    await app_connection.execute("SELECT set_config('governlayer.tenant', $1, false)", tenants[0])
    return app_connection


def owner_column(table: str) -> str:
    return TENANT_TABLES[table].split(" = ")[0]


@pytest.mark.parametrize("table", TENANT_TABLES)
async def test_a_tenant_sees_all_of_its_rows_and_no_other(
    as_mine: Connection, owner_connection: Connection, tenants: tuple[str, str], table: str
) -> None:
    column = owner_column(table)
    everybody = {str(row[0]) for row in await owner_connection.fetch(f"SELECT DISTINCT {column} FROM {table}")}
    assert set(tenants) <= everybody, "there is something to see"
    assert {str(row[0]) for row in await as_mine.fetch(f"SELECT {column} FROM {table}")} == {tenants[0]}


@pytest.mark.parametrize("table", TENANT_TABLES)
@pytest.mark.parametrize("tenant", ["", "none", "*", "%", "00000000-0000-7000-8000-000000000000", None])
async def test_without_a_tenant_nothing_is_seen(
    app_connection: Connection, tenants: tuple[str, str], table: str, tenant: str | None
) -> None:
    assert tenants
    if tenant is not None:
        await app_connection.execute("SELECT set_config('governlayer.tenant', $1, false)", tenant)
    assert await app_connection.fetch(f"SELECT * FROM {table}") == []


@pytest.mark.parametrize("table", TENANT_TABLES)
async def test_rows_of_others_can_be_neither_changed_nor_removed_nor_added(
    as_mine: Connection, owner_connection: Connection, tenants: tuple[str, str], table: str
) -> None:
    column, theirs = owner_column(table), tenants[1]
    read = f"SELECT * FROM {table} WHERE {column}::text = $1"
    before = await owner_connection.fetch(read, theirs)
    changeable = await as_mine.fetch(
        "SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped "
        "AND has_column_privilege(attrelid, attnum, 'UPDATE')", table,
    )  # fmt: skip
    for row in changeable:
        done = await as_mine.execute(
            f"UPDATE {table} SET {row['name']} = {row['name']} WHERE {column}::text = $1", theirs
        )
        assert done == "UPDATE 0"
    if await as_mine.fetchval("SELECT has_table_privilege($1, 'DELETE')", table):
        assert await as_mine.execute(f"DELETE FROM {table} WHERE {column}::text = $1", theirs) == "DELETE 0"
    columns = ", ".join(before[0].keys())
    values = ", ".join(f"${number}" for number in range(1, len(before[0]) + 1))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await as_mine.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})", *before[0].values())
    assert await owner_connection.fetch(read, theirs) == before


async def test_every_table_is_bound_to_a_tenant_or_known_to_be_shared(owner_connection: Connection) -> None:
    rows = await owner_connection.fetch(
        "SELECT relname AS name, relrowsecurity AS bound, (SELECT count(*) FROM pg_policy WHERE polrelid = pg_class.oid) AS rules "
        "FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
    )
    assert {row["name"] for row in rows if row["bound"] and row["rules"] == 1} == set(TENANT_TABLES)
    assert {row["name"] for row in rows if not row["bound"]} == SHARED


async def test_only_these_functions_see_more_than_a_tenant(owner_connection: Connection) -> None:
    rows = await owner_connection.fetch(
        "SELECT proname AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    )
    assert {row["name"] for row in rows} == {
        "all_organizations",
        "closed_ledgers",
        "ledgers_to_publish",
        *m0007_anchors.FUNCTIONS,
        "ledgers_to_tile",
        *m0011_erasures.FUNCTIONS,
        "organization_of_key",
        "organization_of_user",
        "organizations_with_bare_hashes",
        "pepper_uses",
        "wrapped_otherwise",
    }


async def test_the_tenant_ends_with_its_transaction(database: Database, tenants: tuple[str, str]) -> None:
    """One connection serves everybody: what one transaction may see, the next may not."""
    for tenant in (*tenants, *tenants):
        async with database.transaction(tenant) as connection:
            assert await connection.fetchval("SELECT count(*) FROM ledger") == 1
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM ledger") == 0


@pytest.mark.parametrize("role", ["owner", "admin"])
async def test_a_role_that_row_level_security_does_not_bind_is_refused(servers: Servers, role: str) -> None:
    login = dataclasses.replace(getattr(servers, role), database=servers.app.database)
    database = await connect(address(login))
    try:
        with pytest.raises(ConfigurationError, match="governlayer_app"):
            await database.require_bound_role()
    finally:
        await database.close()


async def test_addresses_are_kept_apart_also_where_row_security_does_not_bind(
    servers: Servers, clock: FakeClock
) -> None:
    database = await connect(address(servers.owner))

    async def nothing(_: UUID | None) -> None:
        pass

    accounts, one, other = PostgresAccountStore(database, clock, nothing, nothing), organization(), organization()
    user = user_of(one)
    for made in (one, other):
        async with accounts.tenant(made.id) as tenant:
            await tenant.add_organization(made, f"test/ledgers/{made.id}")
    async with accounts.tenant(one.id) as tenant:
        await tenant.users.add(user)
        await tenant.users.remember_address(user.id, b"here", 5)
    async with accounts.tenant(other.id) as tenant:
        assert not await tenant.users.is_familiar(user.id, b"here", 0)
        await tenant.users.remember_address(user.id, b"here", 9)
    async with accounts.tenant(one.id) as tenant:
        assert await tenant.users.is_familiar(user.id, b"here", 5)
        assert not await tenant.users.is_familiar(user.id, b"here", 6)
    await database.close()


async def test_what_runs_with_the_owners_rights_looks_for_no_name_where_others_could_put_one(
    owner_connection: Connection, app_connection: Connection
) -> None:
    rows = await owner_connection.fetch(
        "SELECT oid::regprocedure::text AS name, proconfig FROM pg_proc "
        "WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    )
    assert len(rows) > 5
    # pg_temp is searched first, unless it is named: what is not in pg_catalog is to be named with its schema.
    assert {row["name"]: list(row["proconfig"] or ()) for row in rows} == {
        row["name"]: ["search_path=pg_catalog"] for row in rows
    }
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app_connection.execute("CREATE TEMPORARY VIEW api_key AS SELECT 1")
