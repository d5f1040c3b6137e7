"""``governlayer doctor``: what works, what does not, and what mends it."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from msgspec import to_builtins

from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.cli.common import data_option, default_data, json_option, kept_settings, print_json, run
from governlayer_server.cli.progress import Meter
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings import PREFIX, settings_from
from governlayer_server.wiring.check import Check
from governlayer_server.wiring.doctor import Patient, examine

_CERTIFICATES = ("TLS_CERTIFICATE", "DATABASE_CERTIFICATE")
_SIGNS = {True: "ok  ", False: "FAIL", None: "--  "}


@click.command(epilog="Exit status: 0 nothing fails, 1 something does, 2 wrong arguments.")
@data_option
@json_option
@click.option(
    "--tls-certificate",
    "certificates",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="A certificate that is served, to see when it expires; repeatable.  [default: those that settings name]",
)
def doctor(data: Path | None, as_json: bool, certificates: tuple[Path, ...]) -> None:
    """Look at everything that decisions need, change nothing, and name the command that mends what fails."""
    with Meter("ends of ledgers", "ledgers") as meter:
        checks = run(examine(patient_of(data, certificates), meter.show))
    failed = any(check.ok is False for check in checks)
    if as_json:
        print_json({"checks": [to_builtins(check) for check in checks], "ok": not failed})
    else:
        for check in checks:
            _print(check)
    sys.exit(failed)


def _print(check: Check) -> None:
    click.echo(f"{_SIGNS[check.ok]}  {check.name:<12} {check.detail}")
    if check.ok is False and check.mend:
        click.echo(f"      {'':<12} mend: {check.mend}")


def patient_of(data: Path | None, certificates: Sequence[Path]) -> Patient:
    """
    Return the installation in *data*, or the one that the environment names, and the certificates it serves.

    Raises:
        ConfigurationError: there is no such data directory.
    """
    served = [*certificates, *(Path(file) for name in _CERTIFICATES if (file := os.environ.get(PREFIX + name)))]
    if data is None and PREFIX + "DATABASE_HOST" in os.environ:
        return Patient(
            settings=lambda: settings_from(os.environ),
            start="see that PostgreSQL and Redis run, and are reached from here by the hosts in the settings",
            data=None,
            certificates=served,
        )
    path = data or default_data()
    if not (path / "lock").exists():
        raise ConfigurationError(f"there is no appliance in {path}: start one with `governlayer up --data {path}`")
    return Patient(
        settings=lambda: kept_settings(DataDirectory.open(path)),
        start=f"governlayer up --data {path}",
        data=path,
        certificates=served,
    )
