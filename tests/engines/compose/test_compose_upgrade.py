"""
Upgrades of the stack that test_compose_stack.py leaves: without migrations, with one, and with what fails on the way.

The versions are made here: the image with one more migration in it, in a bundle of its own.
"""

import itertools
import shutil
import time
from pathlib import Path

import pytest

from tests.engines.compose.conftest import Say
from tests.engines.compose.site import INSIDE, NAME, Site
from tests.engines.compose.versions import FAILING, WORKING, make_version
from tools.engines.machine import wait_until

pytestmark = pytest.mark.timeout(3600)  # on a machine that has other things to do


def test_it_is_upgraded_from_a_new_directory(site: Site, say: Say, tmp_path: Path) -> None:
    before = site.verified(tmp_path)
    site.unpack("third")
    took = site.timed("./upgrade.sh", "--from", f"{INSIDE}/second", at="third")
    site.bundle = "third"
    shutil.copytree(site.place / "agent-second", site.place / "agent-third")
    say(f"upgraded in {took:.0f} s, backup and verification included")
    site.decide()
    assert site.verified(tmp_path) > before


def test_a_rebuilt_image_is_taken(site: Site) -> None:
    context = site.place / "rebuilt"
    context.mkdir()
    name = "localhost/governlayer/governlayer:0.1.0"
    (context / "Dockerfile").write_text(f"FROM {name}\nLABEL rebuilt=yes\n")
    site.machine.run("env", "DOCKER_BUILDKIT=0", "docker", "build", "--tag", name, f"{INSIDE}/rebuilt")
    for file in ("images.tar", "SHA256SUMS"):
        (site.place / "third" / file).unlink()
    before = site.inspect("server")["Image"]
    site.run("./upgrade.sh")
    assert site.inspect("server")["Image"] != before
    site.decide()


def test_an_upgrade_that_fails_says_the_way_back_and_has_changed_nothing(site: Site, tmp_path: Path) -> None:
    site.unpack("fourth")
    broken = site.place / "fourth" / "images.txt"
    broken.unlink()
    broken.write_text("GOVERNLAYER_IMAGE localhost/governlayer/governlayer:9.9.9\n")
    for file in ("images.tar", "SHA256SUMS"):
        (site.place / "fourth" / file).unlink()
    done = site.run("./upgrade.sh", "--from", f"{INSIDE}/third", at="fourth", status=1)
    assert "nothing is lost" in done.stdout
    assert f"cd {INSIDE}/third && docker compose up" in done.stdout
    assert not (site.place / "fourth" / ".env").exists()
    site.decide()
    assert site.verified(tmp_path) > 0


def test_a_migration_that_fails_loses_nothing_and_the_printed_way_back_works(
    site: Site, say: Say, tmp_path: Path
) -> None:
    make_version(site, "0.2.0", FAILING)
    with site.asking() as answered:
        done = site.run("./upgrade.sh", "--from", f"{INSIDE}/third", at="0.2.0", status=1)
        assert "nothing is lost" in done.stdout
        assert site.machine.docker("ps", "--quiet", "--filter", "name=governlayer-server") == ""
        printed = _way_back(done.stdout)
        assert printed == f"cd {INSIDE}/third && docker compose up --detach --wait"
        site.run("sh", "-c", printed)
        _one_more(answered)
    assert not [name for name in (".env", "config") if (site.place / "0.2.0" / name).exists()]
    say(f"migration failed, old version started again: {_gap(answered):.0f} s without a decision")
    site.verified(tmp_path)


def test_a_version_that_migrates_and_does_not_start_is_left_by_the_printed_way_back(
    site: Site, say: Say, tmp_path: Path
) -> None:
    make_version(site, "0.3.0", WORKING, 'CMD ["serve", "--no-such-option"]')
    site.set(WAIT_SECONDS="40")
    with site.asking() as answered:
        done = site.run("./upgrade.sh", "--from", f"{INSIDE}/third", at="0.3.0", status=1)
        printed = _way_back(done.stdout)
        assert printed.startswith(f"cd {INSIDE}/third && ./restore.sh --replace --backup 2")
        site.run("sh", "-c", printed, answer=f"replace {NAME}\n")
        _one_more(answered)
    say(f"new version did not start, backup of before restored: {_gap(answered):.0f} s without a decision")
    say(f"{site.verified(tmp_path)} decisions in the verified dump; {site.acknowledged} were acknowledged")
    site.set(WAIT_SECONDS="300")


def test_it_is_upgraded_with_a_migration_while_agents_ask(site: Site, say: Say, tmp_path: Path) -> None:
    made = make_version(site, "0.4.0", WORKING)
    with site.asking() as answered:
        begun = time.monotonic()
        done = site.run("./upgrade.sh", "--from", f"{INSIDE}/third", at="0.4.0")
        took = time.monotonic() - begun
        _one_more(answered)
    assert "an index more" in done.stdout
    assert "would be lost" in done.stdout
    assert site.inspect("server")["Image"] == made
    site.bundle = "0.4.0"
    shutil.copytree(site.place / "agent-third", site.place / "agent-0.4.0")
    site.decide()
    say(f"upgraded with a migration in {took:.0f} s; longest time without a decision {_gap(answered):.0f} s")
    say(f"{site.verified(tmp_path)} decisions in the verified dump; {site.acknowledged} were acknowledged")


def _way_back(said: str) -> str:
    """Return the command in the last line."""
    assert "FAILED. The way back" in said
    return said.splitlines()[-1].strip()


def _one_more(answered: list[float]) -> None:
    """Wait for decisions after all that happened."""
    wanted = len(answered) + 2
    wait_until(lambda: len(answered) >= wanted, "no decision comes any more", 120)


def _gap(answered: list[float]) -> float:
    return max(later - earlier for earlier, later in itertools.pairwise(answered))


def test_the_database_alone_is_put_back(site: Site, say: Say, tmp_path: Path) -> None:
    site.run("./backup.sh")
    before = site.secrets()
    took = site.timed("./restore.sh", "--replace", answer=f"replace {NAME}\n")
    say(f"database replaced from a backup in {took:.0f} s")
    assert site.secrets() == before
    site.decide()
    say(f"{site.verified(tmp_path)} decisions in the verified dump; {site.acknowledged} were acknowledged")
