"""
Whether the files of an environment are those that its RECORD files name (PyPA, "Recording installed projects").

RECORD has the SHA-256 of each file of a wheel; the installer wrote it, and nothing in the environment vouches for it.
So a bill of materials has a digest of what RECORD says of each package, made where the wheel had the hash in uv.lock
(`record_digest`): a RECORD that was rewritten no longer fits the bill.

Nothing of the kind vouches for our own packages: no bill has them. So theirs makes no file known but what lies in the
package's folder, its notes and its programs.

Not seen: compiled code in `__pycache__` beside a source that is recorded, which Python runs instead of that source
(delete it, or make it anew); the contents of our own wheels, whose hashes stand in SHA256SUMS of the release; and what
lies outside of site-packages: a program in `bin/` is compared with RECORD, but no bill has that row, and one that
stands in no RECORD is not looked for.
"""

import base64
import csv
import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from tools.bundled import BundleError, Environment, Installed

# What an installer notes about itself, beside what the wheel brings.
_INSTALLERS_OWN = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"}
_COMPILED = re.compile(r"(?P<folder>.*?)__pycache__/(?P<module>[^/.]+)\.[\w-]+(\.opt-\d)?\.pyc")
_RECORD = re.compile(r"[^/]+\.dist-info/RECORD")
_HASH = re.compile(r"sha256=[A-Za-z0-9_-]{43}")


def wrong_files(environment: Environment, ours: Mapping[str, Collection[str]]) -> list[str]:
    """
    Return a line for each file that is not as RECORD says.

    One that was changed, is missing, is a link, or stands there without a SHA-256; one in site-packages that stands in
    no RECORD; and one that a package of ours cannot have brought. A program beside site-packages may be missing: an
    image leaves most out.

    Args:
        environment: what is looked at.
        ours: the names of the packages that no bill vouches for, with the names of their programs.

    Raises:
        BundleError: a package has no RECORD, or no name.
    """
    packages = environment.packages.resolve()
    listed = [(name, *row) for name, item in environment.distributions().items() for row in _rows(_record(item))]
    foreign = {
        (path, f"not of {name}") for name, path, _ in listed if name in ours and not _is_own(path, name, ours[name])
    }
    known = {path for _, path, _ in listed}
    wrong = [(path, what) for _, path, digest in listed if (what := _judge(packages, path, digest))]
    stray = [(path, "in no RECORD") for path in _present(packages) if not _is_accounted(path, known)]
    return [*_more_places(environment), *(f"{what}: {path}" for path, what in sorted({*foreign, *wrong, *stray}))]


def record_digest(item: Installed) -> str:
    """
    Return one SHA-256, in hexadecimal digits, over what RECORD of *item* says of its wheel's files.

    It is the same for all who install the same wheel: left out are the installer's own notes, what was compiled, and
    what lies outside of site-packages, where programs begin with the path of their interpreter.

    Raises:
        BundleError: it has no RECORD.
    """
    record = _record(item)
    own = {f"{record.parent.name}/{name}" for name in _INSTALLERS_OWN}
    rows = [(name, digest) for name, digest in _rows(record) if not name.startswith("../")]
    kept = sorted(f"{name},{digest}\n" for name, digest in rows if name not in own and not _COMPILED.fullmatch(name))
    return hashlib.sha256("".join(kept).encode()).hexdigest()


def _record(item: Installed) -> Path:
    for file in item.files:
        if _RECORD.fullmatch(str(file)):
            return Path(str(file.locate()))
    raise BundleError(f"{item.name} {item.version}: has no RECORD, so nobody knows its files")


def _is_own(path: str, name: str, programs: Collection[str]) -> bool:
    """Return whether the package *name* of ours can have brought *path*: what Python runs by itself, it has not."""
    folder = name.replace("-", "_")
    notes = re.fullmatch(rf"{folder}-[^/]+\.dist-info/.+", path)
    return bool(notes) or path.startswith(f"{folder}/") or path in {f"../../../bin/{program}" for program in programs}


def _rows(record: Path) -> Iterator[tuple[str, str]]:
    """Yield path, below site-packages, and hash of each file that *record* names."""
    with record.open(encoding="utf-8", newline="") as file:
        yield from ((os.path.normpath(row[0]), row[1] if len(row) > 1 else "") for row in csv.reader(file) if row)


def _judge(packages: Path, name: str, digest: str) -> str:
    """Return what is wrong with the file *name*; nothing if it is as *digest* says."""
    path = packages / name
    if path.is_symlink():
        return "a link"
    if not path.is_file():
        return "" if name.startswith("../") else "missing"
    if _COMPILED.fullmatch(name) or _RECORD.fullmatch(name):
        return ""
    if not _HASH.fullmatch(digest):
        return "recorded without a SHA-256"
    with path.open("rb") as file:
        found = base64.urlsafe_b64encode(hashlib.file_digest(file, "sha256").digest())
    return "" if found.rstrip(b"=").decode() == digest.removeprefix("sha256=") else "changed"


def _present(packages: Path) -> Iterator[str]:
    """Yield each file below *packages*, and each link to a folder, which Python would import from."""
    for place, folders, files in os.walk(packages):
        links = [name for name in folders if Path(place, name).is_symlink()]
        below = os.path.relpath(place, packages)
        yield from (os.path.normpath(f"{below}/{name}") for name in [*files, *links])


def _is_accounted(name: str, known: Iterable[str]) -> bool:
    compiled = _COMPILED.fullmatch(name)
    return name in known or (compiled is not None and f"{compiled['folder']}{compiled['module']}.py" in known)


def _more_places(environment: Environment) -> Iterator[str]:
    """Yield where else Python would take packages from."""
    settings = environment.home / "pyvenv.cfg"
    text = settings.read_text(encoding="utf-8") if settings.is_file() else ""
    if re.search(r"^\s*include-system-site-packages\s*=\s*true", text, re.MULTILINE | re.IGNORECASE):
        yield "packages of the system are seen too: pyvenv.cfg"
    if len(places := sorted(environment.home.glob("lib/python3.*/site-packages"))) > 1:
        yield f"several places with packages: {', '.join(place.parent.name for place in places)}"
