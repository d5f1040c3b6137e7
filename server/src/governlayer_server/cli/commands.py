"""The command ``governlayer`` with all its verbs."""

from importlib import import_module
from importlib.metadata import version

import click

MODULES = {
    "up": "up",
    "serve": "serve",
    "migrate": "migrate",
    "orgs": "orgs",
    "users": "users",
    "keys": "keys",
    "ledger": "ledger",
    "erase": "erase",
    "holds": "holds",
    "retention": "retention",
    "subject-export": "subject_export",
    "policy": "policy",
    "paperwork": "paperwork",
    "tls": "tls",
    "backup": "backup",
    "restore": "restore",
    "doctor": "doctor",
    "support-bundle": "support_bundle",
    "healthcheck": "healthcheck",
    "secrets": "secrets",
}
"""Each verb, and the module of this package that has the command of that name."""


class _Verbs(click.Group):
    """Loads no other verb than the one that is asked for: all of them take a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in MODULES:
            return None
        command: click.Command = getattr(
            import_module(f"{__package__}.{MODULES[cmd_name]}"), cmd_name.replace("-", "_")
        )
        return command


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done, 1 refused or failed (the message says why), 2 wrong arguments, 130 interrupted.",
)
@click.version_option(version("governlayer-server"), prog_name="governlayer")
def governlayer() -> None:
    """Govern AI agents: every decision is made by your policies and stands on a hash-chained ledger."""
