"""
What wheels bring along beside Python code: declared by them (PEP 770), found in them, or listed by us.

Libraries and programs inside wheels are no distributions: neither an installer nor an audit service for Python packages
sees them. security/bundled.toml lists those that their wheels do not declare.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageMetadata, PackagePath, distributions
from itertools import pairwise
from operator import attrgetter
from pathlib import Path

from packaging.utils import canonicalize_name

LIST = Path(__file__).parents[1] / "security" / "bundled.toml"
_VENDORED = {"_vendor", "vendor", "vendored"}
_ELF = b"\x7fELF"


class BundleError(ValueError):
    """A wheel brings something along that nothing accounts for, or whose version cannot be told."""


@dataclass(frozen=True)
class Installed:
    """An installed distribution, read once."""

    name: str
    version: str
    metadata: PackageMetadata
    files: Sequence[PackagePath]

    @classmethod
    def read(cls, distribution: Distribution) -> "Installed":
        """
        Return *distribution* with its normalized name.

        Raises:
            BundleError: its metadata has no name or no version, so nobody knows what it is.
        """
        metadata = distribution.metadata
        if not metadata["Name"] or not metadata["Version"]:
            raise BundleError(f"{_place(distribution)}: a distribution without a name or a version")
        files = distribution.files or []
        return cls(canonicalize_name(metadata["Name"]), metadata["Version"], metadata, files)


@dataclass(frozen=True)
class Environment:
    """An installed Python environment, also one that was copied here without its interpreter."""

    home: Path

    @property
    def packages(self) -> Path:
        """Return its site-packages."""
        return next(self.home.glob("lib/python3.*/site-packages"))

    def distributions(self) -> Mapping[str, Installed]:
        """
        Return what is installed, by name.

        Raises:
            BundleError: something is there twice: which of them is run, nobody knows. Or something has no name.
        """
        found = sorted(
            (Installed.read(item) for item in distributions(path=[str(self.packages)])), key=attrgetter("name")
        )
        if twice := {above.name for above, below in pairwise(found) if above.name == below.name}:
            raise BundleError(f"installed twice: {', '.join(sorted(twice))}")
        return {item.name: item for item in found}


@dataclass(frozen=True)
class Bundled:
    """One row of the list; *version* says how its version is told."""

    wheel: str
    name: str
    license: str
    version: Mapping
    type: str = "library"
    ecosystem: str = "generic"
    cpe: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class BundleList:
    """The list: what is in which wheel, and the wheels that hold compiled code of their own only."""

    bundled: Sequence[Bundled]
    own: Mapping[str, str]


def read_list(text: str) -> BundleList:
    """Return the list in *text*, a TOML document."""
    document = tomllib.loads(text)
    return BundleList([Bundled(**row) for row in document["bundled"]], document["own"])


def tell_version(row: Bundled, environment: Environment, wheel_version: str) -> str | None:
    """
    Return the version of *row* as the installed file itself tells it; None where the list says that nobody knows.

    Raises:
        BundleError: it cannot be told; a declared version holds for the version of the wheel alone that it was seen in.
    """
    how = row.version
    if "unknown" in how:
        return None
    if "declared" in how:
        if how["of"] != wheel_version:
            raise BundleError(f"{row.wheel} {wheel_version}: which {row.name} does it hold? {how['of']} was looked at")
        return how["declared"]
    text = _run(how["command"], environment) if "command" in how else _read(how["file"], environment)
    found = re.search(how["pattern"], text)
    if not found:
        raise BundleError(f"{row.wheel} {wheel_version}: the version of {row.name} is not where it was")
    return found[1]


def _run(command: Sequence[str], environment: Environment) -> str:
    program, *arguments = command
    if program == "python":
        code = f"import sys; sys.path.insert(0, {str(environment.packages)!r}); {arguments[-1]}"
        words = [sys.executable, "-I", "-S", "-c", code]
    else:
        words = [str(environment.packages / program), *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60).stdout


def _read(pattern: str, environment: Environment) -> str:
    paths = sorted(environment.packages.glob(pattern))
    return paths[0].read_bytes().decode("latin-1") if paths else ""


def inner_distributions(item: Installed) -> Iterator[Installed]:
    """Yield the Python distributions that *item* has copied into itself, by their metadata."""
    for file in item.files:
        if file.name == "METADATA" and len(file.parts) > 2:
            yield Installed.read(Distribution.at(_path(file).parent))


def declared_sboms(item: Installed) -> Iterator[bytes]:
    """Yield the SBOMs in CycloneDX's JSON that *item* brings along (PEP 770)."""
    for file in item.files:
        if file.parent.name == "sboms" and file.suffix == ".json":
            yield _path(file).read_bytes()


def unaccounted(installed: Iterable[Installed], known: BundleList, declaring: set[str]) -> list[str]:
    """
    Return a line for each wheel with compiled or vendored code that nothing accounts for.

    Args:
        installed: the wheels.
        known: our list.
        declaring: names of the wheels that declare what they hold, or hold whole distributions.
    """
    accounted = {row.wheel for row in known.bundled} | set(known.own) | declaring
    return [
        f"{item.name} {item.version} holds {example}: what is in it? (security/bundled.toml)"
        for item in installed
        if item.name not in accounted and (example := _foreign_file(item))
    ]


def _foreign_file(item: Installed) -> PackagePath | None:
    for file in item.files:
        if _VENDORED & set(file.parts[:-1]) and ".dist-info" not in file.parts[0]:
            return file
        if (".so" in file.name or not file.suffix) and _is_elf(_path(file)):
            return file
    return None


def _place(distribution: Distribution) -> str:
    """Return the folder of *distribution*'s metadata, as far as it can be told."""
    return str(getattr(distribution, "_path", "somewhere"))


def _path(file: PackagePath) -> Path:
    return Path(str(file.locate()))


def _is_elf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == _ELF
