"""Nothing is looked up or fetched at run time: the appliance works where nothing else can be reached, and does not try."""

import json
import re
from collections.abc import Callable

import pytest

from tests.engines.stack import Stack
from tools.engines.images import OURS
from tools.engines.machine import Machine

pytestmark = pytest.mark.timeout(3600)  # on a machine that has other things to do
# Containers have a default route, which ends here: what they send to anywhere else than to each other is counted.
_WATCH = """
table inet watch {
    counter lookups { }
    counter others { }
    set near { type ipv4_addr; flags interval; elements = { 127.0.0.0/8, 172.16.0.0/12, 224.0.0.0/4 } }
    set near6 { type ipv6_addr; flags interval; elements = { ::1, fe80::/10, ff00::/8 } }
    chain leaving { meta l4proto { tcp, udp } th dport 53 counter name lookups return; counter name others; }
    chain watched { ip daddr != @near goto leaving; ip6 daddr != @near6 goto leaving; }
    chain containers { type filter hook prerouting priority raw; iifname != "lo" goto watched; }
    chain host { type filter hook output priority raw; goto watched; }
}
"""
_ATTEMPTS = """
import contextlib, socket
for act in (lambda: socket.getaddrinfo("control.example", 443), lambda: socket.create_connection(("192.0.2.1", 443), 1)):
    with contextlib.suppress(OSError):
        act()
"""


def packets(machine: Machine, *, reset: bool = False) -> dict[str, int]:
    """Return how many packets left, by what they were; *reset* begins anew."""
    listed = machine.run("nft", "--json", "reset" if reset else "list", "counters").stdout
    found = [item["counter"] for item in json.loads(listed)["nftables"] if "counter" in item]
    return {item["name"]: item["packets"] for item in found if item["table"] == "watch"}


@pytest.fixture(scope="module")
def watched(machine: Machine) -> Machine:
    machine.run("nft", "--file", "-", input=_WATCH)
    machine.run("tee", "/etc/resolv.conf", input="nameserver 192.0.2.53\n")  # of documentation (RFC 5737): nobody
    return machine


def test_it_starts_decides_and_backs_up_and_sends_no_packet_elsewhere(
    watched: Machine, stack: Stack, say: Callable[[str], None]
) -> None:
    routes = watched.run("ip", "-o", "route", "show", "default").stdout
    watched.docker("load", "--quiet", "--input", "/images/governlayer.tar")
    watched.docker("network", "create", "control")
    watched.docker("run", "--rm", "--network=control", "--entrypoint=python", OURS, "-c", _ATTEMPTS)
    control = packets(watched, reset=True)
    assert min(control.values()) > 0, f"the counters see nothing: {control}"
    seconds = stack.up()
    key = stack.first_key()
    decisions = [stack.ask(key)["decision"] for _ in range(20)]
    backup = stack.governlayer("backup", "--to=/home/backups")
    verified = stack.governlayer("backup", "verify", "--from=/home/backups")
    sent = packets(watched)
    say(f"default routes of this network namespace: {len(routes.splitlines())}; a deliberate attempt counted {control}")
    say(
        f"healthy in {seconds:.1f} s, {len(decisions)} decisions, backup: {backup}; verify: {verified.splitlines()[-1:]}"
    )
    say(f"packets to anywhere else than the appliance's own containers: {sent}")
    assert routes == ""
    assert set(decisions) == {"redact"}
    assert set(sent.values()) == {0}
    assert re.search(r"\d", backup)
