"""The image is built twice, from two places: the same digest, out of files that a stage without network installed."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.engines.images import BASE, IMAGES, OURS, build, builder, run_build, save, stand_in
from tools.engines.machine import ROOT, Machine

pytestmark = pytest.mark.timeout(3600)  # on a machine that has other things to do


def checkout(folder: Path) -> None:
    """Copy what git knows of the sources to *folder*, with times and modes that are nobody else's."""
    folder.mkdir(parents=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0")[:-1]:
        target = folder / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
        private = 0o700 if "one" in folder.parts else 0o755
        target.chmod(private if target.stat().st_mode & 0o100 else private & 0o666)


def test_two_builds_have_the_same_digest_and_the_next_tests_take_one_of_them(
    tmp_path: Path, say: Callable[[str], None]
) -> None:
    places = {OURS: "one", "localhost/again": "another/place"}
    for place in places.values():
        checkout(tmp_path / "data" / place)
    with builder(tmp_path) as machine:
        stand_in(machine, "python")
        digests = [build(machine, reference, f"/mnt/data/{place}") for reference, place in places.items()]
        size = machine.run("podman", "image", "inspect", "--format={{.Size}}", OURS).stdout
        save(machine, OURS, IMAGES / "governlayer.tar")
    say(f"built twice: {digests[0]} and {digests[1]}; {int(size) / 1e6:.0f} MB")
    assert digests[0] == digests[1]
    assert digests[0].startswith("sha256:")


def test_a_stage_without_network_has_none(tmp_path: Path) -> None:
    (tmp_path / "data" / "probe").mkdir(parents=True)
    with builder(tmp_path) as machine:
        stand_in(machine, "python")
        seen = {network: interfaces(machine, network) for network in ("none", "host")}
    assert seen["none"] == {"lo"}
    assert seen["host"] > {"lo"}


def interfaces(machine: Machine, network: str) -> set[str]:
    """Return the names of the network interfaces that a RUN with this *network* sees."""
    steps = (
        f"FROM {BASE}\nRUN --network={network} cut -d : -f 1 /proc/net/dev | tail -n +3 | sed 's/ //g; s/^/seen=/'\n"
    )
    machine.run("tee", "/mnt/data/probe/Containerfile", input=steps)
    return set(re.findall("^seen=(.+)$", run_build(machine, "/mnt/data/probe"), re.MULTILINE))
