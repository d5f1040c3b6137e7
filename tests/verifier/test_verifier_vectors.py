"""Every vector of ledger-v1, the packaged copy of them, and the coreutils check."""

import filecmp
import json
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from governlayer_verifier import mldsa
from governlayer_verifier.selftest import run_self_test

from tests.verifier.verdicts import check, found

VECTORS = Path(__file__).parents[1] / "vectors"
LEDGER = VECTORS / "ledger-v1"
INDEX = json.loads((LEDGER / "index.json").read_text())
CHECK = VECTORS / "check.sh"

# A payload that stands before its record (step 7) leaves that record without it (step 11).
ALSO_FOUND = {"dumps/bad-swapped.gldump": {(11, 6)}}


@pytest.mark.parametrize("vector", INDEX["dumps"], ids=lambda each: each["file"])
def test_dump_vector(vector: dict[str, Any]) -> None:
    dump = (LEDGER / vector["file"]).read_bytes()
    report = check(dump, vector["trusted_keys"], checkpoints=vector["checkpoints"])
    assert report.verdict == vector["verdict"]
    assert report.exit_status == (0 if vector["verdict"] == "valid" else 1)
    if vector["verdict"] == "invalid":
        assert report.step(vector["must_report"]).status == "fail"
    expected = {(each["step"], each["seq"]) for each in vector["failures"]}
    assert found(report) == expected | ALSO_FOUND.get(vector["file"], set())


@pytest.mark.parametrize("index", [0, 17, 299])
def test_receipt_vector_proves_its_record(index: int) -> None:
    receipt = (LEDGER / f"receipt-{index}.tlog-proof").read_text()
    dump = (LEDGER / "dumps" / "three-hundred.gldump").read_bytes()
    report = check(dump, [INDEX["verifier_key"]], receipts=[receipt])
    assert (report.verdict, report.outside_size) == ("valid", 300)


def test_the_self_test_runs_every_vector_and_finds_no_fault() -> None:
    result = run_self_test()
    assert result.faults == ()
    tree = json.loads((LEDGER / "tree.json").read_text())
    proofs = len(tree["roots"]) + len(tree["inclusion"]) + len(tree["consistency"])
    assert result.checks > len(INDEX["dumps"]) + proofs + 3 * 14 + 80


def test_the_self_test_names_what_is_wrong(tmp_path: Path) -> None:
    shutil.copytree(VECTORS, tmp_path, dirs_exist_ok=True, copy_function=shutil.copyfile)
    text = (tmp_path / "ledger-v1" / "tree.json").read_text()
    (tmp_path / "ledger-v1" / "tree.json").write_text(text.replace('"300": "rGQH', '"300": "rGQI'))
    shutil.copyfile(
        tmp_path / "ledger-v1" / "dumps" / "bad-swapped.gldump", tmp_path / "ledger-v1" / "dumps" / "twenty.gldump"
    )
    text = (tmp_path / "cosignature" / "cosignatures.json").read_text()
    (tmp_path / "cosignature" / "cosignatures.json").write_text(text.replace('"valid": true', '"valid": false'))
    faults = run_self_test(tmp_path).faults
    assert "cosignature: Ed25519, honest" in faults
    assert "cosignature: Ed25519, a byte too many" not in faults
    assert "root of size 300" in faults
    assert "dumps/twenty.gldump" in faults


def test_the_self_test_says_what_it_could_not_check(monkeypatch: pytest.MonkeyPatch) -> None:
    every = run_self_test()
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    mldsa.reason_unavailable.cache_clear()
    try:
        result = run_self_test()
    finally:
        mldsa.reason_unavailable.cache_clear()
    assert (every.unchecked, every.checks - result.checks) == (None, 7)
    assert result.faults == ()
    assert "needs the package cryptography" in str(result.unchecked)


def test_the_packaged_vectors_are_those_of_the_repository() -> None:
    packaged = Path(str(files("governlayer_verifier"))) / "vectors"
    for folder in ("ledger-v1", "ed25519", "cosignature"):
        names = sorted(str(each.relative_to(VECTORS)) for each in (VECTORS / folder).rglob("*") if each.is_file())
        copies = sorted(str(each.relative_to(packaged)) for each in (packaged / folder).rglob("*") if each.is_file())
        assert names == copies
        same, different, errors = filecmp.cmpfiles(VECTORS, packaged, names, shallow=False)
        assert (sorted(same), different, errors) == (names, [], [])


def run_check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(CHECK), str(folder)], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
    )


def test_coreutils_alone_recompute_the_hashes() -> None:
    result = run_check(LEDGER)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith("0 differ\n")
    assert "link: 401 checked" in result.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "kind"),
    [
        ("hashes.json", '"seed": "b4', '"seed": "b5', "seed"),
        ("hashes.json", "2d140c9d31bc", "2d140c9d31bd", "record"),
        ("hashes.json", '"payload": "x"', '"payload": "y"', "commitment"),
        ("dumps/three-hundred.gldump", '"agent":"agent-6"', '"agent":"agent-7"', "root"),
        ("receipt-17.tlog-proof", "sj/2qk0E9MJQ", "sj/2qk0E9MJR", "receipt"),
    ],
)
def test_the_coreutils_check_notices_an_edit(tmp_path: Path, file: str, old: str, new: str, kind: str) -> None:
    (tmp_path / "dumps").mkdir()
    for name in ("hashes.json", "receipt-17.tlog-proof", "dumps/twenty.gldump", file):
        shutil.copyfile(LEDGER / name, tmp_path / name)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new, 1))
    result = run_check(tmp_path)
    assert result.returncode == 1
    assert f"DIFFERS {kind}" in result.stdout
