"""
Whether passwords hold up other requests: p50 and p99 of /livez on a real `governlayer up`, idle and during 20 sign-ins.

Both are measured in the same run, one request after another on one connection, while four clients sign in.
"""

import http.client
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SIGN_INS, CLIENTS, IDLE_S, PAUSE_S = 20, 4, 5.0, 0.002
MACHINE = f"{platform.machine()}, {os.cpu_count()} cores"
GOVERNLAYER = Path(sys.executable).parent / "governlayer"
EMAIL, PASSWORD = "owner@bench.example", "correct horse battery"


def probe(port: int, stop: threading.Event) -> list[float]:
    """Return the seconds of each request until *stop*."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    times = []
    while not stop.is_set():
        start = time.perf_counter()
        connection.request("GET", "/livez")
        connection.getresponse().read()
        times.append(time.perf_counter() - start)
        time.sleep(PAUSE_S)
    connection.close()
    return times


def sign_in(port: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = json.dumps({"email": EMAIL, "password": PASSWORD})
    start = time.perf_counter()
    connection.request("POST", "/v1/auth/login", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"a sign-in was answered {answer.status}")
    return time.perf_counter() - start


def measure(port: int) -> tuple[list[float], list[float], list[float]]:
    with ThreadPoolExecutor(CLIENTS + 1) as threads:
        stop = threading.Event()
        idle = threads.submit(probe, port, stop)
        time.sleep(IDLE_S)
        stop.set()
        idle.result()
        stop = threading.Event()
        busy = threads.submit(probe, port, stop)
        sign_ins = list(threads.map(lambda _: sign_in(port), range(SIGN_INS)))
        stop.set()
        return idle.result(), busy.result(), sign_ins


def report(metric: str, seconds: float, baseline: float | None = None) -> None:
    line = {"bench": "sign_ins", "metric": metric, "value": round(seconds * 1000, 3), "unit": "ms", "machine": MACHINE}
    if baseline is not None:
        line |= {"baseline": "idle", "ratio": round(seconds / baseline, 2)}
    print(json.dumps(line), flush=True)


def p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gl-bench-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        password = place / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        command = [GOVERNLAYER, "up", "--data", place / "data", "--port", "0", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as up:
            try:
                port = int(json.loads(up.stdout.readline())["url"].rpartition(":")[2])
                create = [GOVERNLAYER, "orgs", "create", "--data", place / "data", "--name", "bench"]
                owner = ["--owner-email", EMAIL, "--owner-password-file", password]
                subprocess.run([*create, *owner], check=True, stdout=subprocess.DEVNULL)
                idle, busy, sign_ins = measure(port)
            finally:
                up.send_signal(signal.SIGTERM)
                up.wait(30)
    report("livez_idle_p50", statistics.median(idle))
    report("livez_idle_p99", p99(idle))
    report("livez_during_sign_ins_p50", statistics.median(busy), statistics.median(idle))
    report("livez_during_sign_ins_p99", p99(busy), p99(idle))
    report("sign_in_p50", statistics.median(sign_ins))


if __name__ == "__main__":
    main()
