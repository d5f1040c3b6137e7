"""``governlayer policy``: policy files."""

from pathlib import Path

import click

from governlayer_server.adapters.cedar.engine import parse_policies
from governlayer_server.policies import DEFAULT, SCHEMA


@click.group()
def policy() -> None:
    """Check and show policy files."""


@policy.command("lint")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def lint(file: Path) -> None:
    """Check a policy file: syntax, types against the schema, annotations. Restart the appliance to use it."""
    parsed = parse_policies(file.read_text(encoding="utf-8"), SCHEMA)
    for rule in parsed.rules.values():
        click.echo(f"{rule.outcome.value:<17} {rule.id}: {rule.reason}")
    click.echo(f"{len(parsed.rules)} policies, sha256 {parsed.hash}", err=True)


@policy.command("show-default")
@click.option("--schema", is_flag=True, help="The schema instead: what a policy may ask about.")
def show_default(schema: bool) -> None:  # click's
    """Print the policy set that ships with this version."""
    click.echo(SCHEMA if schema else DEFAULT, nl=False)
