"""Each file that is not what RECORD says is named, and a RECORD that was rewritten no longer fits the bill."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.bundled import BundleError, Environment
from tools.installed_files import record_digest, wrong_files

WHEEL = {
    "thing/__init__.py": b"one = 1\n",
    "thing/inner/data.bin": b"\x00\xff",
    "thing-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
    "../../../bin/thing": b"#!/usr/bin/python\n",
}

# What no bill vouches for, with its programs; and such a package.
OURS = {"our-server": ["ours"]}
NOTES = "our_server-2.0.dist-info"
OUR_FILES = ("our_server/__init__.py", "our_server/web/page.html", f"{NOTES}/licenses/LICENSE", "../../../bin/ours")


def hashed(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


class Place:
    """An environment with one wheel."""

    def __init__(self, home: Path) -> None:
        self.environment = Environment(home)
        self.packages = home / "lib" / "python3.11" / "site-packages"
        self.record = self.packages / "thing-1.0.dist-info" / "RECORD"
        for name, content in WHEEL.items():
            self.put(name, content)
        rows = [f"{name},{hashed(content)},{len(content)}" for name, content in WHEEL.items()]
        self.record.write_text("\n".join([*rows, "thing-1.0.dist-info/RECORD,,", ""]))

    def put(self, name: str, content: bytes = b"x") -> None:
        file = self.packages / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def remove(self, name: str) -> None:
        (self.packages / name).unlink()

    def link(self, name: str, target: Path) -> None:
        (self.packages / name).unlink(missing_ok=True)
        (self.packages / name).symlink_to(target)

    def add_row(self, row: str) -> None:
        self.record.write_text(f"{self.record.read_text()}{row}\n")

    def put_ours(self, *names: str) -> None:
        for name in names:
            self.put(name)
        self.put(f"{NOTES}/METADATA", b"Metadata-Version: 2.1\nName: our.Server\nVersion: 2.0\n")
        rows = [f"{name},{hashed((self.packages / name).read_bytes())}," for name in (*names, f"{NOTES}/METADATA")]
        self.put(f"{NOTES}/RECORD", "\n".join([*rows, f"{NOTES}/RECORD,,", ""]).encode())

    def digest(self) -> str:
        return record_digest(self.environment.distributions()["thing"])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "venv")


def test_what_is_as_recorded_is_right_compiled_code_and_a_program_left_out_included(place: Place) -> None:
    place.put("thing/__pycache__/__init__.cpython-311.pyc")
    place.put("thing/__pycache__/__init__.cpython-311.opt-1.pyc")
    place.remove("../../../bin/thing")
    (place.environment.home / "pyvenv.cfg").write_text("include-system-site-packages = false\n")
    assert wrong_files(place.environment, OURS) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda place: place.put("thing/__init__.py", b"one = 2\n"), "changed: thing/__init__.py"),
        (lambda place: place.put("thing/inner/data.bin", b""), "changed: thing/inner/data.bin"),
        (lambda place: place.put("../../../bin/thing"), "changed: ../../../bin/thing"),
        (lambda place: place.remove("thing/__init__.py"), "missing: thing/__init__.py"),
        (lambda place: place.remove("thing/inner/data.bin"), "missing: thing/inner/data.bin"),
        (lambda place: place.put("planted.py"), "in no RECORD: planted.py"),
        (lambda place: place.put("planted.pth"), "in no RECORD: planted.pth"),
        (lambda place: place.put("thing/planted.so"), "in no RECORD: thing/planted.so"),
        (lambda place: place.put("thing/planted.pyc"), "in no RECORD: thing/planted.pyc"),
        (lambda place: place.put("thing/__init__.pyc"), "in no RECORD: thing/__init__.pyc"),
        (
            lambda place: place.put("thing/__pycache__/planted.cpython-311.pyc"),
            "in no RECORD: thing/__pycache__/planted.cpython-311.pyc",
        ),
        (lambda place: place.put("thing/__pycache__/planted.py"), "in no RECORD: thing/__pycache__/planted.py"),
        (lambda place: place.link("planted", Path("/nowhere")), "in no RECORD: planted"),
        (lambda place: place.link("planted", place.environment.home), "in no RECORD: planted"),
        (lambda place: place.link("thing/inner/data.bin", Path("/dev/null")), "a link: thing/inner/data.bin"),
        (
            lambda place: (place.put("planted.py"), place.add_row("planted.py,,")),
            "recorded without a SHA-256: planted.py",
        ),
        (
            lambda place: (place.put("planted.py"), place.add_row("planted.py,md5=kAFQmDzST7DWlj99KOF_cg,3")),
            "recorded without a SHA-256: planted.py",
        ),
        (lambda place: place.add_row(f"thing/__init__.py,{hashed(b'')},0"), "changed: thing/__init__.py"),
        (
            lambda place: (place.environment.home / "pyvenv.cfg").write_text("include-system-site-packages = True\n"),
            "packages of the system are seen too: pyvenv.cfg",
        ),
        (
            lambda place: (place.environment.home / "lib/python3.12/site-packages").mkdir(parents=True),
            "several places with packages: python3.11, python3.12",
        ),
    ],
)
def test_what_is_not_as_recorded_is_named(change: Callable[[Place], object], line: str, place: Place) -> None:
    change(place)
    assert wrong_files(place.environment, OURS) == [line]


@pytest.mark.parametrize(
    "planted",
    [
        "planted.pth", "planted.py", "thing/planted.py", "_editable_impl_our_server.pth", "our_server.py",
        "our_server.so", "thing-1.0.dist-info/planted", "our_serverx/planted.py", "../../../bin/python3",
    ],
)  # fmt: skip
def test_what_a_package_of_ours_cannot_have_brought_is_not_known_by_its_record(planted: str, place: Place) -> None:
    """Nothing but its folder vouches for it: what Python runs by itself has no place there."""
    place.put_ours(*OUR_FILES)
    assert wrong_files(place.environment, OURS) == []
    place.put_ours(*OUR_FILES, planted)
    assert wrong_files(place.environment, OURS) == [f"not of our-server: {planted}"]
    place.put_ours(*OUR_FILES, f"our_server/../{planted}")
    assert wrong_files(place.environment, OURS) == [f"not of our-server: {planted}"]


def test_the_digest_is_the_same_for_each_installer_and_another_for_another_wheel(place: Place) -> None:
    before = place.digest()
    for note in ("INSTALLER", "direct_url.json"):
        place.add_row(f"thing-1.0.dist-info/{note},{hashed(b'x')},1")
    place.add_row("thing/__pycache__/__init__.cpython-311.pyc,,")
    place.add_row(f"../../../bin/other,{hashed(b'x')},1")
    assert place.digest() == before
    place.add_row(f"thing/more.py,{hashed(b'x')},1")
    assert place.digest() != before


def test_a_changed_file_is_not_hidden_by_a_record_that_was_changed_with_it(place: Place) -> None:
    before = place.digest()
    place.put("thing/__init__.py", b"one = 2\n")
    place.record.write_text(place.record.read_text().replace(hashed(b"one = 1\n"), hashed(b"one = 2\n")))
    assert wrong_files(place.environment, OURS) == []
    assert place.digest() != before


def test_without_a_record_or_twice_nothing_is_told(place: Place) -> None:
    place.put("other-1.0.dist-info/METADATA", b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    with pytest.raises(BundleError, match=r"other 1\.0: has no RECORD"):
        record_digest(place.environment.distributions()["other"])
    with pytest.raises(BundleError, match=r"other 1\.0: has no RECORD"):
        wrong_files(place.environment, OURS)
    place.put("other_-1.0.dist-info/METADATA", b"Metadata-Version: 2.1\nName: Thing\nVersion: 1.0\n")
    with pytest.raises(BundleError, match="installed twice: thing"):
        place.environment.distributions()


@pytest.mark.parametrize("metadata", [b"", b"Version: 1.0\n", b"Name: nameless\n", b"Name: \nVersion: 1.0\n"])
def test_what_has_no_name_or_no_version_is_told_by_its_folder(metadata: bytes, place: Place) -> None:
    place.put("nameless-1.0.dist-info/METADATA", metadata)
    with pytest.raises(BundleError, match=r"/nameless-1\.0\.dist-info: a distribution without a name or a version"):
        place.environment.distributions()
