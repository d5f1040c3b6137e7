"""``governlayer keys new-master`` and ``rewrap-master``: key-encryption keys as their provider keeps them."""

import os
from pathlib import Path

import click

from governlayer_server.adapters.embedded.directory import write_once
from governlayer_server.adapters.key_providers.file import CIPHERTEXT, read_line
from governlayer_server.adapters.key_providers.texts import KEY_BYTES
from governlayer_server.adapters.key_providers.transit import TransitKeys
from governlayer_server.adapters.system import SystemEntropy
from governlayer_server.cli.common import run
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings.key_providers import key_provider_from

_output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    required=True,
    help="File to write, mode 0600; it must not be there yet.",
)


@click.command("new-master")
@_output_option
def new_master(output: Path) -> None:
    """
    Write a new key-encryption key to a file, as the provider of GOVERNLAYER_KEY_PROVIDER keeps it.

    With `transit` that is a ciphertext. Nothing uses the key yet.
    """
    _require_free(output)
    provider = key_provider_from(os.environ)
    _write(output, run(provider.protect(SystemEntropy().bytes(KEY_BYTES))))
    click.echo(
        f"next: keep it where GOVERNLAYER_KEY_ENCRYPTION_KEY[_NEXT]_FILE of `{provider.name}` reads it", err=True
    )


@click.command("rewrap-master")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_output_option
def rewrap_master(file: Path, output: Path) -> None:
    """Write the ciphertext in FILE anew, under the newest version of the transit key. The key in it is the same."""
    _require_free(output)
    provider = key_provider_from(os.environ)
    if not isinstance(provider, TransitKeys):
        raise ConfigurationError("only GOVERNLAYER_KEY_PROVIDER=transit has ciphertexts")
    _write(output, run(provider.rewrap(read_line(file, CIPHERTEXT) or "")))
    click.echo(f"next: move it to {file}; restart nothing", err=True)


def _require_free(output: Path) -> None:
    if os.path.lexists(output):
        raise ConfigurationError(f"{output} is there already: nothing was made")


def _write(output: Path, key: str) -> None:
    try:
        write_once(output, key + "\n")
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written: {error.strerror}") from None
