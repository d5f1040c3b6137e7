"""``governlayer migrate``: the schema of a PostgreSQL that is there already."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from governlayer_server.adapters.postgres.database import Database, connect
from governlayer_server.adapters.postgres.migrate import apply_migrations
from governlayer_server.adapters.postgres.migration_plan import PlannedMigration, planned_migrations
from governlayer_server.cli.common import json_option, print_json, run
from governlayer_server.domain.errors import LedgerUnavailable
from governlayer_server.settings import settings_from

_PAUSE_S = 1.0


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if migrations are missing.")
@click.option("--plan", is_flag=True, help="Change nothing; say what the missing migrations would do to which rows.")
@click.option(
    "--wait",
    "wait_s",
    type=click.IntRange(0, 3600),
    default=0,
    metavar="SECONDS",
    help="For how long to wait for a PostgreSQL that does not answer yet.  [default: not at all]",
)
@json_option
def migrate(*, check: bool, plan: bool, wait_s: int, as_json: bool) -> None:
    """
    Bring the database that GOVERNLAYER_… settings name up to date. Connect as its owner.

    All missing migrations are one transaction: interrupted, nothing has changed. A second `migrate` waits for the
    first. There is no way back but a backup (docs/how-to/upgrade-and-downgrade.md).

    Exit status: 0 up to date, or --plan printed; 1 with --check migrations are missing, or it failed and nothing has
    changed.
    """
    if check or plan:
        missing = run(_planned(wait_s))
        _print_plan(missing, as_json=as_json, whole=plan)
        if check and missing:
            sys.exit(1)
        return
    applied = run(_applied(wait_s))
    if as_json:
        print_json({"applied": applied})
        return
    for one in applied:
        click.echo(one)
    if not applied:
        click.echo("up to date", err=True)


def _print_plan(missing: list[PlannedMigration], *, as_json: bool, whole: bool) -> None:
    if as_json:
        print_json({"pending": [_body(one) for one in missing]})
        return
    for one in missing:
        click.echo(f"{one.id}  {one.description}" if whole else one.id)
        for line in _lines(one) if whole else ():
            click.echo(f"    {line}")
    if not missing:
        click.echo("up to date", err=True)


def _body(one: PlannedMigration) -> dict[str, object]:
    rows = [{"table": each.table, "rows": each.rows, "what": each.what} for each in one.rows]
    return {"id": one.id, "description": one.description, "rows": rows, "locks_long": one.locks_long}


def _lines(one: PlannedMigration) -> list[str]:
    lines = [f"{each.table}, {each.rows:,} rows: {each.what}" for each in one.rows]
    tables = ", ".join(each.table for each in one.rows)
    locks = f"locks {tables} meanwhile: stop the servers first" if one.locks_long else "locks for a moment only"
    return [*(lines or ["no stored row is changed"]), locks]


async def _planned(wait_s: int) -> list[PlannedMigration]:
    async with _owner(wait_s) as database:
        return await planned_migrations(database)


async def _applied(wait_s: int) -> list[str]:
    async with _owner(wait_s) as database:
        return await apply_migrations(database, say=lambda text: click.echo(f"governlayer: {text}", err=True))


@asynccontextmanager
async def _owner(wait_s: int) -> AsyncIterator[Database]:
    database = await _connected(wait_s)
    try:
        yield database
    finally:
        await database.close()


async def _connected(wait_s: int) -> Database:
    """Return the open database; one that does not answer is asked again until *wait_s* seconds are over."""
    address = settings_from(os.environ).database
    until_s = time.monotonic() + wait_s
    is_told = False
    while True:
        try:
            return await connect(address, patient=True)
        except LedgerUnavailable as error:
            if time.monotonic() >= until_s:
                raise
            if not is_told:
                click.echo(f"governlayer: waiting up to {wait_s} s for PostgreSQL: {error}", err=True)
            is_told = True
        await asyncio.sleep(_PAUSE_S)
