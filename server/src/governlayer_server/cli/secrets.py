"""``governlayer secrets``: what a deployment has to keep secret, made before its first start."""

from pathlib import Path

import click

from governlayer_server.adapters.system import SystemEntropy
from governlayer_server.settings.first_secrets import FIRST_SECRETS, make_files, manifest, read_files


@click.group()
def secrets() -> None:
    """Make the secrets of a new deployment."""


@secrets.command("init")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the files are; needed with `files`. With `kubernetes`: print what is kept here, made if missing.",
)
@click.option("--format", "form", type=click.Choice(["files", "kubernetes"]), default="files", show_default=True)
@click.option("--name", default="governlayer", show_default=True, help="Name of the Secret in Kubernetes.")
@click.option("--namespace", help="Its namespace.  [default: none is written]")
def init(directory: Path | None, form: str, name: str, namespace: str | None) -> None:
    """
    Make keys, passwords and tokens as files (mode 0400), or print them as a Secret for Kubernetes.

    What is there is never written over: run again, it says what it kept. Nothing is asked of a network.
    """
    for_kubernetes = form == "kubernetes"
    if directory is not None:
        for secret, is_new in make_files(directory, SystemEntropy()).items():
            click.echo(f"{'made' if is_new else 'kept'}  {directory / secret}", err=for_kubernetes)
    elif not for_kubernetes:
        raise click.UsageError("--format files needs --directory")
    if for_kubernetes:
        click.echo(manifest(name, namespace, new_secrets() if directory is None else read_files(directory)))
    click.echo("next: keep key-encryption-key, pepper and backup-passphrase in two safe places elsewhere too", err=True)


def new_secrets() -> dict[str, str]:
    """Return each of the first secrets, made now and kept nowhere."""
    entropy = SystemEntropy()
    return {secret: make(entropy) for secret, make in FIRST_SECRETS.items()}
