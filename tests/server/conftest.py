"""A deployment on a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.policies import DEFAULT
from governlayer_server.settings import AnchorSettings, IdentitySettings, LedgerSettings, Settings
from msgspec.structs import replace

from tests.fakes.ledger_place import Place
from tests.fakes.servers import Servers, address, migrate

SECRET = bytes(range(32))


@pytest.fixture
def settings(empty_database: Servers, tmp_path: Path) -> Settings:
    policies = tmp_path / "default.cedar"
    policies.write_text(DEFAULT, encoding="utf-8")
    redis = empty_database.redis
    return Settings(
        deployment="gl.example.com",
        database=address(empty_database.app),
        redis=RedisAddress(socket=redis.socket, user=redis.user, password=redis.password),
        key_encryption_key=SECRET,
        pepper=bytes(reversed(SECRET)),
        policies=policies,
        identity=IdentitySettings(
            jwt_secrets=(bytes(range(64)),), bcrypt_cost=4
        ),  # cheap: what is tested is not the cost
    )


@pytest.fixture
async def migrated(settings: Settings, empty_database: Servers) -> Settings:
    await migrate(empty_database)
    return settings


@pytest.fixture
async def place(migrated: Settings, empty_database: Servers, tmp_path: Path) -> AsyncIterator[Place]:
    (tmp_path / "outside").mkdir()
    tables = await asyncpg.connect(**empty_database.owner.options())
    anchors, ledgers = AnchorSettings(directory=tmp_path / "outside"), LedgerSettings(evidence=tmp_path / "evidence")
    yield Place(replace(migrated, anchors=anchors, ledgers=ledgers), tables)
    await tables.close()
