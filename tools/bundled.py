"""
What wheels bring along beside Python code: declared by them (PEP 770), found in them, or listed by us.

Libraries and programs inside wheels are no distributions: neither an installer nor an audit service for Python packages
sees them. security/bundled.toml lists those that their wheels do not declare.
"""

import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePath

from packaging.utils import canonicalize_name

LIST = Path(__file__).parents[1] / "security" / "bundled.toml"
_VENDORED = {"_vendor", "vendor", "vendored"}
_ELF = b"\x7fELF"


class BundleError(ValueError):
    """A wheel brings something along that nothing accounts for, or whose version cannot be told."""


@dataclass(frozen=True)
class Environment:
    """An installed Python environment, looked at from outside: nothing of it is imported."""

    home: Path

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.home / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Return its site-packages."""
        return next(self.home.glob("lib/python3.*/site-packages"))

    def distributions(self) -> Mapping[str, Distribution]:
        """Return what is installed, by normalized name."""
        found = distributions(path=[str(self.packages)])
        return {canonicalize_name(item.metadata["Name"]): item for item in found}


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
    path = environment.python if program == "python" else environment.packages / program
    isolated = ["-I", *arguments] if program == "python" else arguments
    result = subprocess.run([path, *isolated], capture_output=True, text=True, check=False, timeout=60)
    return result.stdout


def _read(pattern: str, environment: Environment) -> str:
    paths = sorted(environment.packages.glob(pattern))
    return paths[0].read_bytes().decode("latin-1") if paths else ""


def inner_distributions(distribution: Distribution) -> Iterator[Distribution]:
    """Yield the Python distributions that *distribution* has copied into itself, by their metadata."""
    for file in distribution.files or []:
        if file.name == "METADATA" and len(file.parts) > 2:
            yield Distribution.at(Path(str(distribution.locate_file(file))).parent)


def declared_sboms(distribution: Distribution) -> Iterator[bytes]:
    """Yield the SBOMs in CycloneDX's JSON that *distribution* brings along (PEP 770)."""
    for file in distribution.files or []:
        if file.parent.name == "sboms" and file.suffix == ".json":
            yield Path(str(distribution.locate_file(file))).read_bytes()


def unaccounted(environment: Environment, known: BundleList, declaring: set[str]) -> list[str]:
    """
    Return a line for each wheel with compiled or vendored code that nothing accounts for.

    Args:
        environment: what is installed.
        known: our list.
        declaring: names of the wheels that declare what they hold, or hold whole distributions.
    """
    installed = environment.distributions()
    accounted = {row.wheel for row in known.bundled} | set(known.own) | declaring
    return [
        f"{name} {item.version} holds {example}: what is in it? (security/bundled.toml)"
        for name, item in sorted(installed.items())
        if name not in accounted and (example := _foreign_file(item))
    ]


def _foreign_file(distribution: Distribution) -> PurePath | None:
    for file in distribution.files or []:
        if _VENDORED & set(file.parts[:-1]) and ".dist-info" not in file.parts[0]:
            return file
        if (".so" in file.name or not file.suffix) and _is_elf(Path(str(distribution.locate_file(file)))):
            return file
    return None


def _is_elf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == _ELF
