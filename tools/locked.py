"""What uv.lock says: each package with its version, and the files it may be installed from with their hashes."""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

LOCK = Path(__file__).parents[1] / "uv.lock"
# What is made here, and where.
MEMBERS = {"governlayer": "sdk", "governlayer-server": "server", "governlayer-verifier": "verifier"}
_SHA256 = re.compile("sha256:[0-9a-f]{64}")


class LockError(ValueError):
    """The lock does not pin what it names."""


@dataclass(frozen=True)
class File:
    """One file of a package, as the lock knows it."""

    name: str
    url: str
    sha256: str


@dataclass(frozen=True)
class Package:
    """One package of the lock, and the index and hosts that it comes from; what is made here has no files."""

    name: str
    version: str
    files: tuple[File, ...]
    is_ours: bool
    places: frozenset[str] = frozenset()


def read_lock(text: str) -> Mapping[str, Package]:
    """
    Return the packages of the lock *text* by name.

    Raises:
        LockError: a package comes from elsewhere than an index over HTTPS or its folder here, or not from the index of
            the others; a file has no SHA-256, or a package stands twice. Nothing of such a lock is to be installed.
    """
    packages: dict[str, Package] = {}
    for entry in tomllib.loads(text)["package"]:
        package = _package(entry)
        if package.name in packages:
            raise LockError(f"{package.name}: stands twice")
        packages[package.name] = package
    _check_places([package for package in packages.values() if not package.is_ours])
    return packages


def read_builders(text: str) -> Mapping[str, str]:
    """
    Return the version of each package that the lock *text* lets build wheels, by name.

    Raises:
        LockError: one has no single version, or another than the package of this name that is installed: an answer
            about one would be taken for one about the other.
    """
    packages, builders = read_lock(text), dict[str, str]()
    for row in tomllib.loads(text).get("manifest", {}).get("build-constraints", []):
        name, found = row["name"], re.fullmatch(r"==([^,*]+)", row["specifier"])
        if found is None:
            raise LockError(f"{name}: builds wheels in no single version")
        if name in packages and packages[name].version != found[1]:
            raise LockError(f"{name}: builds wheels in version {found[1]}, and is locked in {packages[name].version}")
        builders[name] = found[1]
    return builders


def _check_places(packages: Sequence[Package]) -> None:
    """Refuse a second index or host of files: uv fetches from where the lock says, and finds such a lock in order."""
    usual = Counter(package.places for package in packages).most_common(1)
    for package in packages:
        if others := package.places - usual[0][0]:
            raise LockError(f"{package.name}: comes from another place than most: {', '.join(sorted(others))}")


def _package(entry: Mapping) -> Package:
    name, source = entry["name"], entry["source"]
    if name in MEMBERS and source == {"editable": MEMBERS[name]}:
        return Package(name, entry["version"], (), is_ours=True)
    if not source.get("registry", "").startswith("https://"):
        raise LockError(f"{name}: does not come from an index over HTTPS")
    found = [*entry.get("wheels", []), *([entry["sdist"]] if "sdist" in entry else [])]
    if not found:
        raise LockError(f"{name}: no file is named")
    files = tuple(_file(name, item) for item in found)
    places = frozenset({source["registry"], *(urlsplit(file.url).netloc for file in files)})
    return Package(name, entry["version"], files, is_ours=False, places=places)


def _file(package: str, item: Mapping) -> File:
    url = item["url"]
    name = PurePosixPath(urlsplit(url).path).name
    digest = item.get("hash", "")
    if not url.startswith("https://") or not _SHA256.fullmatch(digest):
        raise LockError(f"{package}: {name} has no SHA-256, or no address over HTTPS")
    return File(name, url, digest.removeprefix("sha256:"))
