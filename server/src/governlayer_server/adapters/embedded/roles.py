"""The roles and the database of the appliance, made if missing and mended if changed, at every start."""

import os
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from governlayer_server.adapters.embedded.scram import matches, verifier

DATABASE = "governlayer"
OWNER = "governlayer_owner"
APP = "governlayer_app"
ADMIN = "governlayer_admin"
_LIMITS = "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION"
_STATEMENT_S = 30.0


@dataclass(frozen=True)
class Login:
    """
    All that is needed to connect to the embedded PostgreSQL as one role.

    Attributes:
        host: directory of the Unix socket.
        port: number in the socket's name; there is no TCP port.
        database: database name.
        user: role name.
        password: its password; not in ``repr``.
    """

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)

    def options(self) -> dict[str, Any]:
        """Return keyword arguments for ``asyncpg.connect`` or a Piccolo engine; they hold the password."""
        return {
            "host": self.host,
            "port": self.port,
            "database": self.database,
            "user": self.user,
            "password": self.password,
        }


async def ensure_roles(admin: Login, owner: Login, app: Login) -> None:
    """
    Make the roles of *owner* and *app* and the database, with no more rights than they need.

    *owner* owns the database and its schema ``public``; *app* may connect and use that schema, and has no
    right on any table until a migration grants it. Nobody else may connect.

    Args:
        admin: superuser, on the database ``postgres``.
        owner: for migrations.
        app: for the running server.
    """
    connection = await asyncpg.connect(**admin.options(), timeout=_STATEMENT_S, command_timeout=_STATEMENT_S)
    try:
        for login in (owner, app):
            await _ensure_role(connection, login)
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        await connection.execute(
            f"REVOKE ALL ON DATABASE {DATABASE}, postgres, template1 FROM PUBLIC;"
            f"GRANT CONNECT ON DATABASE {DATABASE} TO {APP}"
        )
    finally:
        await connection.close(timeout=_STATEMENT_S)
    inside = await asyncpg.connect(
        **{**admin.options(), "database": DATABASE}, timeout=_STATEMENT_S, command_timeout=_STATEMENT_S
    )
    try:
        await inside.execute(f"REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO {APP}")
    finally:
        await inside.close(timeout=_STATEMENT_S)


async def _ensure_role(connection: asyncpg.Connection, login: Login) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", login.user):
        await connection.execute(f"CREATE ROLE {login.user}")
    await connection.execute(f"ALTER ROLE {login.user} {_LIMITS}")
    stored = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = $1", login.user)
    if not matches(login.password, stored):
        # A verifier is letters, digits and "$:+/=-" only: nothing in it needs quoting.
        await connection.execute(f"ALTER ROLE {login.user} PASSWORD '{verifier(login.password, os.urandom(16))}'")
