"""A deployment on a database of its own."""

from pathlib import Path

import pytest
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.policies import DEFAULT
from governlayer_server.settings import IdentitySettings, Settings

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
