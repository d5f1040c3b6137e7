"""``--report``: the whole report as one HTML file, which opens anywhere, needs no script and prints on A4.

Every text on it may come from a hostile dump. All of it goes through ``markup``, which escapes it, and the page's own
policy lets a browser run nothing and load nothing, its one style sheet excepted, which is named by its hash.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files

from governlayer_verifier import sections
from governlayer_verifier.markup import Html, tag, void
from governlayer_verifier.report import Report

_CLAIMS = "The keys that a dump lists are claims of its maker: only keys named by whoever ran this check were trusted."


@dataclass(frozen=True, slots=True)
class Circumstances:
    """
    What a page says about its making.

    ``dump`` names what was read; its size in bytes and SHA-256 are None where they are not known. ``checked_at`` is
    UTC. ``files`` holds the file of each checkpoint and receipt by its label in the report.
    """

    dump: str
    size_bytes: int | None
    sha256: str | None
    version: str
    checked_at: datetime
    trust_file: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)


def page(report: Report, made: Circumstances) -> bytes:
    """Return the page, UTF-8."""
    style = files("governlayer_verifier").joinpath("page.css").read_text(encoding="utf-8")
    root = tag("html", _head(report, style), tag("body", tag("main", *_body(report, made))), lang="en")
    return f"<!DOCTYPE html>\n{root}\n".encode()


def _head(report: Report, style: str) -> Html:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        void("meta", charset="utf-8"),
        void("meta", http_equiv="Content-Security-Policy", content=policy),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="referrer", content="no-referrer"),
        tag("title", f"{report.verdict.capitalize()}: verification report, {report.origin or 'a dump'}"),
        tag("style", Html(style)),
    )


def _body(report: Report, made: Circumstances) -> list[Html | None]:
    return [
        _opening(report),
        _verdict(report),
        _subject(report, made),
        sections.failures(report),
        sections.steps(report),
        sections.unchecked(report),
        sections.keys(report),
        sections.outside(report, made.files),
        sections.witnesses(report),
        sections.stamps(report, made.files),
        sections.restores(report),
        sections.activity(report),
        _closing(made),
    ]


def _opening(report: Report) -> Html:
    over = tag("p", "GovernLayer ledger", class_="over")
    name = tag("code", report.origin or "a dump without a readable header")
    return tag("header", over, tag("h1", "Verification report"), tag("p", name, class_="quiet"))


def _verdict(report: Report) -> Html:
    verdict, _, words = report.conclusion.partition(": ")
    said = tag("strong", f"{verdict.capitalize()}. {words[:1].upper()}{words[1:]}")
    return tag("div", said, tag("p", report.limits), class_=f"verdict {report.verdict}", role="status")


def _subject(report: Report, made: Circumstances) -> Html:
    span = f"{report.first:,} to {report.last:,}" if report.records and report.first is not None else "none"
    pairs = [
        ("Dump", made.dump),
        ("Size", None if made.size_bytes is None else f"{made.size_bytes:,} bytes"),
        ("SHA-256 of the dump", tag("code", made.sha256 or "not computed")),
        ("Ledger", tag("code", report.origin or "unknown")),
        ("Records", f"{span} ({report.records:,} read)"),
        ("Payloads", f"{report.payloads:,}"),
        ("Checkpoints", f"{report.checkpoints:,}"),
        ("Last record's hash", tag("code", report.head_hash or "unknown")),
        ("Trust file", made.trust_file),
        ("Checked at", made.checked_at.strftime("%Y-%m-%d %H:%M:%S UTC")),
        ("Checked with", f"gl-verify {made.version}, exit status {report.exit_status}"),
    ]
    return sections.section("What was read", sections.facts(pairs))


def _closing(made: Circumstances) -> Html:
    words = f"gl-verify {made.version} checked this dump offline, by the twelve steps of ledger-v1 §8."
    return tag("footer", tag("p", words), tag("p", _CLAIMS))
