"""
Which ASGI server carries the application best: uvicorn or granian, alternating, on loopback.

The same application (a Litestar route behind the request-id layer and strict decoding, no database) is served by both;
one process each, keep-alive connections, a small asyncio client on the same machine.
"""

import asyncio
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS, SECONDS, CONNECTIONS = 5, 2.0, (1, 32)
MACHINE = f"{platform.machine()}, {os.cpu_count()} cores"
APPLICATION = """
from litestar import Litestar, post
from governlayer_server.adapters.system import SystemClock, SystemEntropy
from governlayer_server.domain.action import ActionRequest
from governlayer_server.web.bodies import JsonBody
from governlayer_server.web.observe import Observed

@post("/v1/govern", dto=JsonBody[ActionRequest], return_dto=None, status_code=200)
async def route(data: ActionRequest) -> dict[str, str]:
    return {"decision": "deny", "agent": data.agent.id}

app = Observed(Litestar([route], openapi_config=None), SystemClock(), SystemEntropy(), lambda *_, **__: None)
"""
BODY = json.dumps(
    {
        "stage": "input",
        "agent": {"id": "bench"},
        "action": {"name": "chat"},
        "content": [{"role": "user", "text": "When do you open on Saturday? " * 4}],
    }
).encode()
REQUEST = b"POST /v1/govern HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)
SERVERS = {
    "uvicorn": ["-m", "uvicorn", "bench_app:app", "--http", "httptools", "--loop", "uvloop", "--no-access-log",
                "--log-level", "error", "--port"],
    "granian": ["-m", "granian", "bench_app:app", "--interface", "asgi", "--loop", "uvloop", "--no-access-log",
                "--log-level", "error", "--port"],
}  # fmt: skip


async def client(port: int, until: float, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        start = time.perf_counter()
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        if b" 200 " not in head[:16]:
            raise SystemExit(f"unexpected answer: {head[:60]!r}")
        latencies.append(time.perf_counter() - start)
    writer.close()


async def load(port: int, connections: int) -> list[float]:
    latencies: list[float] = []
    until = time.monotonic() + SECONDS
    await asyncio.gather(*(client(port, until, latencies) for _ in range(connections)))
    return latencies


def measure(name: str, folder: str, connections: int) -> tuple[float, float]:
    """Return requests per second and the median latency in ms of one round."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": folder}
    server = subprocess.Popen([sys.executable, *SERVERS[name], str(port)], env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        asyncio.run(load(port, connections))
        latencies = asyncio.run(load(port, connections))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
    return len(latencies) / SECONDS, statistics.median(latencies) * 1000


def wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the server did not start")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "bench_app.py").write_text(APPLICATION, encoding="utf-8")
        for connections in CONNECTIONS:
            rounds = {name: [] for name in SERVERS}
            for _ in range(ROUNDS):
                for name in SERVERS:
                    rounds[name].append(measure(name, folder, connections))
            rates = {name: statistics.median(rate for rate, _ in values) for name, values in rounds.items()}
            for name, values in rounds.items():
                report(f"{name}_requests_per_second_{connections}", rates[name], "1/s", rates[name] / rates["uvicorn"])
                report(f"{name}_p50_{connections}", statistics.median(p50 for _, p50 in values), "ms", None)


def report(metric: str, value: float, unit: str, ratio: float | None) -> None:
    line = {"bench": "servers", "metric": metric, "value": round(value, 3), "unit": unit, "machine": MACHINE}
    if ratio is not None:
        line |= {"baseline": "uvicorn", "ratio": round(ratio, 2)}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
