"""
How many decisions a second a real `governlayer up` answers over HTTP, and how long each takes, by clients and length.

PostgreSQL, Redis, the server and the clients share this machine. Each client has one connection and an organization of
its own, because a plan admits no more than 2,000 requests a minute; a client that would be refused waits. Questions are
answered with a receipt, and are on the ledger by then. Arguments: seconds of each run (8).
"""

import http.client
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from support.figures import Run, run_of, tell

CLIENTS, LENGTHS = (1, 8, 32), (17, 1000)
PLAN_PAUSE_S = 60 / 2000
GOVERNLAYER = Path(sys.executable).parent / "governlayer"
WORDS = "What does the plan of next year cost us? "


def ask_for(port: int, key: str, length: int, until: float) -> list[int]:
    """Ask one question after the other; return the nanoseconds that each took."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    text = (WORDS * (length // len(WORDS) + 1))[:length]
    question = {
        "stage": "input", "agent": {"id": "bench"}, "action": {"name": "chat.receive"},
        "content": [{"role": "user", "text": text}],
    }  # fmt: skip
    headers, times = {"X-API-Key": key, "Content-Type": "application/json"}, []
    while (began := time.perf_counter()) < until:
        connection.request("POST", "/v1/govern", json.dumps(question), headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"a question was answered {answer.status}")
        took = time.perf_counter() - began
        times.append(int(took * 1e9))
        time.sleep(max(0.0, PLAN_PAUSE_S - took))
    connection.close()
    return times


def measure(port: int, keys: list[str], length: int, seconds: float) -> Run:
    """Let a client per key ask for *seconds*."""
    began = time.perf_counter()
    with ThreadPoolExecutor(len(keys)) as threads:
        asked = threads.map(lambda key: ask_for(port, key, length, began + seconds), keys)
        times = [each for client in asked for each in client]
    return run_of(times, time.perf_counter() - began)


def key_of(place: Path, number: int) -> str:
    """Make an organization; return an API key of it."""
    name = f"bench-{number}"
    data = ["--data", str(place / "data"), "--json"]
    owner = ["--owner-email", f"{name}@bench.example", "--plan", "enterprise"]
    run = partial(subprocess.run, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    run([GOVERNLAYER, "orgs", "create", *data, "--name", name, *owner])
    made = run([GOVERNLAYER, "keys", "create", *data, "--org", name, "--name", "bench", "--scopes", "govern"])
    return json.loads(made.stdout)["key"]


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="gl-bench-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        command = [GOVERNLAYER, "up", "--data", place / "data", "--port", "0", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as up:
            try:
                port = int(json.loads(up.stdout.readline())["url"].rpartition(":")[2])
                threading.Thread(target=up.stdout.read, daemon=True).start()
                keys = [key_of(place, number) for number in range(max(CLIENTS))]
                for length in LENGTHS:
                    for count in CLIENTS:
                        run = measure(port, keys[:count], length, seconds)
                        what = f"{count} clients, {length} characters"
                        tell("decisions", what, run.per_second, "1/s")
                        tell("decisions", f"{what}, p50", run.p50_ms, "ms")
                        tell("decisions", f"{what}, p99", run.p99_ms, "ms")
            finally:
                up.send_signal(signal.SIGTERM)
                up.wait(30)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 8.0)
