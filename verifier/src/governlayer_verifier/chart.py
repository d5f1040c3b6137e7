"""Decisions over time as stacked bars: inline SVG, without script, with one title per bar."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from governlayer_verifier.activity import DECISIONS, LENGTHS, MAX_SPANS, OTHER, Span
from governlayer_verifier.markup import Html, joined, tag

SERIES = (*DECISIONS, OTHER)
_WIDTH, _HEIGHT = 720, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 10, 26
_PLOT_WIDTH = _WIDTH - _LEFT - _RIGHT
_PLOT_HEIGHT = _HEIGHT - _TOP - _BOTTOM
_MAX_BAR = 26.0
_DATES = 5
_EPOCH = datetime(1, 1, 1)  # noqa: DTZ001  all times of a ledger are UTC
# How long a span is whose start is spelled with so many characters; longer ones are calendar units.
_SECONDS = {19: 1, 18: 10, 16: 60, 15: 600, 13: 3600, 10: 86400}
_LONG = {7: "month", 4: "year", 3: "ten years", 2: "hundred years"}
_SHORT = {19: "second", 18: "ten seconds", 16: "minute", 15: "ten minutes", 13: "hour", 10: "day"}
_FULL = "0001-01-01T00:00:00"


def drawn(spans: Sequence[Span]) -> Html:
    """Return the chart of *spans*, which must not be empty and in order of time."""
    rows = spread(spans)
    length, first = len(rows[0].start), _ordinal(rows[0].start)
    places = _ordinal(rows[-1].start) - first + 1
    top = _nice(max(sum(row.counts) for row in rows))
    width = _PLOT_WIDTH / places
    bars = [_bar(row, _LEFT + (_ordinal(row.start) - first + 0.5) * width, width, top) for row in rows]
    label = f"Decisions by {unit(length)}, {rows[0].start} to {rows[-1].start}; the table below holds the numbers"
    return tag(
        "svg",
        *_grid(top),
        *bars,
        *_dates(length, first, places, width),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=label,
        class_="chart",
    )


def legend(totals: Sequence[int]) -> Html:
    """Return which colour stands for which decision, of those that occur in *totals*."""
    items = [
        tag("li", _swatch(index), f"{name.replace('_', ' ')} {count:,}")
        for index, (name, count) in enumerate(zip(SERIES, totals, strict=True))
        if count
    ]
    return tag("ul", *items, class_="legend")


def spread(spans: Sequence[Span]) -> list[Span]:
    """Return *spans* with starts so short that first to last are at most 200 places, empty ones counted."""
    for length in LENGTHS:
        if length > len(spans[0].start):
            continue
        if _ordinal(spans[-1].start[:length]) - _ordinal(spans[0].start[:length]) < MAX_SPANS:
            return _shortened(spans, length)
    return _shortened(spans, LENGTHS[-1])


def unit(length: int) -> str:
    """Return what a start of *length* characters names, such as a day."""
    return _SHORT.get(length) or _LONG[length]


def _shortened(spans: Sequence[Span], length: int) -> list[Span]:
    sums: dict[str, tuple[int, ...]] = {}
    for each in spans:
        start = each.start[:length]
        sums[start] = tuple(map(sum, zip(each.counts, sums.get(start, (0,) * len(SERIES)), strict=True)))
    return [Span(start, counts) for start, counts in sums.items()]


def _ordinal(start: str) -> int:
    """Return the number of the span that begins with *start*, counted in its own unit."""
    length = len(start)
    if length in (4, 3, 2):
        return int(start)
    if length == 7:
        return int(start[:4]) * 12 + int(start[5:]) - 1
    moment = datetime.fromisoformat(start + _FULL[length:])
    return int((moment - _EPOCH).total_seconds()) // _SECONDS[length]


def _start(length: int, ordinal: int) -> str:
    if length in (4, 3, 2):
        return f"{ordinal:0{length}}"
    if length == 7:
        return f"{ordinal // 12:04}-{ordinal % 12 + 1:02}"
    return (_EPOCH + timedelta(seconds=ordinal * _SECONDS[length])).isoformat()[:length]


def _bar(row: Span, middle: float, place: float, top: int) -> Html:
    width = min(place * 0.86, _MAX_BAR)
    words = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in zip(SERIES, row.counts, strict=True) if count
    )
    parts, floor = [], 0
    for index, count in enumerate(row.counts):
        if count:
            parts.append(_block(index, middle - width / 2, width, floor, count, top))
            floor += count
    return tag("g", tag("title", f"{row.start.replace('T', ' ')}: {words}"), *parts)


def _block(index: int, x: float, width: float, floor: int, count: int, top: int) -> Html:
    height = count / top * _PLOT_HEIGHT
    y = _TOP + _PLOT_HEIGHT - (floor + count) / top * _PLOT_HEIGHT
    return tag("rect", x=f"{x:.2f}", y=f"{y:.2f}", width=f"{width:.2f}", height=f"{height:.2f}", class_=f"s{index}")


def _swatch(index: int) -> Html:
    square = tag("rect", x=0, y=0, width=10, height=10, rx=2, class_=f"s{index}")
    return tag("svg", square, viewBox="0 0 10 10", width=10, height=10, aria_hidden="true")


def _grid(top: int) -> list[Html]:
    lines = []
    for value in sorted({0, top // 2, top}):
        y = _TOP + _PLOT_HEIGHT - value / top * _PLOT_HEIGHT
        rule = tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=f"{y:.2f}", y2=f"{y:.2f}", class_="rule")
        lines.append(joined(rule, tag("text", f"{value:,}", x=_LEFT - 8, y=f"{y + 3.5:.2f}", text_anchor="end")))
    return lines


def _dates(length: int, first: int, places: int, width: float) -> list[Html]:
    """Return dates under the axis: of all places where they are few, else of some at equal distances."""
    count = min(places, _DATES)
    chosen = sorted({round(index * (places - 1) / max(count - 1, 1)) for index in range(count)})
    labels = []
    for place in chosen:
        x = _LEFT + (place + 0.5) * width
        anchor = "middle"
        if places > _DATES:
            anchor = {chosen[0]: "start", chosen[-1]: "end"}.get(place, "middle")
        text = _start(length, first + place).replace("T", " ")
        labels.append(tag("text", _spelled(length, text), x=f"{x:.2f}", y=_HEIGHT - 8, text_anchor=anchor))
    return labels


def _spelled(length: int, text: str) -> str:
    if length in (18, 15):
        return f"{text}0"
    if length == 13:
        return f"{text}:00"
    return {3: f"{text}0s", 2: f"{text}00s"}.get(length, text)


def _nice(highest: int) -> int:
    """Return the least of 2, 4, 6, 10, 20, 40, … that is not below *highest*: half of it is a whole number too."""
    scale = 1
    while True:
        for factor in (2, 4, 6, 10):
            if factor * scale >= highest:
                return factor * scale
        scale *= 10
