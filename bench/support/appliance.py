"""An appliance with its own PostgreSQL and Redis, for the length of a benchmark."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from governlayer_server.adapters.postgres.database import connect
from governlayer_server.adapters.postgres.migrate import apply_migrations
from governlayer_server.cli.common import embedded_settings, postgres_address
from governlayer_server.policies import DEFAULT
from governlayer_server.settings import Settings
from governlayer_server.wiring import Appliance, open_appliance
from msgspec.structs import replace


@asynccontextmanager
async def opened(cost: int | None = None) -> AsyncIterator[tuple[Appliance, Settings]]:
    """Open an appliance in a directory of its own; *cost*: bcrypt's, where it is not to be the usual one."""
    async with opened_on(cost) as (appliance, settings, _):
        yield appliance, settings


@asynccontextmanager
async def opened_on(cost: int | None = None) -> AsyncIterator[tuple[Appliance, Settings, EmbeddedPostgres]]:
    """As ``opened``, with the PostgreSQL that it runs on."""
    with tempfile.TemporaryDirectory(prefix="gl-bench-") as place:
        os.chmod(place, 0o755)  # noqa: PTH101  # for the servers' own user
        directory = DataDirectory.open(Path(place, "data"))
        postgres, redis = EmbeddedPostgres(directory), EmbeddedRedis(directory)
        with directory.lock():
            try:
                await asyncio.gather(postgres.start(), redis.start())
                owner = await connect(postgres_address(postgres.owner))
                await apply_migrations(owner)
                await owner.close()
                settings = embedded_settings(directory)
                settings.policies.parent.mkdir(mode=0o700, exist_ok=True)
                settings.policies.write_text(DEFAULT, encoding="utf-8")
                if cost is not None:
                    settings = replace(settings, identity=replace(settings.identity, bcrypt_cost=cost))
                async with open_appliance(settings) as appliance:
                    yield appliance, settings, postgres
            finally:
                await asyncio.gather(postgres.stop(), redis.stop())
