"""Where people reach the appliance, for the commands that print one-time links."""

import click

from governlayer_server.cli.common import Command
from governlayer_server.settings import DEFAULT_PORT, PREFIX


def public_url_option(command: Command) -> Command:
    """Add ``--public-url URL``."""
    return click.option(
        "--public-url",
        envvar=PREFIX + "PUBLIC_URL",
        default=f"http://127.0.0.1:{DEFAULT_PORT}",
        show_default=True,
        help="Where the user reaches the appliance.",
    )(command)
