"""
The Compose bundle on a real engine, from the offline bundle on: each step begins with what the one before left.

The images are those of the session `image`, and stand-ins of the official ones out of Debian packages.
"""

import json
import re
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engines.compose.conftest import Say
from tests.engines.compose.site import HERE, INSIDE, NAME, SERVING, Site
from tools.engines.machine import wait_until

CANARY = f"CANARY-{secrets.token_hex(12)}"


def test_an_offline_bundle_is_made_and_one_that_was_changed_is_refused(site: Site, say: Say) -> None:
    begun = time.monotonic()
    printed = site.make_bundle()
    say(f"bundle made in {time.monotonic() - begun:.0f} s: {printed.strip().splitlines()[-1].rpartition('/')[2]}")
    site.forget_images()
    site.unpack("changed")
    changed = site.place / "changed"
    rules = (changed / "files" / "pg_hba.conf").read_text()
    (changed / "files" / "pg_hba.conf").unlink()
    (changed / "files" / "pg_hba.conf").write_text(rules.replace("hostssl", "host"))
    done = site.run("./install.sh", at="changed", status=1)
    assert "damaged or was changed" in done.stderr
    assert not (changed / ".env").exists()
    assert site.machine.docker("images", "--quiet") == ""
    shutil.rmtree(changed)


@pytest.mark.parametrize("planted", [".env", "config/settings.env", "files/more.conf"])
def test_what_came_along_with_a_bundle_is_not_obeyed(site: Site, planted: str) -> None:
    site.unpack("planted")
    file = site.place / "planted" / planted
    file.parent.mkdir(exist_ok=True)
    file.write_text('COMPOSE_FILE="compose.yaml"\nBACKUPS="/etc"\nINSTALLATION="x"\n')
    done = site.run("./install.sh", at="planted", status=1)
    assert "not from an installation on this machine" in done.stderr or "not of this bundle" in done.stderr
    assert planted.split("/", maxsplit=1)[0] in done.stderr
    assert site.machine.run("stat", "--format=%u", "/etc").stdout == "0\n"
    assert site.machine.docker("images", "--quiet") == site.machine.docker("volume", "ls", "--quiet") == ""
    shutil.rmtree(site.place / "planted")


def test_it_installs_from_the_bundle_alone_and_again(site: Site, say: Say) -> None:
    say(f"installed in {site.timed('./install.sh', '--name', NAME):.0f} s, images from the bundle, no network")
    before = (site.secrets(), {one: site.inspect(one)["Id"] for one in SERVING}, site.inspect("server")["State"])
    say(f"installed again in {site.timed('./install.sh', '--name', NAME):.0f} s")
    after = (site.secrets(), {one: site.inspect(one)["Id"] for one in SERVING}, site.inspect("server")["State"])
    assert before[:2] == after[:2]
    assert before[2]["StartedAt"] == after[2]["StartedAt"]
    assert len(before[0]) == 18
    site.unpack("planted")
    (site.place / "planted" / ".env").write_text('BACKUPS="/etc"\nINSTALLATION="x"\n')
    assert "not from an installation" in site.run("./install.sh", at="planted", status=1).stderr


@pytest.mark.parametrize("service", SERVING)
def test_what_runs_has_no_right_and_a_read_only_root(site: Site, service: str) -> None:
    one = site.inspect(service)
    host = one["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert 0 < host["Memory"] <= 1 << 30
    assert host["NanoCpus"] > 0
    assert host["PidsLimit"] > 0
    status = site.machine.run("cat", f"/proc/{one['State']['Pid']}/status").stdout
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert found["Uid"].split() == [one["Config"]["User"].split(":")[0]] * 4
    assert {found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")


def test_no_secret_is_in_a_container_an_environment_or_a_command_line(site: Site) -> None:
    known = site.secrets()
    ids = site.machine.docker("ps", "--all", "--quiet").split()
    assert len(ids) == len(SERVING) + 2
    shown = site.machine.docker("inspect", *ids)
    shown += site.run("docker", "compose", "config").stdout + (site.place / "first" / ".env").read_text()
    shown += site.run("docker", "compose", "logs", "--no-color").stdout
    for one in SERVING:
        pid = site.inspect(one)["State"]["Pid"]
        shown += site.machine.run("sh", "-c", f"tr '\\0' '\\n' </proc/{pid}/cmdline; cat /proc/{pid}/environ").stdout
    assert [name for name, text in known.items() if _part(text) in shown] == []
    assert "/run/governlayer/secrets" in shown  # it was looked at


def _part(text: str) -> str:
    """Of a key in PEM a line, else the whole."""
    return text.splitlines()[1] if text.startswith("-----") else text


def test_a_first_decision_and_nothing_to_read_on_any_wire(site: Site, say: Say, tmp_path: Path) -> None:
    captured = tmp_path / "captured"
    sniffer = subprocess.Popen(
        site.machine.beside([sys.executable, str(HERE / "sniff.py"), str(captured)]), stdout=subprocess.PIPE
    )
    assert sniffer.stdout is not None
    sniffer.stdout.readline()
    try:
        begun = time.monotonic()
        site.found()
        site.decide(text=CANARY)
        say(f"organization, key and first decision in {time.monotonic() - begun:.0f} s")
        site.decide(20, text=CANARY)
        site.run("./backup.sh")
        planted = f"PLANTED-{secrets.token_hex(8)}"
        site.beside(sys.executable, str(HERE / "probe.py"), "http", site.address("server"), "8600", planted)
        wait_until(lambda: planted.encode() in captured.read_bytes(), "the sniffer is deaf")
    finally:
        sniffer.terminate()
        sniffer.wait()
    crossed = captured.read_bytes()
    told = {**site.secrets(), "content": CANARY, "API key": site.key}
    assert [name for name, text in told.items() if _part(text).encode() in crossed] == []
    say(f"{len(crossed):,} bytes captured on all interfaces: none of {len(told)} secrets and contents in them")


@pytest.mark.parametrize(
    ("service", "port", "language"), [("server", 8600, "http"), ("postgres", 5432, "postgresql"), ("redis", 6379, "redis")]
)  # fmt: skip
def test_no_hop_speaks_in_the_clear(site: Site, service: str, port: int, language: str, say: Say) -> None:
    done = site.beside(sys.executable, str(HERE / "probe.py"), language, site.address(service), str(port), "hello")
    say(f"{service} to {language} in the clear: {done.stdout.strip()}")
    assert done.returncode == 0, done.stderr
    assert not re.search(r"HTTP/|PONG|NOAUTH|'R\\x00", done.stdout)
    assert service != "postgres" or "no encryption" in done.stdout


def test_the_stores_are_out_of_reach_from_outside(site: Site) -> None:
    published = {one: site.inspect(one)["NetworkSettings"]["Ports"] for one in SERVING}
    assert {one for one, ports in published.items() if any(ports.values())} == {"server"}
    assert published["server"]["8600/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "8600"}]
    assert json.loads(site.machine.docker("network", "inspect", "governlayer_data"))[0]["Internal"]


@pytest.mark.parametrize("service", SERVING)
def test_killed_it_comes_back_and_no_decision_is_lost(site: Site, service: str, say: Say) -> None:
    site.decide(3)
    begun, one = time.monotonic(), site.inspect(service)["State"]
    site.machine.run("kill", "-9", str(one["Pid"]))
    wait_until(
        lambda: (
            (now := site.inspect(service)["State"])["StartedAt"] != one["StartedAt"]
            and now["Health"]["Status"] == "healthy"
        ),
        f"{service} does not come back",
    )
    _patient(site)
    say(f"{service} killed: decisions after {time.monotonic() - begun:.0f} s")


def _patient(site: Site, limit_s: float = 60) -> None:
    """Get a decision as soon as there is one."""
    deadline = time.monotonic() + limit_s
    while not site.tries_to_decide():
        assert time.monotonic() < deadline


def test_two_replicas_serve_one_ledger(site: Site) -> None:
    site.set(REPLICAS="2", PORT="8600-8601")
    site.run("docker", "compose", "up", "--detach", "--wait")
    for port in (8600, 8601, 8600):
        site.decide(2, port=port)
    site.set(REPLICAS="1", PORT="8600")
    site.run("docker", "compose", "up", "--detach", "--wait")
    site.decide()


def test_one_port_before_two_replicas_and_tls_ends_in_the_server(site: Site, say: Say) -> None:
    site.set(REPLICAS="2", COMPOSE_FILE="compose.yaml:compose.proxy.yaml")
    site.run("./install.sh")
    site.decide(6)
    begun = time.monotonic()
    site.machine.run("kill", "-9", str(site.inspect("server")["State"]["Pid"]))
    _patient(site)
    say(f"one of two replicas killed behind the proxy: decisions after {time.monotonic() - begun:.1f} s")
    done = site.beside(sys.executable, str(HERE / "probe.py"), "http", "127.0.0.1", "8600", "hello")
    assert "HTTP/" not in done.stdout
    site.set(REPLICAS="1", COMPOSE_FILE="compose.yaml")
    site.run("docker", "compose", "up", "--detach", "--wait", "--remove-orphans")
    site.decide()


def test_uninstalled_it_keeps_its_data(site: Site, tmp_path: Path) -> None:
    before = site.verified(tmp_path)
    site.run("./uninstall.sh")
    assert site.machine.docker("ps", "--all", "--quiet") == ""
    site.run("./install.sh")
    site.decide()
    assert site.verified(tmp_path) > before


def test_destroyed_it_comes_back_from_a_backup_on_a_new_machine(site: Site, say: Say, tmp_path: Path) -> None:
    site.decide(5)
    site.run("./backup.sh")
    passphrase = site.run("./backup.sh", "--passphrase").stdout
    before, known = site.verified(tmp_path), site.secrets()
    site.run("./uninstall.sh", "--delete-data", answer=f"delete {NAME}\n")
    assert site.machine.docker("volume", "ls", "--quiet") == ""
    assert not (site.place / "first" / "config").exists()
    kept = site.place / "first" / "backups"
    site.unpack("second")
    (site.place / "passphrase").write_text(passphrase)
    (site.place / "settings.env").write_text("GOVERNLAYER_TRUSTED_PROXY=192.0.2.1\n")
    took = site.timed(
        "./restore.sh", "--passphrase-file", "../passphrase", "--settings", "../settings.env",
        "--backups", f"{INSIDE}/first/{kept.name}", "--name", NAME, at="second",
    )  # fmt: skip
    site.bundle = "second"
    say(f"restored on a new installation in {took:.0f} s")
    after = site.secrets()
    same = {name for name in known if known[name] == after.get(name)}
    assert same == {"secrets/key-encryption-key", "secrets/pepper", "secrets/jwt-secret", "owner/backup-passphrase"}
    assert "GOVERNLAYER_TRUSTED_PROXY=192.0.2.1" in site.inspect("server")["Config"]["Env"]
    site.decide(2)  # the API key of before
    assert site.verified(tmp_path) > before
