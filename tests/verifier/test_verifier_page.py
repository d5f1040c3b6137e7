"""``--report``: one HTML file, in which nothing of a hostile dump is more than text."""

import base64
import hashlib
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from governlayer_verifier import Report, __version__, cli
from governlayer_verifier.activity import Span
from governlayer_verifier.errors import InputError
from governlayer_verifier.findings import Failure
from governlayer_verifier.output import write_whole
from governlayer_verifier.page import Circumstances, page
from governlayer_verifier.trust import Cosigner, Outside, Quorum, TrustedKey, TrustReport, Witnesses
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.cosigners import LOG_PQ, W1, W2, trust
from tests.verifier.ledger_writer import KEY, sample_ledger, sign_note, to_line, tree_root
from tests.verifier.verdicts import check

LEDGER = sample_ledger(20)
NOTE = sign_note(LEDGER.origin, 20, tree_root(LEDGER.leaves), KEY, LOG_PQ, W1, W2)  # type: ignore[arg-type]
DUMP = LEDGER.dump(extra=[to_line({"checkpoint": NOTE})])
TRUST = trust("group g 2 w1 w2 w3", "quorum g")
MADE = Circumstances("acme.gldump", 718_878, "ab" * 32, __version__, datetime(2026, 11, 26, 3, 20, 11, tzinfo=UTC))
HOSTILE = [
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<!--",
    "]]>",
    "&lt;b&gt;&#60;script&#62;",
    "\x00\x07\x1b[2J\u202e\u2066\ud800\r\n",
    "</td></tr></table></main>" + "x" * 10_000,
]


class Parsed(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.comments: list[str] = []
        self.feed(content.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    @property
    def shape(self) -> list[tuple[str, list[str]]]:
        return [(name, sorted(attributes)) for name, attributes in self.tags]


def parsed(report: Report, made: Circumstances = MADE) -> Parsed:
    return Parsed(page(report, made))


def with_text(text: str) -> tuple[Report, Circumstances]:
    """A report and its making with *text* wherever a text can stand."""
    trusted = TrustedKey(text, text, text, text, 3, 4, 2, 20, text, None)
    cosigner = Cosigner(text, text, text, text, checked=True)
    witnesses = Witnesses(text, "fail", None, (Quorum(text, 20, "fail", (cosigner,)),))
    outside = Outside(text, 3, 13, text, "fail", text)
    plain = check(DUMP, ())
    failures = tuple(Failure(7, 9, text, text, text) for _ in range(3))
    steps = [replace(each, status="fail", count=3, failures=failures, reason=text) for each in plain.steps]
    steps[8] = replace(plain.steps[8], reason=text)
    report = replace(
        plain,
        origin=text,
        head_hash=text,
        steps=tuple(steps),
        trust=TrustReport((trusted, replace(trusted, unchecked=text)), (outside,), witnesses),
    )
    return report, Circumstances(text, 5, text, text, MADE.checked_at, text, {text: text})


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_wherever_it_stands(text: str) -> None:
    found = parsed(*with_text(text))
    assert found.shape == parsed(*with_text("harmless")).shape
    assert (found.open, found.comments) == ([], [])
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\u2066\ud800-\udfff]", found.text)


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=1))
def test_any_text_stays_text(text: str) -> None:
    found = parsed(*with_text(text))
    assert found.shape == parsed(*with_text("harmless")).shape


def test_long_text_is_cut() -> None:
    assert len(page(*with_text("y" * 1_000_000))) < 400_000


def test_a_hostile_dump_gives_a_page_without_its_elements(tmp_path: Path) -> None:
    ledger = sample_ledger(3)
    ledger.add("decision", {"decision": "<script>alert(1)</script>"})
    ledger.add("<script>alert(2)</script>", {"decision": "x"})
    ledger.add("decision", prev_hash="<img src=x onerror=alert(3)>")
    ledger.add("decision", **{"<script>": 1})
    path = tmp_path / "<script>alert(4)<script>.gldump"
    path.write_bytes(ledger.dump())
    names = f"witness <script> {W1.vkey}\nquorum <script>\n".encode()
    (tmp_path / "<b>trust").write_bytes(names)
    out = tmp_path / "report.html"
    assert cli.main([str(path), "--trust", str(tmp_path / "<b>trust"), "--report", str(out)]) == 1
    found = Parsed(out.read_bytes())
    assert not {name for name, _ in found.tags} & {"script", "img", "b>", "iframe", "object", "link"}
    assert "<script>alert(4)<script>.gldump" in found.text
    assert "<img src=x onerror=alert(3)>" in found.text
    assert "other" in found.text


def test_the_page_stands_alone_and_lets_nothing_run() -> None:
    found = parsed(check(DUMP, (), trust=TRUST, checkpoints=[NOTE], receipts=[LEDGER.receipt(4, 13)]))
    names = {name for name, _ in found.tags}
    assert not names & {"script", "link", "img", "iframe", "form", "a", "object", "base"}
    for _, attributes in found.tags:
        assert not {name for name in attributes if name.startswith("on") or name in {"src", "href", "style"}}
    policy = next(dict(each)["content"] for name, each in found.tags if each.get("http-equiv"))
    style = found.texts[found.texts.index(next(each for each in found.texts if ":root" in each))]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style
    assert "@import" not in style


def test_the_page_says_what_was_checked_by_what_and_when() -> None:
    kept = sign_note(LEDGER.origin, 13, tree_root(LEDGER.leaves[:13]), KEY, W1, W2)  # type: ignore[arg-type]
    report = check(DUMP, [LOG_PQ.vkey], trust=TRUST, checkpoints=[kept], receipts=[LEDGER.receipt(4, 13)])
    files = {"checkpoint 1 from outside": "kept.txt", "receipt 1": "order.tlog-proof"}
    found = parsed(report, replace(MADE, trust_file="mine.policy", files=files))
    for text in (
        "Valid. Everything that was asked for holds.",
        "The first 20 records agree with what the witnesses cosigned; whether records after those were cut off or "
        "rewritten by the holder of the signing key cannot be excluded.",
        "acme.gldump", "718,878 bytes", "ab" * 32, LEDGER.origin, LEDGER.head(20), "0 to 19 (20 read)",
        "2026-11-26 03:20:11 UTC", f"gl-verify {__version__}, exit status 0", "mine.policy",
        f"{KEY.name}+{KEY.key_id.hex()}", "trust file, line 1", "ML-DSA-44", "--key",
        "1 checkpoint, up to size 20, last at 2026-01-01 00:00:00 UTC",
        "checkpoint 1 from outside", "kept.txt", "receipt 1", "order.tlog-proof",
        "g: 2 of w1, w2, w3", "w1", " 2026-01-01 00:00:00 UTC", "By second (UTC)", "deny 20",
        "No record is missing, repeated or out of order.",
    ):  # fmt: skip
        assert text in found.text


def test_the_page_says_what_was_not_checked_and_why() -> None:
    found = parsed(check(DUMP, ()))
    assert "Incomplete. What was checked holds, but not all of it could be checked." in found.text
    assert "What was not checked, and why" in found.text
    assert "no trusted key was given (--key)" in found.text
    assert "that the tail was cut off, or that the holder of the signing key rewrote the whole ledger" in found.text
    assert "No checkpoint and no receipt from outside was held against the dump." in found.text
    assert "What was not checked" not in parsed(check(DUMP, (), trust=TRUST)).text


def test_the_page_says_what_is_wrong_with_the_first_record_expected_and_found() -> None:
    report = check(DUMP.replace(b'"score":7', b'"score":8'))
    first = report.step(5).failures[0]
    found = parsed(report)
    assert "Record 8, line 10 of the dump: " in found.text
    assert first.expected in found.texts
    assert first.found in found.texts
    assert "Invalid. The ledger fails steps 5, 8." in found.text


def test_more_failures_than_are_shown_are_counted() -> None:
    lines = DUMP.split(b"\n")
    report = check(b"\n".join([*lines[:-3], *[b'{"x":1}'] * 250, *lines[-3:]]))
    assert "250 in all, the first 20 are shown." in parsed(report).text


def test_what_came_from_outside_and_differs_is_not_called_absent() -> None:
    other = sign_note(LEDGER.origin, 9, bytes(32), KEY)
    report = check(DUMP, checkpoints=[other])
    assert report.limits.startswith("Nothing that was brought from outside agrees with the records")
    assert "Its root is not that of the records." in parsed(report).text


def test_a_quick_check_says_what_it_left_out() -> None:
    found = parsed(check(DUMP, quick=True))
    assert "Valid. Everything that was asked for holds; the form of the records was not checked." in found.text
    assert "Not counted: what records hold was not read (--quick)." in found.text
    assert "record lines were not serialized again (--quick)" in found.text


def test_a_dump_without_a_header_has_a_page() -> None:
    found = parsed(check(b"nonsense\n"), replace(MADE, size_bytes=None, sha256=None))
    assert "a dump without a readable header" in found.text
    assert "not computed" in found.text


@given(st.integers(1, 400), st.sampled_from([19, 18, 16, 15, 13, 10, 7, 4, 3, 2]), st.data())
@settings(max_examples=60, deadline=None)
def test_the_chart_shows_every_decision_inside_its_frame(count: int, length: int, data: st.DataObject) -> None:
    times = data.draw(st.lists(st.datetimes(datetime(1, 1, 1)), min_size=1, max_size=count))  # noqa: DTZ001
    starts = sorted({time.isoformat().zfill(19)[:length] for time in times})
    counts = data.draw(st.lists(st.integers(0, 10**9), min_size=5, max_size=5).filter(any))
    report = replace(check(DUMP), activity=tuple(Span(start, tuple(counts)) for start in starts))
    found = parsed(report)
    bars = [each for name, each in found.tags if name == "rect" and len(each) == 5 and "rx" not in each]
    assert bars
    for each in bars:
        x, y, width, height = (float(str(each[name])) for name in ("x", "y", "width", "height"))
        assert x + 0.01 >= 52
        assert x + width <= 712.01
        assert y + 0.01 >= 10
        assert y + height <= 204.02
    total = sum(counts[index] for index in range(5)) * len(starts)
    shown = sum(int(text.rsplit(" ", 1)[1].replace(",", "")) for text in found.texts if re.fullmatch(
        r"(allow|deny|redact|require approval|other) [0-9,]+", text))  # fmt: skip
    assert shown == total


# --- the file


def test_the_command_writes_the_page_with_the_sha256_of_what_it_read(tmp_path: Path) -> None:
    dump, out = tmp_path / "acme.gldump", tmp_path / "out.html"
    dump.write_bytes(DUMP)
    out.write_text("of before")
    assert cli.main([str(dump), "--key", KEY.vkey, "--report", str(out)]) == 0
    text = Parsed(out.read_bytes()).text
    assert hashlib.sha256(DUMP).hexdigest() in text
    assert f"{len(DUMP):,} bytes" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["acme.gldump", "out.html"]


@pytest.mark.parametrize("how", ["same", "link", "symlink"])
def test_the_report_never_overwrites_what_is_read(how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump, note, rules = (tmp_path / name for name in ("acme.gldump", "kept.txt", "mine.policy"))
    dump.write_bytes(DUMP)
    note.write_text(NOTE)
    rules.write_bytes(TRUST)
    for path in (dump, note, rules):
        before = path.read_bytes()
        target = path
        if how != "same":
            target = tmp_path / f"{path.name}.{how}"
            os.link(path, target) if how == "link" else target.symlink_to(path)
        asked = ["--trust", str(rules), "--checkpoint", str(note), "--report", str(target)]
        assert cli.main([str(dump), *asked]) == 2
        assert f"the report would overwrite {path}, which is read" in capsys.readouterr().err
        assert path.read_bytes() == before


def test_the_report_never_takes_the_place_of_the_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump, state = tmp_path / "acme.gldump", tmp_path / "state"
    dump.write_bytes(DUMP)
    assert cli.main([str(dump), "--resume", str(state), "--report", f"{tmp_path}/../{tmp_path.name}/state"]) == 2
    assert f"the report would overwrite {state}" in capsys.readouterr().err
    assert not state.exists()


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["/nonexistent", "--report", str(tmp_path / "absent" / "x.html")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert cli.main(["/nonexistent", "--report", str(tmp_path)]) == 2
    assert "is not a file" in capsys.readouterr().err


def test_a_report_that_fails_to_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.html"
    out.write_text("of before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write the report .*No space left"):
        write_whole(out, b"new")
    assert out.read_text() == "of before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]
