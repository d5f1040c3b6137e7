"""The sections of the HTML report; each is a function from the report to a piece of the page."""

from collections.abc import Iterable, Mapping, Sequence

from governlayer_verifier import chart
from governlayer_verifier.activity import Span
from governlayer_verifier.findings import Failure, Step
from governlayer_verifier.markup import Html, joined, tag
from governlayer_verifier.report import Report, StepResult
from governlayer_verifier.trust import Quorum, TrustedKey, counted, shown_status
from governlayer_verifier.words import WORDS

_MORE_FAILURES = 20
# A tick, a cross, a question and a dash: the outcome is told by its shape as well as its colour.
_TICK, _CROSS, _DASH = "M3 9l4 4 7-9", "M4 4l8 8M12 4l-8 8", "M4 8h8"
_QUESTION = "M5 6a3 3 0 1 1 4 3c-1 .4-1 1-1 2M8 13.5v.01"
_MARKS = dict(zip(("pass", "fail", "not_checked", "not_asked"), (_TICK, _CROSS, _QUESTION, _DASH), strict=True))


def steps(report: Report) -> Html:
    """Return the table of the twelve steps."""
    rows = (
        tag(
            "tr",
            tag("td", str(each.step), class_="number"),
            tag("td", *_step_words(each)),
            tag("td", status(each.status)),
        )
        for each in report.steps
    )
    head = _head(("", "number"), ("What has to hold", None), ("Outcome", None))
    return section("What was checked", tag("table", head, tag("tbody", *rows)))


def unchecked(report: Report) -> Html | None:
    """Return what was not checked and why, None where all was."""
    left = [each for each in report.steps if each.status in ("not_checked", "not_asked")]
    if not left:
        return None
    rows = (
        tag("tr", tag("td", tag("b", _title(each))), tag("td", each.reason), tag("td", status(each.status)))
        for each in left
    )
    head = _head(("Step", None), ("Why", None), ("Outcome", None))
    return section("What was not checked, and why", tag("table", head, tag("tbody", *rows)))


def failures(report: Report) -> Html | None:
    """Return the first failure of each failed step with what was expected and found, None where none failed."""
    failed = [each for each in report.steps if each.failures]
    if not failed:
        return None
    return section("What is wrong", *(_failed_step(each) for each in failed))


def keys(report: Report) -> Html:
    """Return the keys that were trusted and where they came from."""
    trusted = report.trust.keys
    if not trusted:
        words = "No trusted key was named, so no signature was checked. The keys that a dump lists are claims."
        return section("Keys that were trusted", tag("p", words))
    head = _head(("Key", None), ("From", None), ("Signed", None))
    rows = (
        tag("tr", tag("td", *_key_words(each), class_="wide"), tag("td", each.source), tag("td", _signed(each)))
        for each in trusted
    )
    return section("Keys that were trusted", tag("table", head, tag("tbody", *rows)))


def outside(report: Report, files: Mapping[str, str]) -> Html:
    """
    Return the checkpoints and receipts that the user brought.

    Args:
        report: of the run.
        files: the file of each by its label.
    """
    held = report.trust.outside
    title = "Held against it from outside"
    if not held:
        return section(title, tag("p", "No checkpoint and no receipt from outside was held against the dump."))
    head = _head(("What", None), ("Root", None), ("Size", "number"), ("Outcome", None))
    rows = (
        tag(
            "tr",
            tag("td", tag("b", each.label), _line(files.get(each.label)), _line(_sentence(each.reason))),
            tag("td", tag("code", each.root)),
            tag("td", f"{each.size:,}", class_="number"),
            tag("td", status(each.status)),
        )
        for each in held
    )
    return section(title, tag("table", head, tag("tbody", *rows)))


def witnesses(report: Report) -> Html | None:
    """Return the quorum and who cosigned when, None where no quorum was asked for."""
    asked = report.trust.witnesses
    if asked is None:
        return None
    head = _head(("Checkpoint", None), ("Cosigned by", None), ("Outcome", None))
    table = tag("table", head, tag("tbody", *map(_quorum_row, asked.judged))) if asked.judged else None
    return section("Witnesses", tag("p", "The quorum asked for: ", tag("code", asked.rule)), table)


def stamps(report: Report, files: Mapping[str, str]) -> Html | None:
    """Return the time stamps and the checkpoints that they are over, None where none was brought."""
    brought = report.trust.stamps
    if not brought:
        return None
    head = _head(("Time stamp", None), ("Over", None), ("Time", None), ("Outcome", None))
    rows = (
        tag(
            "tr",
            tag("td", tag("b", each.label), _line(files.get(each.label)), _line(_sentence(each.reason))),
            tag("td", "no checkpoint here" if each.size is None else f"the checkpoint of size {each.size:,}"),
            tag("td", _moment(each.time)),
            tag("td", status(each.status)),
        )
        for each in brought
    )
    return section("Time stamps", tag("table", head, tag("tbody", *rows)))


def restores(report: Report) -> Html | None:
    """Return what was lost by restores that the ledger owns up to, None where there were none."""
    if not report.restores:
        return None
    said = tag("p", "The operator of the ledger says so, in records of it:")
    return section("Restored from backups", said, tag("ul", *(tag("li", str(each)) for each in report.restores)))


def activity(report: Report) -> Html | None:
    """Return the chart of decisions over time and its numbers, None where there were no decisions."""
    title = "Decisions over time"
    if report.step(Step.CANONICAL).status == "not_asked":
        return section(title, tag("p", "Not counted: what records hold was not read (--quick)."))
    if not report.activity:
        return None
    rows = chart.spread(report.activity)
    totals = [sum(column) for column in zip(*(each.counts for each in rows), strict=True)]
    used = [index for index, total in enumerate(totals) if total]
    figure = tag("figure", chart.drawn(rows), chart.legend(totals))
    return section(title, figure, _numbers(rows, used))


def section(title: str, *children: str | None) -> Html:
    """Return a section under its heading."""
    return tag("section", tag("h2", title), *children)


def facts(pairs: Iterable[tuple[str, str | None]]) -> Html:
    """Return a list of facts; those that are None are left out."""
    return tag("dl", *(joined(tag("dt", name), tag("dd", value)) for name, value in pairs if value is not None))


def status(name: str) -> Html:
    """Return an outcome with its mark."""
    mark = tag("svg", tag("path", d=_MARKS[name]), viewBox="0 0 16 16", aria_hidden="true")
    return tag("span", mark, shown_status(name), class_=f"status {name.replace('_', '-')}")


def _title(result: StepResult) -> str:
    return WORDS[Step(result.step)].title


def _step_words(result: StepResult) -> list[Html]:
    words = WORDS[Step(result.step)]
    count = counted(result.count, "failure") if result.count else None
    return [tag("b", words.title), tag("p", words.meaning, class_="quiet"), joined(_line(count))]


def _failed_step(result: StepResult) -> Html:
    more = result.failures[1:_MORE_FAILURES]
    head = _head(("Record", "number"), ("Line", "number"), ("What", None))
    table = tag("table", head, tag("tbody", *map(_failure_row, more))) if more else None
    shown_count = len(more) + 1
    rest = f"{result.count:,} in all, the first {shown_count} are shown." if result.count > shown_count else None
    return joined(tag("h3", f"{result.step} {_title(result)}"), _first_failure(result.failures[0]), table, _line(rest))


def _first_failure(failure: Failure) -> Html:
    where = [f"record {failure.seq:,}"] if failure.seq is not None else []
    where += [f"line {failure.line:,} of the dump"] if failure.line is not None else []
    place = tag("b", f"{', '.join(where).capitalize()}: ") if where else None
    pairs = [(name, value) for name, value in (("Expected", failure.expected), ("Found", failure.found)) if value]
    values = facts((name, tag("code", value)) for name, value in pairs) if pairs else None
    return tag("div", tag("p", place, failure.what), values, class_="record")


def _failure_row(failure: Failure) -> Html:
    seq, line = ("" if each is None else f"{each:,}" for each in (failure.seq, failure.line))
    return tag("tr", tag("td", seq, class_="number"), tag("td", line, class_="number"), tag("td", failure.what))


def _key_words(key: TrustedKey) -> list[Html]:
    words = [key.algorithm] + ([f"retired by record {key.until:,}"] if key.until is not None else [])
    return [tag("code", f"{key.name}+{key.key_id}"), joined(_line(", ".join(words)))]


def _signed(key: TrustedKey) -> str:
    if key.unchecked is not None:
        return f"Not checked: {key.unchecked}"
    signed = counted(key.signed, "checkpoint")
    signed += f", up to size {key.size:,}" if key.size is not None else ""
    return signed + (f", last at {_moment(key.time)}" if key.time is not None else "")


def _moment(time: str | None) -> str:
    return "no time stated" if time is None else time.replace("T", " ").replace("Z", " UTC")


def _sentence(reason: str | None) -> str | None:
    return None if reason is None else f"{reason[:1].upper()}{reason[1:]}."


def _quorum_row(quorum: Quorum) -> Html:
    label = tag("td", tag("b", quorum.label), _line(f"Size {quorum.size:,}"))
    cosigners = [
        tag("p", tag("b", each.name), f" {_moment(each.time)}" if each.checked else " not checked",
            _line(f"{each.key_name}+{each.key_id}"))
        for each in quorum.cosigners
    ]  # fmt: skip
    return tag(
        "tr", label, tag("td", *cosigners or [joined("nobody of the trust file")]), tag("td", status(quorum.status))
    )


def _numbers(rows: Sequence[Span], used: Sequence[int]) -> Html:
    names = [(chart.SERIES[index].replace("_", " "), "number") for index in used]
    body = (
        tag("tr", tag("td", each.start.replace("T", " ")), *(_number(each.counts[index]) for index in used))
        for each in rows
    )
    head = _head((f"By {chart.unit(len(rows[0].start))} (UTC)", None), *names)
    return tag("table", head, tag("tbody", *body), class_="numbers")


def _number(count: int) -> Html:
    return tag("td", f"{count:,}", class_="number")


def _line(text: str | None) -> Html | None:
    return None if text is None else tag("p", text, class_="quiet")


def _head(*columns: tuple[str, str | None]) -> Html:
    return tag("thead", tag("tr", *(tag("th", name, class_=kind, scope="col") for name, kind in columns)))
