"""``governlayer policy``: policy files."""

from pathlib import Path

import click

from governlayer_server.adapters.cedar.files import read_policies
from governlayer_server.cli.common import json_option, print_json
from governlayer_server.policies import DEFAULT, SCHEMA


@click.group()
def policy() -> None:
    """Check and show policy files."""


@policy.command("lint")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@json_option
def lint(file: Path, as_json: bool) -> None:
    """Check a policy file: syntax, types against the schema, annotations. Restart the appliance to use it."""
    parsed = read_policies(file)
    rules = parsed.rules.values()
    if as_json:
        shown = [{"id": rule.id, "outcome": rule.outcome.value, "reason": rule.reason} for rule in rules]
        print_json({"hash": parsed.hash, "policies": shown})
        return
    for rule in rules:
        click.echo(f"{rule.outcome.value:<17} {rule.id}: {rule.reason}")
    click.echo(f"{len(parsed.rules)} policies, sha256 {parsed.hash}", err=True)


@policy.command("show-default")
@click.option("--schema", is_flag=True, help="The schema instead: what a policy may ask about.")
def show_default(schema: bool) -> None:
    """Print the policy set that ships with this version."""
    click.echo(SCHEMA if schema else DEFAULT, nl=False)
