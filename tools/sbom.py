"""
The software bill of materials of a distribution, in CycloneDX 1.6: what is installed, and what wheels bring along.

    python -m tools.sbom server -o FILE                     installs the locked packages aside, and describes them
    python -m tools.sbom server --environment DIR -o FILE   describes an environment that is there
    python -m tools.sbom server --environment DIR --check FILE
    python -m tools.sbom image -o deploy/image/sbom.cdx.json     what the image holds of Python (docs/how-to/image.md)

The same lock gives the same bytes on the same kind of machine: no serial number, a time only with SOURCE_DATE_EPOCH.
Hashes are those of the wheels in uv.lock that fit this interpreter. Libraries and programs inside wheels stand below
their wheel: as its own SBOM declares them (PEP 770), or as security/bundled.toml lists them. --check looks at each
installed file, too; tools/installed_files.py tells what that proves.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.tags import sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from tools.bundled import (
    LIST,
    BundleError,
    BundleList,
    Environment,
    Installed,
    declared_sboms,
    inner_distributions,
    read_list,
    tell_version,
    unaccounted,
)
from tools.installed_files import record_digest, wrong_files
from tools.locked import LOCK, File, LockError, Package, read_lock
from tools.uv import UV, run_uv
from tools.wheelhouse import export

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = {"server": "governlayer-server", "sdk": "governlayer", "verifier": "governlayer-verifier"}
IMAGE = "image"
_RECORD = "governlayer:record"
_PREFERRED = {tag: rank for rank, tag in reversed(list(enumerate(sys_tags())))}


def describe(subject: str, environment: Environment) -> Bom:
    """
    Return the bill of materials of *subject*, a distribution by its folder or the image, as installed in *environment*.

    Raises:
        BundleError: a wheel holds what nothing accounts for.
        LockError: something is installed that uv.lock does not name in this version, or a package of ours in another
            version than here, or that is none of *subject*. No bill is made of either.
    """
    lock, known = read_lock(LOCK.read_text(encoding="utf-8")), read_list(LIST.read_text(encoding="utf-8"))
    installed = dict(environment.distributions())
    for name, project in _projects(subject).items():
        item = installed.pop(name, None)
        if item and item.version != project["version"]:
            raise LockError(f"{name} {item.version} is installed, and the sources are {project['version']}")
    components = [_component(item, lock.get(name), known, environment) for name, item in installed.items()]
    declaring = {item.name for item in components if item.components}
    if lines := unaccounted(installed.values(), known, declaring):
        raise BundleError("\n".join(lines))
    return _bill(subject, components, installed)


def to_json(bom: Bom) -> str:
    """Return *bom* as JSON, the same for the same content."""
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    for member in ("$schema", "serialNumber"):
        document.pop(member, None)
    if "SOURCE_DATE_EPOCH" not in os.environ:
        document["metadata"].pop("timestamp")
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def differences(bill: Mapping, installed: Mapping) -> list[str]:
    """Return a line for each component that *bill* lacks, or has without its being *installed*, another bill."""
    stated, found = _lines(bill), _lines(installed)
    return [
        *(f"not in the bill: {line}" for line in sorted(found - stated)),
        *(f"not installed: {line}" for line in sorted(stated - found)),
    ]


def _lines(bill: Mapping) -> set[str]:
    return {line for item in [bill["metadata"]["component"], *bill.get("components", [])] for line in _walk(item, "")}


def _walk(component: Mapping, above: str) -> Iterator[str]:
    name = f"{above}{component['name']} {component.get('version', '(version unknown)')}"
    recorded = [each["value"] for each in component.get("properties", []) if each["name"] == _RECORD]
    yield " ".join([name, *(each["content"] for each in component.get("hashes", [])), *recorded])
    for inner in component.get("components", []):
        yield from _walk(inner, f"{name} > ")


def _bill(subject: str, components: Iterable[Component], installed: Mapping[str, Installed]) -> Bom:
    moment = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    bom = Bom(metadata=BomMetaData(timestamp=moment), components=components)
    by_name = {item.name: item for item in bom.components}
    for name, component in by_name.items():
        bom.register_dependency(component, _needs(installed[name].metadata.get_all("Requires-Dist", []), by_name))
    ours = []
    for project in _projects(subject).values():
        ours.append(_ours(project))
        bom.register_dependency(ours[-1], _needs(project["dependencies"], by_name))
    if subject == IMAGE:
        bom.components.update(ours)
        name = "governlayer/governlayer"
        ours.insert(0, Component(name=name, version=ours[0].version, type=ComponentType.CONTAINER, bom_ref=name))
        bom.register_dependency(ours[0], ours[1:])
    bom.metadata.component = ours[0]
    return bom


def _projects(subject: str) -> Mapping[str, Mapping]:
    """Return what is ours in *subject* by name, as it describes itself."""
    folders = ("server", "verifier") if subject == IMAGE else (subject,)
    texts = [(ROOT / folder / "pyproject.toml").read_text(encoding="utf-8") for folder in folders]
    return {project["name"]: project for text in texts for project in [tomllib.loads(text)["project"]]}


def programs(subject: str) -> Mapping[str, Collection[str]]:
    """Return the names of our packages in *subject*, which no bill vouches for, with those of their programs."""
    return {name: project.get("scripts", {}).keys() for name, project in _projects(subject).items()}


def _ours(project: Mapping) -> Component:
    return Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION if "scripts" in project else ComponentType.LIBRARY,
        licenses=[LicenseFactory().make_from_string(project["license"])],
        purl=PackageURL("pypi", name=project["name"], version=project["version"]),
        bom_ref=project["name"],
    )


def _needs(requirements: Iterable[str], components: Mapping[str, Component]) -> list[Component]:
    """Return the installed components among *requirements*; optional ones that are there count too."""
    names = {canonicalize_name(Requirement(text).name) for text in requirements}
    return [components[name] for name in sorted(names & components.keys())]


def _component(item: Installed, package: Package | None, known: BundleList, environment: Environment) -> Component:
    name = item.name
    if package is not None and package.is_ours:
        raise LockError(f"{name} {item.version} is installed and not part of what is described")
    if package is None or package.version != item.version:
        raise LockError(f"{name} {item.version} is installed and not in uv.lock")
    file = _fitting(package)
    return Component(
        name=name,
        version=item.version,
        purl=PackageURL("pypi", name=name, version=item.version),
        bom_ref=f"{name}=={item.version}",
        licenses=_licenses(item),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)],
        properties=[
            Property(name="governlayer:file", value=file.name),
            Property(name=_RECORD, value=record_digest(item)),
        ],
        components=[*_listed(item, known, environment), *_declared(item), *_inner(item)],
    )


def _fitting(package: Package) -> File:
    """Return the wheel that an installer takes for this interpreter, or the source where there is none."""
    ranks = {file: _rank(file.name) for file in package.files}
    return min(package.files, key=lambda file: (ranks[file], file.name))


def _rank(name: str) -> int:
    if not name.endswith(".whl"):
        return len(_PREFERRED)
    return min(_PREFERRED.get(tag, len(_PREFERRED) + 1) for tag in parse_wheel_filename(name)[3])


def _licenses(item: Installed) -> list[License]:
    metadata, factory = item.metadata, LicenseFactory()
    text = (metadata.get("License-Expression") or metadata.get("License") or "").strip()
    if text and "\n" not in text and len(text) < 100:  # some have the whole licence there
        return [factory.make_from_string(text)]
    named = [
        line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier", []) if line.startswith("License :: ")
    ]
    return [factory.make_with_name(text) for text in named]


def _listed(item: Installed, known: BundleList, environment: Environment) -> Iterator[Component]:
    for row in known.bundled:
        if row.wheel == item.name:
            version = tell_version(row, environment, item.version)
            yield Component(
                name=row.name,
                version=version,
                type=ComponentType(row.type),
                purl=PackageURL(row.ecosystem, name=row.name, version=version),
                bom_ref=f"{item.name}/{row.name}@{version}",
                cpe=row.cpe.format(version=version) if row.cpe else None,
                licenses=[LicenseFactory().make_from_string(row.license)],
                description=row.note,
            )


def _declared(item: Installed) -> Iterator[Component]:
    """Yield what the wheel's own SBOMs name (PEP 770), without what they leave to their own folders."""
    for content in declared_sboms(item):
        try:
            named = json.loads(content).get("components", [])
            yield from [_plain(item.name, inner) for inner in named if canonicalize_name(inner["name"]) != item.name]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BundleError(f"{item.name} {item.version}: its own SBOM cannot be read: {error!r}") from error


def _plain(wheel: str, inner: Mapping) -> Component:
    purl = PackageURL.from_string(inner["purl"])
    return Component(
        name=inner["name"],
        version=inner.get("version"),  # need not be there
        purl=purl,
        bom_ref=f"{wheel}/{re.sub(r'[?].*', '', inner['purl'])}",
        licenses=[
            LicenseFactory().make_from_string(each["expression"])
            for each in inner.get("licenses", [])
            if "expression" in each
        ],
    )


def _inner(item: Installed) -> Iterator[Component]:
    for inner in inner_distributions(item):
        purl = PackageURL("pypi", name=inner.name, version=inner.version)
        bom_ref = f"{item.name}/{inner.name}=={inner.version}"
        yield Component(name=inner.name, version=inner.version, purl=purl, bom_ref=bom_ref)


def install(subject: str, home: Path) -> Environment:
    """Install the locked packages of *subject*, hashes checked, into a new environment at *home*."""
    if subject == IMAGE:
        pins = home.with_suffix(".txt")
        export(UV, pins)
        run_uv("venv", "--quiet", str(home))
        exact = ["--no-deps", "--require-hashes", "--python", str(home / "bin" / "python")]
        run_uv("pip", "install", "--quiet", *exact, "-r", str(pins))
    else:
        locked = ["--frozen", "--no-dev", "--no-install-workspace", "--package", DISTRIBUTIONS[subject]]
        run_uv("sync", "--quiet", *locked, UV_PROJECT_ENVIRONMENT=str(home))
    return Environment(home)


def main() -> int:
    """Write, print or check a bill of materials."""
    parser = argparse.ArgumentParser(prog="python -m tools.sbom", description="Bill of materials, CycloneDX 1.6.")
    parser.add_argument("distribution", nargs="?", choices=[*DISTRIBUTIONS, IMAGE], default="server")
    parser.add_argument("-o", "--output", type=Path, help="the file to write (default: print it)")
    parser.add_argument("--environment", type=Path, metavar="DIR", help="describe what is installed there")
    parser.add_argument("--check", type=Path, metavar="FILE", help="compare this bill with what is installed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="governlayer-sbom-") as scratch:
        given = options.environment
        try:
            environment = Environment(given) if given else install(options.distribution, Path(scratch) / "venv")
            return _answer(options, environment)
        except (BundleError, LockError) as error:
            print(f"sbom: RED\n{error}", file=sys.stderr)
            return 1


def _answer(options: argparse.Namespace, environment: Environment) -> int:
    text = to_json(describe(options.distribution, environment))
    if options.check:
        bill = json.loads(options.check.read_text(encoding="utf-8"))
        lines = [*differences(bill, json.loads(text)), *wrong_files(environment, programs(options.distribution))]
        print("\n".join([f"sbom: {'RED' if lines else 'the bill equals what is installed'}", *lines]))
        return 1 if lines else 0
    if options.output is None:
        print(text, end="")
        return 0
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    count = len(_lines(json.loads(text)))
    print(f"sbom: {options.output}: {count} components of {options.distribution}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
