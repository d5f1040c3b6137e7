"""
The images that the sessions run: our own, and stand-ins for PostgreSQL and Valkey out of Debian packages, as archives.

    python -m tools.engines.images [NAME]…      makes those that are missing; those named are made anew
"""

import shutil
import subprocess
import sys
from pathlib import Path

from tools.engines.machine import ENGINES, HERE, ROOT, ULIMITS, Machine

IMAGES = ENGINES / "images"
BASE = "docker.io/library/python:3.11-slim-bookworm"
OURS = "localhost/governlayer/governlayer:0.1.0"
POSTGRES = "docker.io/library/postgres:17"
VALKEY = "docker.io/valkey/valkey:8"
ARCHIVES = {"governlayer": OURS, "postgres": POSTGRES, "valkey": VALKEY}
STAND_INS = {"python": BASE, "postgres": POSTGRES, "valkey": VALKEY}
#: The time in all of them: that of no commit, so that a commit alone changes no digest here.
EPOCH = "1760000000"
_CA = "/etc/ssl/certs/ca-certificates.crt"
_PIP = "/etc/pip.conf"
_STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "/mnt/data/containers"\nrunroot = "/run/containers/storage"\n'


def main(again: list[str]) -> None:
    """Make what is missing, and what is named in *again*."""
    for name in again:
        (IMAGES / f"{name}.tar").unlink()
    ensure()


def ensure() -> Path:
    """Return the folder with all archives; those that are missing are made."""
    missing = [name for name in ARCHIVES if not (IMAGES / f"{name}.tar").exists()]
    if missing:
        IMAGES.mkdir(parents=True, exist_ok=True)
        with builder() as machine:
            for name in missing:
                if name in STAND_INS:
                    stand_in(machine, name)
                else:
                    stand_in(machine, "python")
                    build(machine, OURS)
                save(machine, ARCHIVES[name], IMAGES / f"{name}.tar")
    return IMAGES


def builder(state: Path | None = None) -> Machine:
    """Return a machine that has the sources in /src and can reach the package index that this one reaches."""
    subprocess.run([HERE / "bases.sh", IMAGES / "bases"], check=True)
    lent = {Path(file): f"/lent{file}" for file in (_CA, _PIP) if Path(file).exists()}
    places = {ROOT: "/src", IMAGES: "/images", **lent}
    return Machine(state or ENGINES / "run" / "builder", places, host_network=True)


def stand_in(machine: Machine, name: str) -> None:
    """Build the stand-in *name* inside *machine*."""
    context = IMAGES / "bases" / name
    context.mkdir(exist_ok=True)
    for file in (IMAGES / "bases" / f"{name}.tar", *(HERE / "images").glob(f"{name}-*")):
        shutil.copy(file, context)
    _prepare(machine)
    file = f"/src/tools/engines/images/{name}.Containerfile"
    run_build(machine, f"/images/bases/{name}", "--file", file, "--timestamp", EPOCH, "--tag", STAND_INS[name])
    shutil.rmtree(context)


def run_build(machine: Machine, context: str, *options: str) -> str:
    """Run Buildah inside *machine* and return what it printed."""
    fixed = ["--layers=false", "--format=docker", *_common(), *options]
    return machine.run("buildah", "build", *fixed, context).stdout


def build(machine: Machine, reference: str, sources: str = "/src") -> str:
    """Build our image inside *machine*, out of the sources in *sources* there, and return its digest."""
    _prepare(machine)
    lent = [("ca", _CA), ("pip", _PIP)]
    secrets = [f"--secret=id={name},src=/lent{file}" for name, file in lent if Path(file).exists()]
    settings = [f"SOURCE_DATE_EPOCH={EPOCH}", "REVISION=unknown"]
    script = f"{sources}/deploy/image/build.sh"
    # The stand-in for the base is made here, and no registry knows a digest of it.
    done = machine.run("env", *settings, script, "--unpinned", reference, *_common(), *secrets)
    return done.stdout.strip().splitlines()[-1].rpartition("@")[2]


def save(machine: Machine, reference: str, archive: Path) -> None:
    """Save the image *reference* of *machine* as *archive*, a file in the folder of images."""
    new = f"/images/{archive.name}.new"
    (IMAGES / f"{archive.name}.new").unlink(missing_ok=True)
    machine.run("skopeo", "copy", "--quiet", f"containers-storage:{reference}", f"docker-archive:{new}:{reference}")
    (IMAGES / f"{archive.name}.new").rename(archive)


def _common() -> list[str]:
    # In isolation by chroot a step without network would have one.
    return [
        "--isolation=oci",
        "--runtime=runc",
        "--network=host",
        "--pull=never",
        *(f"--ulimit={limit}" for limit in ULIMITS),
    ]


def _prepare(machine: Machine) -> None:
    machine.run("tee", "/etc/containers/storage.conf", input=_STORAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
