"""The command ``governlayer``: parses, calls, prints. No logic."""

import os
import signal
import sys
from pathlib import Path

import click

from governlayer_server.domain.errors import GovernLayerError

_INTERRUPTED = 130


def main() -> None:
    """Run the command; an error that was raised on purpose is one line on standard error."""
    try:
        # It takes a moment, in which libraries would swallow Ctrl-C or end in a traceback: nothing is open yet.
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
        _ensure_home()
        from governlayer_server.cli.commands import governlayer  # noqa: PLC0415

        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.exit(governlayer(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except GovernLayerError as error:
        click.echo(f"governlayer: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(_INTERRUPTED)


def _ensure_home() -> None:
    """A container's user may be a bare number without a home, for which libraries ask as they load."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"  # as container engines have it
