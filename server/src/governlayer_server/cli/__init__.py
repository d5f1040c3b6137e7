"""The command ``governlayer``: parses, calls, prints. No logic."""

import sys

import click

from governlayer_server.domain.errors import GovernLayerError

_INTERRUPTED = 130


def main() -> None:
    """Run the command; an error that was raised on purpose is one line on standard error."""
    try:
        # Here, because it takes a moment, in which Ctrl-C should not end in a traceback.
        from governlayer_server.cli.commands import governlayer  # noqa: PLC0415

        sys.exit(governlayer(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except GovernLayerError as error:
        click.echo(f"governlayer: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(_INTERRUPTED)
