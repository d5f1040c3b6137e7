"""
How fast gl-verify is, as a share of what SHA-256 alone takes for the same record lines: with all steps, with --quick,
and with two processes; and how much memory it takes, at two sizes.

Run: python bench/verifier.py [--records N] [--rounds N]. Rounds alternate, each figure is a median; every run is a
process of its own, whose start is not measured. Shares of SHA-256 are of processor time, so that what else the machine
does counts little; the gain by two processes is of elapsed time, and needs two idle cores. "floor" is what one process
in Python cannot be faster than: two hashes of each record, for chain and tree, and one per node of the tree. Memory is
the most that the process ever held, with N / 5 and with N records (Linux only).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from support.dumps import write_dump
from support.figures import tell

FRAME = """
import json, re, sys, time
from pathlib import Path
from hashlib import sha256
path, key = sys.argv[1:]
def lines():
    with open(path, "rb") as file:
        for line in file:
            if line.startswith(b'{"actor":'):
                yield line[:-1]
%s
most = int(re.search("VmHWM:[^0-9]*([0-9]+)", Path("/proc/self/status").read_text())[1])
print(json.dumps([cpu_s, elapsed_s, most]))
"""
HASHING = """
cpu_s, batch = 0.0, []
def hash_all():
    begin = time.process_time()
    for line in batch:
        %s
    return time.process_time() - begin
for line in lines():
    batch.append(line)
    if len(batch) == 1000:
        cpu_s += hash_all()
        batch.clear()
cpu_s += hash_all()
elapsed_s = cpu_s
"""
VERIFYING = """
from governlayer_verifier import verify
begin, begin_cpu = time.perf_counter(), time.process_time()
with open(path, "rb") as file:
    report = verify(file, keys=[key], quick=%s, jobs=%d, file=file.fileno())
elapsed_s, cpu_s = time.perf_counter() - begin, time.process_time() - begin_cpu
assert report.verdict == "valid", report.as_text()
"""
NODE = 'sha256(b"\\1" + line[:64]).digest()'
PROGRAMS = {
    "sha256": HASHING % "sha256(line).digest()",
    "floor": HASHING % f'sha256(line).digest(); sha256(b"\\0" + line).digest(); {NODE}',
    "all_steps": VERIFYING % (False, 1),
    "quick": VERIFYING % (True, 1),
    "all_steps_2_jobs": VERIFYING % (False, 2),
    "quick_2_jobs": VERIFYING % (True, 2),
}


class Taken(NamedTuple):
    """What one run took."""

    cpu_s: float
    elapsed_s: float
    kib: int


def measure(program: str, path: Path, key: str) -> Taken:
    """Run *program* in a process of its own."""
    command = [sys.executable, "-c", FRAME % program, str(path), key]
    return Taken(*json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout))


def medians(path: Path, key: str, rounds: int) -> dict[str, Taken]:
    taken: dict[str, list[Taken]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds):
        for name, program in PROGRAMS.items():
            taken[name].append(measure(program, path, key))
    return {name: Taken(*map(statistics.median, zip(*runs, strict=True))) for name, runs in taken.items()}


def tell_speed(taken: dict[str, Taken], records: int) -> None:
    hashing = records / taken["sha256"].cpu_s
    for name in ("sha256", "floor", "all_steps", "quick"):
        rate = records / taken[name].cpu_s
        tell("verifier", f"{name}_records_per_cpu_second", rate, "1/s", ("sha256", hashing))
    for name in ("all_steps", "quick"):
        one, two = (records / taken[each].elapsed_s for each in (name, f"{name}_2_jobs"))
        tell("verifier", f"{name}_records_per_second", one, "1/s")
        tell("verifier", f"{name}_2_jobs_records_per_second", two, "1/s", (name, one))
    print("\n| what | records per second of processor time | of SHA-256 alone |\n|---|---|---|")
    for name in ("sha256", "floor", "all_steps", "quick"):
        print(f"| {name} | {records / taken[name].cpu_s:,.0f} | {taken['sha256'].cpu_s / taken[name].cpu_s:.3f} |")


def tell_memory(paths: dict[int, Path], key_of: dict[int, str]) -> None:
    for name in ("all_steps", "quick"):
        small, large = (measure(PROGRAMS[name], paths[size], key_of[size]).kib / 1024 for size in sorted(paths))
        for size, most in zip(sorted(paths), (small, large), strict=True):
            tell("verifier", f"{name}_memory_{size}", most, "MiB", (f"{min(paths)} records", small))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000, help="length of the dump")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is taken")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gl-bench-") as folder:
        paths = {size: Path(folder, str(size)) for size in (options.records // 5, options.records)}
        keys = {size: write_dump(path, size) for size, path in paths.items()}
        taken = medians(paths[options.records], keys[options.records], options.rounds)
        tell_speed(taken, options.records)
        tell_memory(paths, keys)


if __name__ == "__main__":
    main()
