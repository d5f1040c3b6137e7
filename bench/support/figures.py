"""How programs in bench/ tell their figures: a JSON line each, a table, a chart."""

import json
import math
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

COLOURS = ("#0b6e4f", "#3a6ea5", "#b5651d", "#7a5195", "#8a8a8a")
WIDTH, HEIGHT, LEFT, TOP, GAP = 900, 300, 80, 40, 60


class Run(NamedTuple):
    """What one run of one contender gave: how many a second, and how long each took, in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float


def machine() -> str:
    """Return cores, and how busy they are."""
    return f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def run_of(latencies_ns: Sequence[int], elapsed_s: float) -> Run:
    """Return the figures of a run."""
    ordered = sorted(latencies_ns)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return Run(len(ordered) / elapsed_s, statistics.median(ordered) / 1e6, p99 / 1e6)


def median_of(runs: Sequence[Run]) -> Run:
    """Return the median of each figure."""
    return Run(*(statistics.median(column) for column in zip(*runs, strict=True)))


def tell(bench: str, metric: str, value: float, unit: str, baseline: tuple[str, float] | None = None) -> None:
    """Print one figure, with its ratio to the baseline of the same run."""
    line: dict[str, object] = {"bench": bench, "metric": metric, "value": round(value, 3), "unit": unit}
    if baseline is not None:
        line |= {"baseline": baseline[0], "ratio": round(value / baseline[1], 3)}
    print(json.dumps({**line, "machine": machine()}), flush=True)


def chart(file: Path, title: str, runs: Mapping[str, Mapping[int, Run]]) -> None:
    """Write an SVG: throughput, and below it the median latency, over the number of writers, both logarithmic."""
    panels = (("records per second", 0), ("p50 latency, ms", 1))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {2 * HEIGHT + 2 * GAP}" '
        'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="16">{escape(title)}</text>',
    ]
    for number, (label, field) in enumerate(panels):
        parts.append(_panel(label, TOP + number * (HEIGHT + GAP), field, runs))
    file.write_text("".join([*parts, "</svg>\n"]), encoding="utf-8")


def _panel(label: str, top: int, field: int, runs: Mapping[str, Mapping[int, Run]]) -> str:
    writers = sorted({count for series in runs.values() for count in series})
    values = [series[count][field] for series in runs.values() for count in series]
    low, high = _decade(min(values), down=True), _decade(max(values), down=False)
    columns = {
        count: LEFT + 40 + index * (WIDTH - LEFT - 260) / (len(writers) - 1) for index, count in enumerate(writers)
    }

    def height(value: float) -> float:
        return top + HEIGHT - 30 - _position(value, low, high) * (HEIGHT - 60)

    parts = [f'<text x="{LEFT}" y="{top + 14}" fill="#444">{escape(label)}</text>']
    tick = low
    while tick <= high:
        y = height(tick)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 190}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
        tick *= 10
    parts += [
        f'<text x="{x:.0f}" y="{top + HEIGHT - 8}" text-anchor="middle">{count}</text>' for count, x in columns.items()
    ]
    for (name, series), colour in zip(runs.items(), COLOURS, strict=False):
        points = [(columns[count], height(run[field])) for count, run in sorted(series.items())]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = points[-1]
        parts.append(f'<text x="{x + 10:.1f}" y="{y + 4:.1f}" fill="{colour}">{escape(name)}</text>')
    return "".join(parts)


def _decade(value: float, *, down: bool) -> float:
    decade = 10.0 ** len(str(int(value))) if value >= 1 else 1.0
    while decade > value:
        decade /= 10
    return decade if down or decade == value else decade * 10


def _position(value: float, low: float, high: float) -> float:
    """Return where *value* stands between *low* (0) and *high* (1), by orders of magnitude."""
    return math.log(value / low, high / low)
