"""The command ``governlayer`` with all its verbs."""

import click

from governlayer_server.cli.backup import backup
from governlayer_server.cli.doctor import doctor
from governlayer_server.cli.erase import erase
from governlayer_server.cli.keys import keys
from governlayer_server.cli.ledger import ledger
from governlayer_server.cli.master_keys import new_master, rewrap_master
from governlayer_server.cli.orgs import orgs
from governlayer_server.cli.paperwork import paperwork
from governlayer_server.cli.policy import policy
from governlayer_server.cli.serve import migrate, serve
from governlayer_server.cli.tls import tls
from governlayer_server.cli.up import up
from governlayer_server.cli.users import users
from governlayer_server.wiring import VERSION


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done, 1 refused or failed (the message says why), 2 wrong arguments, 130 interrupted.",
)
@click.version_option(VERSION, prog_name="governlayer")
def governlayer() -> None:
    """Govern AI agents: every decision is made by your policies and stands on a hash-chained ledger."""


for command in (up, serve, migrate, orgs, users, keys, ledger, erase, policy, paperwork, tls, backup, doctor):
    governlayer.add_command(command)
for command in (new_master, rewrap_master):
    keys.add_command(command)
