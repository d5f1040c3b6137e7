"""RFC 3161 time stamps over checkpoints (step 10), made by OpenSSL (timestamps/make.sh), with negatives."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from governlayer_verifier import ArgumentError, Report, cli, rfc3161
from governlayer_verifier.page import page
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.ledger_writer import KEY, SECOND_KEY, sample_ledger, sign_note, to_line, tree_root
from tests.verifier.test_verifier_page import MADE, Parsed
from tests.verifier.verdicts import check, found, what

FOLDER = Path(__file__).parent / "timestamps"
LEDGER = sample_ledger(20)
DUMP = LEDGER.dump()
STAMP_13, STAMP_20 = ((FOLDER / f"size-{size}.tsr").read_bytes() for size in (13, 20))
CA, OTHER_CA = ((FOLDER / name).read_bytes() for name in ("ca.pem", "other-ca.pem"))


def stamped(*stamps: bytes, ca: bytes | None = CA, dump: bytes = DUMP, **more: Any) -> Report:
    return check(dump, timestamps=stamps, authorities=[] if ca is None else [ca], **more)


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    rfc3161.reason_unavailable.cache_clear()
    yield
    rfc3161.reason_unavailable.cache_clear()


def test_a_time_stamp_over_a_checkpoint_of_the_dump_passes_and_says_when() -> None:
    report = stamped(STAMP_20)
    (stamp,) = report.trust.stamps
    assert (report.verdict, report.step(10).status) == ("valid", "pass")
    assert (stamp.status, stamp.size) == ("pass", 20)
    assert str(stamp.time).startswith("2026-11-26T03:")
    assert "The first 20 records agree with what a time stamp authority stamped" in report.limits
    assert f"stamp   PASS time stamp 1, size 20: {stamp.time}" in report.as_text()


def test_a_time_stamp_over_a_checkpoint_from_outside_passes() -> None:
    assert stamped(STAMP_13, checkpoints=[LEDGER.note(13)]).trust.stamps[0].size == 13
    assert stamped(STAMP_13, receipts=[LEDGER.receipt(4, 13)]).verdict == "valid"


def test_a_time_stamp_over_no_checkpoint_here_is_not_checked() -> None:
    report = stamped(STAMP_13, STAMP_20)
    assert (report.exit_status, report.step(10).status) == (3, "not_checked")
    assert [each.status for each in report.trust.stamps] == ["not_checked", "pass"]
    assert "bring that one with --checkpoint" in str(report.step(10).reason)
    # A ledger rewritten since has other checkpoints.
    other = sample_ledger(21)
    assert stamped(STAMP_20, dump=other.dump()).exit_status == 3


def test_a_time_stamp_by_nobody_trusted_fails() -> None:
    report = stamped(STAMP_20, ca=OTHER_CA)
    assert found(report) == {(10, 19)}
    assert "time stamp 1 is not by a trusted authority" in what(report, 10)
    assert report.limits.startswith("Nothing from outside")


def test_without_a_certificate_of_an_authority_it_is_not_checked() -> None:
    report = stamped(STAMP_20, ca=None)
    assert (report.exit_status, report.step(10).status) == (3, "not_checked")
    assert report.trust.stamps[0].reason == "no certificate of a time stamp authority was given (--tsa-ca)"


@pytest.mark.usefixtures("without_package")
def test_without_the_package_it_is_not_checked() -> None:
    report = stamped(STAMP_20, b"nonsense", ca=b"nonsense")
    assert (report.exit_status, report.step(10).status) == (3, "not_checked")
    assert report.step(10).reason == "a time stamp needs the package rfc3161-client, which is not installed"
    assert [each.status for each in report.trust.stamps] == ["not_checked", "not_checked"]
    assert check(DUMP).step(10).status == "not_asked"


def test_a_stamp_on_a_checkpoint_that_differs_from_the_records_anchors_nothing() -> None:
    changed = sample_ledger(20)
    changed.lines[3] = changed.lines[3].replace(b'"score":3', b'"score":9')
    note = to_line({"checkpoint": sign_note(LEDGER.origin, 20, tree_root(LEDGER.leaves), KEY)})
    report = stamped(STAMP_20, dump=changed.dump(extra=[note]))
    assert report.verdict == "invalid"
    assert report.limits.startswith("Nothing from outside")
    unsigned = to_line({"checkpoint": sign_note(LEDGER.origin, 20, tree_root(LEDGER.leaves), SECOND_KEY)})
    assert stamped(STAMP_20, dump=LEDGER.dump(extra=[unsigned])).limits.startswith("Nothing from outside")


@pytest.mark.parametrize(
    ("stamps", "ca", "message"),
    [
        ([STAMP_20, b""], CA, "timestamp 2: not an RFC 3161 time stamp in DER"),
        ([b"nonsense"], CA, "timestamp 1: not an RFC 3161 time stamp in DER"),
        ([STAMP_20[:-1]], CA, "timestamp 1: not an RFC 3161 time stamp in DER"),
        ([STAMP_20 + b"\0"], CA, "timestamp 1: not an RFC 3161 time stamp in DER"),
        ([(FOLDER / "refused.tsr").read_bytes()], CA, "timestamp 1: not an RFC 3161 time stamp in DER"),
        ([(FOLDER / "sha-512.tsr").read_bytes()], CA, "timestamp 1: the imprint of the time stamp is not a SHA-256"),
        ([STAMP_20], b"", "certificate file 1: no certificate in PEM"),
        ([STAMP_20], b"nonsense", "certificate file 1: no certificate in PEM"),
        ([STAMP_20], CA[:200], "certificate file 1: no certificate in PEM"),
    ],
)
def test_malformed_stamps_and_certificates_are_refused(stamps: list[bytes], ca: bytes, message: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        stamped(*stamps, ca=ca)
    assert str(raised.value).startswith(message)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(STAMP_20) * 8 - 1))
def test_no_changed_bit_of_a_time_stamp_changes_its_time_or_its_checkpoint(bit: int) -> None:
    changed = bytearray(STAMP_20)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        report = stamped(bytes(changed))
    except ArgumentError:
        return
    # Bits that no signature covers, such as those of the status text, may change and change nothing.
    assert report.verdict != "valid" or report.trust == stamped(STAMP_20).trust


def test_the_command_takes_files_and_the_page_shows_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump, out = tmp_path / "acme.gldump", tmp_path / "out.html"
    dump.write_bytes(DUMP)
    asked = ["--key", KEY.vkey, "--timestamp", str(FOLDER / "size-20.tsr"), "--tsa-ca", str(FOLDER / "ca.pem")]
    assert cli.main([str(dump), *asked, "--report", str(out)]) == 0
    text = Parsed(out.read_bytes()).text
    for each in ("Time stamps", "time stamp 1", "size-20.tsr", "the checkpoint of size 20", "2026-11-26 03:"):
        assert each in text
    assert cli.main([str(dump), *asked, "--timestamp", str(dump)]) == 2
    assert "timestamp 2: not an RFC 3161 time stamp" in capsys.readouterr().err
    assert cli.main([str(dump), "--timestamp", str(out), "--report", str(out)]) == 2
    assert "would overwrite" in capsys.readouterr().err
    assert "no checkpoint here" in Parsed(page(stamped(STAMP_13), MADE)).text
