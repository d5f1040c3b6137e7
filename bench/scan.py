"""
How long a scan takes: JSON lines of milliseconds for 1 KB to 1 MB, and the ratio when 50,000 characters
double.

Run: python bench/scan.py [--repeat N]. Each figure is the fastest of N runs (default 5) of all detectors:
others on the machine only ever make it slower.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable

from governlayer_server.domain.scan import DETECTORS, ScanText, scan

PROSE = "The quarterly review moved to Thursday; please bring the figures and a printed plan. "
TEXTS: dict[str, Callable[[int], str]] = {
    "prose": lambda size: filled(PROSE, size),
    "findings": lambda size: filled("Mail ann@example.org or call +44 20 7946 0958, card 4111 1111 1111 1111. ", size),
    "accents": lambda size: filled("Ünïcödé déjà vu — ﬁne naïve text, zero\u200bwidth. ", size),
    "at_signs": lambda size: "a@" * (size // 2),
    "digits": lambda size: filled("1234-", size),
    "single_digits": lambda size: filled("5 1 0 ", size),
    "words_ignore": lambda size: filled("ignore all the ", size),
    "one_long_word": lambda size: filled("ignore x", size).replace(" ", ""),
    "begin_keys": lambda size: filled("-----BEGIN PRIVATE KEY-----\n", size),
    "phone_flood": lambda size: filled("call 0131 496 0811, ", size),
    "combining": lambda size: filled("e\u0301\u0323\u0301\u0323", size),
}
SIZES = {"1KB": 1_000, "4KB": 4_000, "64KB": 64_000, "1MB": 1_000_000}


def filled(pattern: str, size: int) -> str:
    return (pattern * (size // len(pattern) + 1))[:size]


def milliseconds(text: str, repeat: int, detectors: list[str] | None = None) -> float:
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        scan([ScanText(text=text)], detectors)
        taken.append((time.perf_counter() - start) * 1000)
    return min(taken)


def emit(metric: str, value: float, unit: str) -> None:
    machine = f"{platform.machine()} {platform.system()} python {platform.python_version()}"
    line = {"bench": "scan", "metric": metric, "value": round(value, 3), "unit": unit, "machine": machine}
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    scan([ScanText(text=make(1000)) for make in TEXTS.values()])
    for kind in ("prose", "findings"):
        for name, size in SIZES.items():
            emit(f"{kind}.{name}", milliseconds(TEXTS[kind](size), repeat), "ms")
    for name in DETECTORS:
        emit(f"prose.1MB.{name}", milliseconds(TEXTS["prose"](1_000_000), repeat, [name]), "ms")
    for kind, make in TEXTS.items():
        once, twice = milliseconds(make(50_000), repeat), milliseconds(make(100_000), repeat)
        emit(f"{kind}.50000", once, "ms")
        emit(f"{kind}.doubling", twice / once, "ratio")


if __name__ == "__main__":
    main()
