"""Two `governlayer serve` on the engines of a test, an organization, and writers that note when they were answered."""

import asyncio
import json
import os
import secrets
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.connecting import connect_primary
from governlayer_server.policies import DEFAULT
from governlayer_server.settings import PREFIX, encode_secret
from msgspec.structs import replace

from tests.system.appliance import GL_VERIFY, GOVERNLAYER
from tests.system.client import Answer
from tests.system.replicas import Replica
from tests.system.writers import Writer

WRITERS = 4
_PAUSE_S = 0.02
_ROLES = """
CREATE ROLE governlayer_owner LOGIN PASSWORD '{password}';
CREATE ROLE governlayer_app LOGIN PASSWORD '{password}'
"""


class TimedWriter(Writer):
    """A patient writer that notes when each answer came, and leaves room for others between two questions."""

    def __init__(self, server: Replica, key: str, name: str) -> None:
        super().__init__(server, key, name, patient=True)
        self.times_s: list[float] = []

    def _took(self, action: str, answer: Answer) -> bool:
        took = super()._took(action, answer)
        if answer.status == 200:
            self.times_s.append(time.monotonic())
            time.sleep(_PAUSE_S)
        return took


class House:
    """
    The server's side of a test.

    Args:
        place: for its files.
        settings: where PostgreSQL and Redis are, without prefix.
    """

    def __init__(self, place: Path, settings: Mapping[str, str]) -> None:
        self._place = place
        policies = place / "default.cedar"
        policies.write_text(DEFAULT)
        self._environment = {
            PREFIX + name: value
            for name, value in {
                "KEY_ENCRYPTION_KEY": encode_secret(secrets.token_bytes(32)),
                "PEPPER": encode_secret(secrets.token_bytes(32)),
                "JWT_SECRET": encode_secret(secrets.token_bytes(64)),
                "POLICIES": str(policies),
                "REPLICAS": "2",
                "ENTERPRISE_LIMIT": "65535",
                "ADDRESS_LIMIT": "65535",
                **settings,
            }.items()
        }
        self.replicas: list[Replica] = []
        self.writers: list[TimedWriter] = []
        self.key = ""
        self._organization = ""

    def run(self, *arguments: str, user: str = "governlayer_app") -> str:
        environment = {"PATH": os.environ["PATH"], **self._environment, PREFIX + "DATABASE_USER": user}
        done = subprocess.run(
            [GOVERNLAYER, *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def open(self) -> None:
        """Make the schema and an organization, and start two replicas and four writers."""
        self.run("migrate", user="governlayer_owner")
        environment = {**self._environment, PREFIX + "DATABASE_USER": "governlayer_app"}
        self.replicas = [Replica(f"replica{number}", self._place, environment) for number in (1, 2)]
        for replica in self.replicas:
            replica.start()
        self._organization = self.new_organization("Acme")
        self.key = self.new_key(self._organization)
        self.writers = [
            TimedWriter(self.replicas[number % 2], self.key, f"writer{number}") for number in range(WRITERS)
        ]
        for writer in self.writers:
            writer.start()

    def new_organization(self, name: str) -> str:
        made = self.run(
            "orgs", "create", "--name", name, "--plan", "enterprise", "--owner-email", f"{name}@a.example", "--json"
        )
        return str(json.loads(made)["id"])

    def new_key(self, organization: str, *options: str) -> str:
        made = self.run(
            "keys", "create", "--org", organization, "--name", "k", "--scopes", "govern,audit", "--json", *options
        )
        return str(json.loads(made)["key"])

    def longest_gap_s(self, since_s: float) -> float:
        """Return the longest time since then in which nobody got a decision."""
        times = sorted(one for writer in self.writers for one in writer.times_s if one >= since_s)
        return max(after - before for before, after in zip([since_s, *times], [*times, time.monotonic()], strict=True))

    def decide_since(self, since_s: float) -> bool:
        """Return whether all writers have been answered since."""
        return all(writer.times_s and writer.times_s[-1] > since_s for writer in self.writers)

    def rest(self) -> None:
        """End the writers once each has its last answer."""
        for writer in self.writers:
            writer.stop()
        for writer in self.writers:
            writer.join(120)
            assert not writer.is_alive()

    def dump(self) -> Path:
        """Return a dump of the ledger that `gl-verify` accepts; `fsck` has found nothing."""
        self.run("ledger", "fsck", "--all")
        dump = self._place / "acme.gldump"
        self.run("ledger", "dump", "--org", self._organization, "-o", str(dump))
        key = self.run("ledger", "key").strip()
        done = subprocess.run([GL_VERIFY, dump, "--key", key], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return dump

    def close(self) -> None:
        for writer in self.writers:
            writer.stop()
        for replica in self.replicas:
            replica.kill()


def make_database(address: PostgresAddress) -> None:
    """Make the roles and the database, as the superuser of *address*."""

    async def run(database: str, *statements: str) -> None:
        connection = await connect_primary(replace(address, database=database))
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    roles = _ROLES.format(password=address.password).split(";")
    asyncio.run(run("postgres", *roles, "CREATE DATABASE governlayer OWNER governlayer_owner"))
    rights = "REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO governlayer_app"
    asyncio.run(run("governlayer", rights, "ALTER SCHEMA public OWNER TO governlayer_owner"))


def told(what: str, gaps_s: Sequence[float]) -> None:
    """Print how long nobody got a decision, per kill."""
    figures = {"kills": len(gaps_s), "min_s": min(gaps_s), "median_s": median(gaps_s), "max_s": max(gaps_s)}
    print(what, json.dumps({name: round(value, 2) for name, value in figures.items()}), flush=True)
