"""A deployment on a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.policies import DEFAULT
from governlayer_server.settings import AnchorSettings, IdentitySettings, LedgerSettings, Settings
from msgspec.structs import replace

from tests.fakes.given_key import given_keys
from tests.fakes.ledger_place import Place
from tests.fakes.servers import Servers, address

SECRET = bytes(range(32))


def settings_on(servers: Servers, place: Path) -> Settings:
    """Return the settings of a deployment on *servers*, whose policies are a file in *place*."""
    policies = place / "default.cedar"
    policies.write_text(DEFAULT, encoding="utf-8")
    redis = servers.redis
    return Settings(
        deployment="gl.example.com",
        database=address(servers.app),
        redis=RedisAddress(socket=redis.socket, user=redis.user, password=redis.password),
        keys=given_keys(SECRET),
        pepper=bytes(reversed(SECRET)),
        policies=policies,
        ledgers=LedgerSettings(tombstones=place / "tombstones"),
        identity=IdentitySettings(
            jwt_secrets=(bytes(range(64)),), bcrypt_cost=4
        ),  # cheap: what is tested is not the cost
    )


@pytest.fixture
def settings(empty_database: Servers, tmp_path: Path) -> Settings:
    return settings_on(empty_database, tmp_path)


@pytest.fixture
def migrated(migrated_database: Servers, tmp_path: Path) -> Settings:
    return settings_on(migrated_database, tmp_path)


@pytest.fixture
async def place(migrated: Settings, migrated_database: Servers, tmp_path: Path) -> AsyncIterator[Place]:
    (tmp_path / "outside").mkdir()
    tables = await asyncpg.connect(**migrated_database.owner.options())
    anchors, ledgers = (
        AnchorSettings(directory=tmp_path / "outside"),
        replace(migrated.ledgers, evidence=tmp_path / "evidence"),
    )
    yield Place(replace(migrated, anchors=anchors, ledgers=ledgers), tables)
    await tables.close()
